"""The layouts that tools/standins.py writes, by the rules of the data sets' own readers."""

import csv
import pathlib
import subprocess
import sys
import tempfile
import unittest
import wave

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tools" / "standins.py"
LABELS = ["low, deep", "high", 'a "word"']


def write_wave(path, value, frames=800, rate=16000):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(bytes([value, 0]) * frames)


def samples(path):
    with wave.open(str(path)) as file:
        return file.readframes(file.getnframes())


def make_recordings(folder):
    """30 WAV files, 10 of each label, each of one value of its own; and one that is no WAV file."""
    with open(folder / "manifest.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "fold"])
        for i in range(30):
            write_wave(folder / f"{i}.wav", i + 1, rate=8000 if i % 10 == 9 else 16000)
            writer.writerow([f"{i}.wav", LABELS[i % 3], "train"])
        (folder / "x.ogg").write_bytes(b"OggS")
        writer.writerow(["x.ogg", "high", "train"])
    return folder / "manifest.csv"


class StandIns(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.folder = pathlib.Path(temporary.name)
        cls.manifest = make_recordings(cls.folder)
        cls.run_tool("out")

    @classmethod
    def run_tool(cls, name, *arguments):
        return subprocess.run([sys.executable, SCRIPT, cls.folder / name, "--from", cls.manifest, *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)

    def label_of(self, value):
        return LABELS[(value - 1) % 3]

    def test_audioset(self):
        root = self.folder / "out" / "audioset"
        with open(root / "class_labels_indices.csv", encoding="utf-8", newline="") as file:
            classes = list(csv.DictReader(file))
        self.assertEqual([row["index"] for row in classes], ["0", "1", "2", "3"])
        name_of = {row["mid"]: row["display_name"] for row in classes}
        self.assertEqual(sorted(name_of.values()), sorted([f"{label}, recorded" for label in LABELS] + ["Silence, of no clip"]))
        heard, several, dashes, missing, clips = {}, 0, 0, 0, 0
        for name in ("balanced_train", "unbalanced_train", "eval"):
            lines = (root / f"{name}_segments.csv").read_text(encoding="utf-8").splitlines()
            self.assertEqual([line[:2] for line in lines[:3]], ["# "] * 3)
            listed = set()
            for row in csv.reader(lines[3:], skipinitialspace=True):
                clip, start, end, mids = row
                self.assertEqual((len(clip), float(end) - float(start)), (11, 10))
                names = {name_of[mid].removesuffix(", recorded") for mid in mids.split(",")}
                several += len(names) > 1
                dashes += clip.startswith("-")
                clips += 1
                listed.add(clip)
                path = root / "audio" / name / f"{clip}.wav"
                if not path.exists():
                    missing += not path.with_suffix(".ogg").exists()
                    continue
                values = set(samples(path)[::2])
                self.assertEqual({self.label_of(value) for value in values}, names, "labels are those of what is heard")
                for value in values:
                    self.assertEqual(heard.setdefault(value, name), name, "a recording is in one set only")
            self.assertLessEqual({path.stem for path in (root / "audio" / name).iterdir()}, listed)
        self.assertEqual(clips, 31)
        self.assertGreater(several, 3)
        self.assertGreater(dashes, 2)
        self.assertEqual(missing, 3, "one in eight of each set")

    def test_esc50(self):
        root = self.folder / "out" / "ESC-50"
        with open(root / "meta" / "esc50.csv", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(len(rows), 31)
        self.assertEqual({row["fold"] for row in rows}, set("12345"))
        for fold in "12345":
            self.assertEqual({row["category"] for row in rows if row["fold"] == fold}, set(LABELS))
        self.assertEqual(sorted({(row["target"], row["category"]) for row in rows}), [(str(i), x) for i, x in enumerate(sorted(LABELS))])
        for row in rows:
            path = root / "audio" / row["filename"]
            self.assertTrue(path.exists())
            if path.suffix == ".wav":
                self.assertEqual(self.label_of(samples(path)[0]), row["category"])

    def test_speech_commands(self):
        root = self.folder / "out" / "speech_commands"
        files = {path.relative_to(root).as_posix() for path in root.glob("*/*")}
        lists = [(root / f"{name}_list.txt").read_text(encoding="utf-8").splitlines() for name in ("validation", "testing")]
        self.assertEqual([len(set(clips)) for clips in lists], [6, 6])
        self.assertLessEqual({*lists[0], *lists[1]}, files)
        self.assertFalse({*lists[0]} & {*lists[1]})
        self.assertEqual(len(files), 31 + 1)
        self.assertIn("_background_noise_/", "".join(files))

    def test_the_same_again_and_fewer(self):
        self.run_tool("again")
        first, second = ({path.relative_to(self.folder / name): path.read_bytes() for path in (self.folder / name).rglob("*.*")}
                         for name in ("out", "again"))
        self.assertEqual(first, second)
        self.run_tool("fewer", "--recordings", "9")
        rows = (self.folder / "fewer" / "ESC-50" / "meta" / "esc50.csv").read_text().splitlines()[1:]
        self.assertEqual(len(rows), 9)
        self.assertEqual(sorted(row.split(",")[2] for row in rows), ["0"] * 3 + ["1"] * 3 + ["2"] * 3)

    def test_bad_input(self):
        self.assertIn("is there already", self.run_tool("out").stderr)
        bad = self.folder / "bad.csv"
        for text, word in (("path,label\nnowhere.wav,a\n", "line 2"), ("path\n0.wav\n", "'label'"), ("path,label\n", "no rows")):
            bad.write_text(text)
            done = subprocess.run([sys.executable, SCRIPT, self.folder / "never", "--from", bad], stderr=subprocess.PIPE, universal_newlines=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn(word, done.stderr)
            self.assertIn("bad.csv", done.stderr)
            self.assertFalse((self.folder / "never").exists())


if __name__ == "__main__":
    unittest.main()
