"""The recipes of published results, recipes/ast, from files to metrics: published_test.py TUTTI FOLDER Published

On stand-ins of tools/standins.py, of real syllables (those of tests/golden/fbank.safetensors): the official layouts with a
few clips. A trial changes of a recipe where files lie, the model's size and how long it trains, and nothing else; that is
tested too.
"""
import csv
import json
import math
import shutil
import subprocess
import sys
import tomllib
import unittest
from pathlib import Path

from harness import FOLDER, TUTTI, lines, losses, run
from program_test import recordings, write_wave

REPOSITORY = Path(__file__).resolve().parents[2]
RECIPES = REPOSITORY / "recipes" / "ast"
WORK = FOLDER / "published"
SETS = {"audioset_balanced": "audioset", "audioset_full": "audioset", "esc50": "ESC-50", "speech_commands": "speech_commands"}
DIM = 24  # the width of a token

# What a trial may change.
PATHS = {"data.shards", "model.init"}
SIZES = {"model.size", "model.dim", "model.depth", "model.heads", "model.classes"}
STEPS = {"train.epochs", "schedule.warmup_steps", "log.every_steps"}
# What a run decides for itself where a recipe leaves it open.
OPEN = {"train.precision": "auto", "train.device": "auto", "checkpoint.best": "auto", "model.classes": 0}


def flat(document):
    """{"table.key": value} of TOML text."""
    return {f"{table}.{key}": value for table, keys in tomllib.loads(document).items() if isinstance(keys, dict) for key, value in keys.items()}


def recipe(name):
    """Every key of a published recipe."""
    return flat(run("inspect", RECIPES / f"{name}.toml").stdout)


def differences(one, other):
    return {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}


def write_manifest(folder):
    folder.mkdir(parents=True)
    sounds = recordings(step=1)  # in the order of the syllables' first sounds
    with open(folder / "manifest.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label"])
        for i, sound in enumerate(sounds):
            write_wave(folder / f"{i:03}.wav", 16000, sound)
            writer.writerow([f"{i:03}.wav", f"syllables {5 * i // len(sounds)}"])
    return folder / "manifest.csv"


def settings(**keys):
    """Arguments of a trial: a small model, every step on record, and keys as data__shards."""
    keys = {"model__size": "", "model__dim": DIM, "model__depth": 1, "model__heads": 2, "log__every_steps": 1, **keys}
    return [word for key, value in keys.items() for word in ("--set", f"{key.replace('__', '.')}={value}")]


def rates(output):
    """The learning rate of each epoch's last step."""
    return list({record["epoch"]: record["lr"] for record in lines(output) if "split" not in record}.values())


