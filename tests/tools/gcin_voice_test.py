"""The label and split rules of tools/gcin_voice.py, and its counts where the recordings are there."""

import csv
import importlib.util
import pathlib
import subprocess
import sys
import tempfile
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = REPOSITORY / "tools" / "gcin_voice.py"
RECORDINGS = REPOSITORY / "data-cache" / "gcin"

spec = importlib.util.spec_from_file_location("gcin_voice", SCRIPT)
gcin_voice = importlib.util.module_from_spec(spec)
spec.loader.exec_module(gcin_voice)


def read_manifest(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def fold_counts(rows):
    return [sum(row["fold"] == fold for row in rows) for fold in ("train", "validation", "test")]


class GcinVoice(unittest.TestCase):
    def make_folder(self, names):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        folder = pathlib.Path(temporary.name)
        for name in names:
            for voice in ("3", "5"):
                (folder / "ogg" / name).mkdir(parents=True, exist_ok=True)
                (folder / "ogg" / name / f"{voice}.ogg").touch()
        return folder

    def test_tone_is_the_last_digit(self):
        self.assertEqual(gcin_voice.split_tone("ㄅㄚ4"), ("ㄅㄚ", "4"))
        self.assertEqual(gcin_voice.split_tone("ㄅㄚ"), ("ㄅㄚ", "1"))
        self.assertEqual(gcin_voice.split_tone("ㄅㄚ1"), ("ㄅㄚ", "neutral"))

    def test_rime_is_what_follows_one_initial(self):
        self.assertEqual(gcin_voice.rime("ㄅㄧㄝ"), "ㄧㄝ")
        self.assertEqual(gcin_voice.rime("ㄧㄝ"), "ㄧㄝ")
        self.assertEqual(gcin_voice.rime("ㄕ"), "(empty)")

    def test_fold_depends_on_the_base_syllable(self):
        # sha1 of the UTF-8 bytes, modulo 100, by coreutils and bc.
        self.assertEqual(gcin_voice.fold("ㄓ"), "train")  # 95
        self.assertEqual(gcin_voice.fold("ㄓㄜ"), "train")  # 97
        folds = {row[3] for row in gcin_voice.tone_rows(gcin_voice.find_clips(self.make_folder(["ㄓ", "ㄓ2", "ㄓ4"])))}
        self.assertEqual(folds, {"train"})

    def test_rare_rimes_and_neutral_tones_are_left_out(self):
        common = [initial + "ㄚ" for initial in gcin_voice.INITIALS[:20]]  # 40 clips
        clips = gcin_voice.find_clips(self.make_folder(common + ["ㄅㄨ", "ㄅㄨ1"]))
        self.assertEqual({row[2] for row in gcin_voice.rime_rows(clips)}, {"ㄚ"})
        self.assertEqual(len(gcin_voice.rime_rows(clips)), 40)
        self.assertEqual(len(gcin_voice.tone_rows(clips)), 42)

    def test_manifest_has_paths_relative_to_the_folder(self):
        folder = self.make_folder(["ㄅㄚ4"])
        subprocess.run([sys.executable, SCRIPT, folder], check=True, stdout=subprocess.DEVNULL)
        self.assertEqual(
            read_manifest(folder / "tone.csv")[1],
            {"path": "ogg/ㄅㄚ4/5.ogg", "key": "ㄅㄚ4/5", "label": "4", "fold": gcin_voice.fold("ㄅㄚ")},
        )

    def test_missing_recordings_are_named(self):
        run = subprocess.run([sys.executable, SCRIPT, "/nowhere"], stderr=subprocess.PIPE, universal_newlines=True)
        self.assertEqual(run.returncode, 1)
        self.assertIn("/nowhere/ogg", run.stderr)

    @unittest.skipUnless((RECORDINGS / "ogg").is_dir(), "the recordings are fetched by tools/quickstart.sh")
    def test_counts_of_the_real_recordings(self):
        clips = gcin_voice.find_clips(RECORDINGS)
        rimes = [dict(zip(gcin_voice.COLUMNS, row)) for row in gcin_voice.rime_rows(clips)]
        tones = [dict(zip(gcin_voice.COLUMNS, row)) for row in gcin_voice.tone_rows(clips)]
        self.assertEqual(len({row["label"] for row in rimes}), 26)
        self.assertEqual(fold_counts(rimes), [1428, 166, 510])
        self.assertEqual(sorted({row["label"] for row in tones}), ["1", "2", "3", "4"])
        self.assertEqual(fold_counts(tones), [1602, 183, 549])


if __name__ == "__main__":
    unittest.main()
