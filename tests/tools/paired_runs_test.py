"""The arithmetic and the plans of tools/paired_runs.py."""

import importlib.util
import math
import pathlib
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tools" / "paired_runs.py"
spec = importlib.util.spec_from_file_location("paired_runs", SCRIPT)
paired_runs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(paired_runs)


class PairedRuns(unittest.TestCase):
    def test_interval_is_students(self):
        # scipy.stats.t.interval(0.95, 2, 2, scipy.stats.sem([1, 2, 3])) = (-0.4841, 4.4841)
        mean, half = paired_runs.interval([1.0, 2.0, 3.0])
        self.assertAlmostEqual(mean, 2.0)
        self.assertAlmostEqual(half, 2.4841, places=3)
        self.assertTrue(math.isnan(paired_runs.interval([1.0])[1]))

    def test_differences_are_paired_by_seed(self):
        lines = paired_runs.table("accuracy", [1, 2], {"base": [0.5, 0.7], "better": [0.6, 0.8]}).splitlines()
        self.assertEqual(lines[2], "| base | 60.0 | 50.0 | 70.0 |  |")
        self.assertEqual(lines[3], "| better | 70.0 | 60.0 | 80.0 | +10.0 ± 0.0 |")

    def test_bad_plans(self):
        good = 'recipe = "r.toml"\nmetric = "accuracy"\n[[variant]]\nname = "a b"\n'
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "plan.toml"
            path.write_text(good)
            self.assertEqual(paired_runs.read_plan(path)["fold"], "test")
            for text, word in ((good + '[[variant]]\nname = "A-B"\n', "a name of its own"), ("metrik = 1\n" + good, "metrik"),
                               (good.replace("recipe", "#"), "'recipe'"), ("=", "plan.toml")):
                path.write_text(text)
                with self.assertRaises(SystemExit) as error:
                    paired_runs.read_plan(path)
                self.assertIn(word, str(error.exception))


if __name__ == "__main__":
    unittest.main()