class Published(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        shutil.rmtree(WORK, ignore_errors=True)
        manifest = write_manifest(WORK / "recordings")
        subprocess.run([sys.executable, REPOSITORY / "tools" / "standins.py", WORK, "--from", manifest], check=True, stdout=subprocess.DEVNULL)
        cls.deit = WORK / "deit.safetensors"
        subprocess.run([sys.executable, REPOSITORY / "tools" / "deit_standin.py", cls.deit, "--dim", str(DIM), "--depth", "1",
                        "--grid", "24"], check=True)
        cls.shards, cls.log = {}, {}
        for name, folder in SETS.items():
            cls.shards[name] = WORK / f"{name}-shards"
            cls.log[name] = run("shard", RECIPES / f"{name}_shards.toml", "--set", f"input.folder={WORK / folder}",
                                "--set", f"output.folder={cls.shards[name]}", ranks=2).stderr

    def trial(self, name, **keys):
        """Trains a published recipe on its stand-in at 2 ranks; folder and log."""
        output = WORK / "runs" / name
        shutil.rmtree(output, ignore_errors=True)
        log = run("train", RECIPES / f"{name}.toml", "--output", output,
                  *settings(data__shards=self.shards[name], schedule__warmup_steps=0, **keys), ranks=2).stderr
        published, resolved = recipe(name), flat((output / "recipe.toml").read_text())
        found = {key for key in differences(published, resolved) if key not in OPEN or published[key] != OPEN[key]}
        self.assertLessEqual(found, PATHS | SIZES | STEPS)
        self.assertLessEqual({"data.shards", "model.init", "model.dim"}, found, "the comparison sees what a trial changes")
        self.assertTrue(all(map(math.isfinite, losses(output))))
        return output, log

    def check_rates(self, output, expected):
        found = rates(output)
        self.assertEqual(len(found), len(expected))
        for epoch, (rate, wanted) in enumerate(zip(found, expected), 1):
            self.assertAlmostEqual(rate / wanted, 1, places=6, msg=f"epoch {epoch}")

    def clips(self, *sets):
        """How many clips of AudioSet's stand-in are there."""
        return sum(len(list((WORK / "audioset" / "audio" / name).iterdir())) for name in sets)

    def average(self, output, epochs, saved):
        """As the authors evaluate AudioSet: the mean of the weights at the end of these epochs."""
        shutil.rmtree(saved, ignore_errors=True)
        done = run("evaluate", output, "--epochs", epochs, "--combine", "weights", "--save", saved, "--json", ranks=2)
        row = json.loads(done.stdout.splitlines()[-1])
        self.assertEqual(row["combined"], "weights")
        self.assertEqual(row["count"], self.clips("eval"))
        self.assertTrue(0 < row["map"] <= 1)
        self.assertEqual(row["classes_without_clips"], 1)
        self.assertIn("clips of 5 of 6 classes", run("evaluate", saved).stdout)
        return row

    def test_audioset_balanced(self):
        output, log = self.trial("audioset_balanced", model__init=self.deit, train__epochs=11)
        self.assertIn(f"{self.clips('balanced_train')} training clips, {self.clips('eval')} validation clips, 6 classes", log)
        self.assertRegex(self.log["audioset_balanced"], r"eval_segments\.csv: 4 of \d+ clips have no sound file")
        self.assertIn("summed the three input channels", log)
        self.assertIn("v.pos_embed adapted", log)
        self.check_rates(output, [5e-5] * 10 + [2.5e-5])  # the authors' result.csv
        self.average(output, "6-11", WORK / "audioset-balanced-mean")

    def test_lists_of_the_authors_are_the_same_clips(self):
        official, lists = WORK / "audioset", WORK / "audioset-lists"
        lists.mkdir()
        shutil.copy(official / "class_labels_indices.csv", lists)
        for part in ("balanced_train", "eval"):
            with open(official / f"{part}_segments.csv", encoding="utf-8", newline="") as file:
                rows = [row for row in csv.reader(file, skipinitialspace=True) if not row[0].startswith("#")]
            data = [{"wav": f"{part}/{clip}.wav", "labels": labels} for clip, _, _, labels in rows]
            (lists / f"{part}_data.json").write_text(json.dumps({"data": data}))
        shards = WORK / "audioset-lists-shards"
        log = run("shard", RECIPES / "audioset_full_shards.toml", "--set", f"input.folder={lists}", "--set", "input.layout=ast",
                  "--set", f"input.root={official / 'audio'}", "--set", f"output.folder={shards}", ranks=2).stderr
        self.assertRegex(log, r"eval_data\.json: 4 of \d+ clips have no sound file")
        index = json.loads((shards / "index.json").read_text())
        self.assertEqual(index["classes"], json.loads((self.shards["audioset_full"] / "index.json").read_text())["classes"])
        output = WORK / "runs" / "audioset-lists"
        log = run("train", RECIPES / "audioset_balanced.toml", "--output", output, "--max-steps", 2, "--set", 'data.train=["balanced_train_data"]',
                  "--set", 'data.validation=["eval_data"]', "--set", 'data.test=["eval_data"]',
                  *settings(data__shards=shards, model__init=self.deit, schedule__warmup_steps=0), ranks=2).stderr
        self.assertIn(f"{self.clips('balanced_train')} training clips, {self.clips('eval')} validation clips, 6 classes", log)
        official_run = WORK / "runs" / "audioset-official"
        run("train", RECIPES / "audioset_balanced.toml", "--output", official_run, "--max-steps", 2,
            *settings(data__shards=self.shards["audioset_balanced"], model__init=self.deit, schedule__warmup_steps=0), ranks=2)
        self.assertEqual(losses(output), losses(official_run))

    def test_audioset_full_and_esc50_from_it(self):
        output, log = self.trial("audioset_full", model__init=self.deit)
        self.assertIn(f"{self.clips('balanced_train', 'unbalanced_train')} training clips, {self.clips('eval')} validation clips", log)
        self.check_rates(output, [1e-5, 1e-5, 5e-6, 2.5e-6, 1.25e-6])  # the authors' result.csv
        self.average(output, "1-5", WORK / "audioset-mean")
        output, log = self.trial("esc50", model__init=WORK / "audioset-mean", train__epochs=7)
        self.assertIn("v.pos_embed adapted", log)
        self.check_rates(output, [1e-5] * 5 + [0.85e-5, 0.7225e-5])
        self.assertEqual(json.loads(run("evaluate", output, "--json", ranks=2).stdout)["fold"], "5")

    def test_speech_commands(self):
        output, log = self.trial("speech_commands", model__init=self.deit, train__epochs=6)
        self.check_rates(output, [2.5e-4] * 5 + [2.125e-4])
        row = json.loads(run("evaluate", output, "--json", ranks=2).stdout)
        self.assertEqual(row["count"], len((WORK / "speech_commands" / "testing_list.txt").read_text().splitlines()))
        self.assertIn("accuracy", row)
        self.assertEqual(flat((output / "recipe.toml").read_text())["checkpoint.best"], "accuracy")

    def test_shards_are_made_as_published(self):
        for name, shards in self.shards.items():
            found = differences(recipe(f"{name}_shards"), flat((shards / "shard.toml").read_text()))
            self.assertEqual(found, {"input.folder", "output.folder"}, name)

    def test_a_recipe_of_ours_for_32_gpus(self):
        found = differences(recipe("audioset_full"), recipe("audioset_full_32gpu"))
        self.assertEqual(found, {"train.batch", "train.precision", "optimizer.lr", "schedule.warmup_steps", "schedule.warmup_stride",
                                 "loader.threads", "checkpoint.every_steps"})

    def test_five_folds(self):
        output = WORK / "esc50-folds"
        shutil.rmtree(output, ignore_errors=True)
        command = [sys.executable, REPOSITORY / "tools" / "esc50_folds.py", "--output", output, "--tutti", TUTTI,
                   "--recipe", RECIPES / "esc50.toml", *settings(data__shards=self.shards["esc50"], model__init=self.deit, train__epochs=2)]
        first = subprocess.run([*command, "--held-out"], check=True, capture_output=True, text=True)
        second = subprocess.run(command, check=True, capture_output=True, text=True)
        self.assertEqual(first.stdout.splitlines()[:4], second.stdout.splitlines())
        self.assertEqual(second.stderr.count("already at step 4"), 5)
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in first.stdout.splitlines()]
        self.assertEqual(rows[0][3:], [f"fold {i}" for i in range(1, 6)])
        chosen, last, held_out = rows[2:]
        self.assertEqual(last[1], "2")
        accuracy = {(fold, record["epoch"]): 100 * record["accuracy"] for fold in range(1, 6)
                    for record in lines(output / f"fold-{fold}") if record.get("split") == "validation"}
        self.assertEqual(last[3:], [f"{accuracy[fold, 2]:.2f}" for fold in range(1, 6)])
        means = [sum(accuracy[fold, epoch] for fold in range(1, 6)) / 5 for epoch in (1, 2)]
        self.assertEqual(chosen[2], f"{max(means):.2f}")
        for fold in range(1, 6):  # its clips are neither trained on nor choose the epoch
            used = flat((output / f"held-out-{fold}" / "recipe.toml").read_text())
            self.assertEqual(len(used["data.train"]), 3)
            self.assertEqual(sorted([str(fold), *used["data.train"], *used["data.validation"]]), list("12345"))
        row = json.loads(run("evaluate", output / "held-out-4", "--json").stdout)
        self.assertEqual((row["fold"], f"{100 * row['accuracy']:.2f}"), ("4", held_out[2 + 4]))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], sys.argv[3]], verbosity=2)
