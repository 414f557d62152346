"""tools/join_manifests.py: paths, keys and folds of the joined manifest."""

import csv
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tools" / "join_manifests.py"


class JoinManifests(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        for name, text in (("a", "path,key,label,fold\nx.wav,1,dog,train\ny.wav,2,dog,test\n"),
                           ("b", 'fold,path,label\ntrain,x.wav,"cat, old"\nvalidation,z.wav,cat\n')):
            (self.folder / name).mkdir()
            (self.folder / name / "manifest.csv").write_text(text, encoding="utf-8")

    def join(self, *arguments, expect=0):
        command = [sys.executable, SCRIPT, *arguments]
        run = subprocess.run(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(run.returncode, expect, run.stderr)
        return run.stderr

    def test_paths_keys_and_folds(self):
        self.join("all.csv", "a/manifest.csv", "b/manifest.csv", "--folds", "train", "validation")
        with open(self.folder / "all.csv", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([(row["path"], row["label"], row["fold"]) for row in rows],
                         [("a/x.wav", "dog", "train"), ("b/x.wav", "cat, old", "train"), ("b/z.wav", "cat", "validation")])
        self.assertEqual([row["key"] for row in rows], ["a/x.wav", "b/x.wav", "b/z.wav"])

    def test_bad_input(self):
        self.assertIn("nowhere.csv", self.join("all.csv", "nowhere.csv", expect=1))
        self.assertIn("fold dev", self.join("all.csv", "a/manifest.csv", "--folds", "dev", expect=1))
        (self.folder / "c.csv").write_text("path,label\nx.wav,dog\n", encoding="utf-8")
        self.assertIn("'fold'", self.join("all.csv", "c.csv", expect=1))
        self.assertFalse((self.folder / "all.csv").exists())


if __name__ == "__main__":
    unittest.main()
