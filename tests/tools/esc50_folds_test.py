"""The folds and the rules of tools/esc50_folds.py. Real trainings: tests/launcher/published_test.py."""

import importlib.util
import pathlib
import sys
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tools" / "esc50_folds.py"
spec = importlib.util.spec_from_file_location("esc50_folds", SCRIPT)
esc50_folds = importlib.util.module_from_spec(spec)
sys.path.insert(0, str(SCRIPT.parent))  # run_tutti
spec.loader.exec_module(esc50_folds)


class Esc50Folds(unittest.TestCase):
    def test_folds_of_a_training(self):
        self.assertEqual(esc50_folds.roles("2", False),
                         ['data.train=["1", "3", "4", "5"]', 'data.validation=["2"]', 'data.test=["2"]'])
        self.assertEqual(esc50_folds.roles("5", True),
                         ['data.train=["2", "3", "4"]', 'data.validation=["1"]', 'data.test=["5"]'])

    def test_one_epoch_for_all_folds(self):
        # The best epochs of the folds are 1, 3 and 3; their mean is best after 2, and 2 comes before 4.
        by_epoch = [{1: 0.9, 2: 0.8, 3: 0.1, 4: 0.8}, {1: 0.1, 2: 0.8, 3: 0.9, 4: 0.8}, {1: 0.1, 2: 0.8, 3: 0.9, 4: 0.8}]
        chosen, last = esc50_folds.rows_of_four_folds(by_epoch)
        self.assertEqual(chosen[1:], ("2", [0.8, 0.8, 0.8]))
        self.assertEqual(last[1:], ("4", [0.8, 0.8, 0.8]))

    def test_table(self):
        # The authors' log: 95.75 is the mean of these.
        lines = esc50_folds.table([("x", "19", [0.95, 0.9775, 0.9475, 0.97, 0.9425])]).splitlines()
        self.assertEqual(lines[2], "| x | 19 | 95.75 | 95.00 | 97.75 | 94.75 | 97.00 | 94.25 |")


if __name__ == "__main__":
    unittest.main()
