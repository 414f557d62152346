"""The split and selection rules of tools/asterisk_prompts.py, and its counts where the recordings are there."""

import csv
import importlib.util
import pathlib
import subprocess
import sys
import tempfile
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = REPOSITORY / "tools" / "asterisk_prompts.py"
RECORDINGS = REPOSITORY / "data-cache" / "asterisk"

spec = importlib.util.spec_from_file_location("asterisk_prompts", SCRIPT)
asterisk_prompts = importlib.util.module_from_spec(spec)
spec.loader.exec_module(asterisk_prompts)


class AsteriskPrompts(unittest.TestCase):
    def make_folder(self, prompts, voices=asterisk_prompts.LANGUAGES):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        folder = pathlib.Path(temporary.name)
        for voice in voices:
            for prompt in prompts:
                path = folder / "sounds" / voice / f"{prompt}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        return folder

    def test_only_speech_that_all_languages_have(self):
        folder = self.make_folder(["digits/1", "silence/1", "beep", "confbridge-join", "demo-thanks", "tt-weasels", "a"])
        (folder / "sounds" / "it_IT_m_Carlo" / "a.wav").unlink()
        self.assertEqual(asterisk_prompts.find_prompts(folder / "sounds"), ["digits/1"])

    def test_a_prompt_has_one_fold_in_all_languages(self):
        folder = self.make_folder(["digits/1", "vm-and"])
        subprocess.run([sys.executable, SCRIPT, folder], check=True, stdout=subprocess.DEVNULL)
        with open(folder / "language.csv", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(len(rows), 10)
        self.assertEqual({row["label"] for row in rows}, set(asterisk_prompts.LANGUAGES.values()))
        for prompt in ("digits/1", "vm-and"):
            self.assertEqual(len({row["fold"] for row in rows if row["key"].endswith(prompt)}), 1)
        self.assertTrue((folder / rows[0]["path"]).exists())

    def test_missing_recordings_are_named(self):
        folder = self.make_folder(["digits/1"], voices=["en_US_f_Allison"])
        run = subprocess.run([sys.executable, SCRIPT, folder], stderr=subprocess.PIPE, universal_newlines=True)
        self.assertEqual(run.returncode, 1)
        self.assertIn("es_MX_f_Allison", run.stderr)

    @unittest.skipUnless((RECORDINGS / "sounds").is_dir(), "the recordings are fetched by tools/asterisk_prompts.py --fetch")
    def test_counts_of_the_real_recordings(self):
        prompts = asterisk_prompts.find_prompts(RECORDINGS / "sounds")
        folds = [sum(asterisk_prompts.fold(prompt) == fold for prompt in prompts)
                 for fold in ("train", "validation", "test")]
        self.assertEqual(folds, [327, 49, 88])


if __name__ == "__main__":
    unittest.main()
