"""Self-supervised pre-training from the outside: pretraining_test.py TUTTI FOLDER Pretraining

On the sounds that program_test.py's suite Sharding makes, taken without their labels.
"""
import json
import math
import shutil
import sys
import unittest

from harness import FOLDER, RECIPE, lines, losses, run, train

UNLABELLED = FOLDER / "unlabelled"

RECIPE_TEXT = f"""
[data]
shards = "{UNLABELLED}"
[features]
frames = 32
mels = 32
[model]
name = "ssast"
size = ""
dim = 32
depth = 2
heads = 2
patch = [8, 8]
masks = 8
drop_path = 0.1
[loss]
name = "pretext"
[optimizer]
name = "adam"
lr = 5e-3
[train]
batch = 12
epochs = 15
precision = "fp32"
[log]
every_steps = 1
"""


def pretrain(output, *arguments, ranks=0, expect=0):
    shutil.rmtree(output, ignore_errors=True)
    recipe = FOLDER / "pretraining.toml"
    recipe.write_text(RECIPE_TEXT)
    return run("train", recipe, "--output", output, *arguments, ranks=ranks, expect=expect)


class Pretraining(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        shutil.rmtree(UNLABELLED, ignore_errors=True)
        config = FOLDER / "unlabelled.toml"
        config.write_text(
            f'[input]\nfolder = "{FOLDER / "wav-only"}"\nlayout = "files"\n[features]\nmels = 32\nframes = 32\n'
            f'[output]\nfolder = "{UNLABELLED}"\nname = "toy"\nrecords_per_shard = 20\n'
        )
        shutil.rmtree(FOLDER / "wav-only", ignore_errors=True)
        (FOLDER / "wav-only" / "deeper").mkdir(parents=True)
        for i, sound in enumerate(sorted((FOLDER / "sounds").glob("*.wav"))):
            if sound.stem.isdigit():
                shutil.copy(sound, FOLDER / "wav-only" / ("deeper" if i % 2 else ".") / sound.name)
        run("shard", config, ranks=2)
        pretrain(FOLDER / "pretrained")

    def test_needs_no_labels_and_learns(self):
        index = json.loads((UNLABELLED / "index.json").read_text())
        self.assertEqual(index["classes"], [])
        validation = [record for record in lines(FOLDER / "pretrained") if record.get("split") == "validation"][-1]
        for name in ("loss", "discriminative", "generative", "accuracy"):
            self.assertTrue(math.isfinite(validation[name]), name)
        self.assertAlmostEqual(validation["loss"], validation["discriminative"] + 10 * validation["generative"], delta=1e-4)
        found = losses(FOLDER / "pretrained")
        self.assertLess(sum(found[-4:]), 0.7 * sum(found[:4]))

    def test_every_number_of_ranks_learns_the_same(self):
        for ranks in (1, 2, 4):
            output = FOLDER / f"pretrained-{ranks}"
            pretrain(output, "--max-steps", 5, ranks=ranks)
            for step, (a, b) in enumerate(zip(losses(FOLDER / "pretrained"), losses(output))):
                self.assertAlmostEqual(a, b, delta=2e-5, msg=f"step {step + 1} at {ranks} ranks")

    def test_a_cut_run_ends_as_the_uncut_one(self):
        pretrain(FOLDER / "pretrained-cut", "--max-steps", 7)
        run("train", FOLDER / "pretraining.toml", "--output", FOLDER / "pretrained-cut")
        self.assertEqual(lines(FOLDER / "pretrained-cut"), lines(FOLDER / "pretrained"))

    def test_evaluate_inspect_report_and_training_from_it(self):
        row = json.loads(run("evaluate", FOLDER / "pretrained", "--fold", "train", "--json").stdout)
        self.assertGreater(row["accuracy"], 0)
        self.assertEqual(row["accuracy"], json.loads(
            run("evaluate", FOLDER / "pretrained", "--fold", "train", "--json", ranks=2).stdout)["accuracy"])
        run("inspect", FOLDER / "pretrained")
        run("report", FOLDER / "pretrained", "--fold", "train", "--output", FOLDER / "pretrained.html")
        shutil.rmtree(FOLDER / "pretrained-authors", ignore_errors=True)
        run("export", FOLDER / "pretrained", "--to", "authors", FOLDER / "pretrained-authors")

        # As what it is: no head was trained, patches do not overlap.
        shutil.rmtree(FOLDER / "pretrained-imported", ignore_errors=True)
        run("import", FOLDER / "pretrained-authors" / "model.safetensors", "--output", FOLDER / "pretrained-imported", "--set",
            "model.classes=3", "--set", 'model.init_skip=["mlp_head.*"]', "--set", "model.heads=2")
        imported = run("inspect", FOLDER / "pretrained-imported").stdout
        self.assertRegex(imported, r'head *= *"mean"')
        self.assertRegex(imported, r"stride *= *\[8, 8\]")
        self.assertRegex(imported, r"frames *= *32")

        # Patches of another stride and clips of another length; the classifier is new.
        adapted = ["--set", f"model.init={FOLDER / 'pretrained'}", "--set", 'model.init_skip=["mlp_head.*"]', "--set", "model.dim=32",
                   "--set", "model.patch=[8, 8]", "--set", "model.stride=[4, 4]"]
        log = train(FOLDER / "from-pretrained", *adapted).stderr
        self.assertIn("mask_embed", log)
        self.assertIn("v.pos_embed adapted", log)

    def test_bad_input(self):
        for words, arguments in (
            (["model.masks = 15", "16 patches"], ["--set", "model.masks=15"]),
            (["loss.name", "pretext"], ["--set", "loss.name=ce"]),
            (["model.stride"], ["--set", "model.stride=[4, 4]"]),
        ):
            message = pretrain(FOLDER / "pretrained-bad", *arguments, expect=2).stderr
            for word in words:
                self.assertIn(word, message)
        message = run("predict", FOLDER / "pretrained", FOLDER / "sounds" / "00.wav", expect=1).stderr
        self.assertIn("pre-training", message)
        message = run("train", RECIPE, "--output", FOLDER / "pretrained-bad", "--set", "loss.name=pretext", expect=2).stderr
        self.assertIn("pretext", message)
        message = run("train", RECIPE, "--output", FOLDER / "pretrained-bad", "--set", f"data.shards={UNLABELLED}", expect=2).stderr
        self.assertIn("model.classes = 0", message)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], sys.argv[3]], verbosity=2)
