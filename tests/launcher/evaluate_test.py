"""tutti evaluate and predict from the outside: models combined, clips longer and shorter than a model, recordings, and the
files written, against NumPy: evaluate_test.py TUTTI FOLDER SUITE

Needs the shards that program_test.py makes in FOLDER.
"""
import csv
import json
import math
import os
import random
import shutil
import struct
import subprocess
import sys
import unittest
import wave
from array import array
from pathlib import Path

import h5py
import numpy

from harness import FOLDER, RECIPE, SHARDS, TUTTI, run, train
from program_test import read_safetensors, shard_config, write_safetensors, write_wave

CLASSES = ["high", "low", "noise"]
EPOCH = 4  # steps: 32 clips in batches of 10


def fresh(name):
    """A path where nothing is."""
    path = FOLDER / name
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    return path


def evaluate(*arguments, ranks=0):
    """The rows of --json."""
    return [json.loads(line) for line in run("evaluate", *arguments, "--json", ranks=ranks).stdout.splitlines()]


def predictions(path):
    with h5py.File(path) as file:
        return {name: dataset.asstr()[:].tolist() if dataset.dtype.kind == "S" else dataset[:] for name, dataset in file.items()}


def metrics_of(row):
    return {name: value for name, value in row.items() if isinstance(value, float)}


def cross_entropy(score, target):
    return float(-(target * numpy.log(score)).sum() / len(score))


def scores_of(model, inputs):
    """Softmax of what tutti forward gives for [B, frames, mels]."""
    inputs = numpy.asarray(inputs, numpy.float32)
    write_safetensors(FOLDER / "model-input.safetensors", "input", list(inputs.shape), inputs.ravel().tolist())
    run("forward", model, "--input", FOLDER / "model-input.safetensors", "--output", FOLDER / "model-output.safetensors")
    shape, logits = read_safetensors(FOLDER / "model-output.safetensors")["logits"]
    powers = numpy.exp(numpy.array(logits, numpy.float64).reshape(shape))
    return powers / powers.sum(1, keepdims=True)


def normalised(shards, raw, frames):
    """As the front end does: frames beyond the clip are 0 before normalisation."""
    statistics = json.loads((shards / "index.json").read_text())["statistics"]
    padded = numpy.zeros((frames, raw.shape[1]))
    padded[: len(raw)] = raw
    return (padded - statistics["mean"]) / (2 * statistics["std"])


def stored_clips(shards, fold):
    """Key and valid frames of each record of a fold, in order."""
    folds = json.loads((shards / "index.json").read_text())["folds"]
    for path in sorted(shards.glob("*.h5")):
        with h5py.File(path) as file:
            for key, length, number, features in zip(file["key"].asstr()[:], file["length"][:], file["fold"][:], file["features"][:]):
                if folds[number] == fold:
                    yield key, features[:length].astype(numpy.float64)


class Combining(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.output = FOLDER / "combined"
        train(cls.output, "--set", "checkpoint.keep_every_epochs=1")
        cls.other = FOLDER / "combined-other"  # another stride, fewer frames, another seed
        train(cls.other, "--set", "model.stride=[32,2]", "--set", "features.frames=16", "--set", "train.seed=2")

    def refused(self, words, *arguments, expect=2):
        error = run("evaluate", *arguments, expect=expect).stderr
        for word in words:
            self.assertIn(word, error)

    def test_mean_of_weights_over_epochs(self):
        saved = fresh("combined-mean")
        rows = evaluate(self.output, "--epochs", "2-4", "--combine", "weights", "--save", saved)
        steps = [self.output / "checkpoints" / f"step-{epoch * EPOCH:08}" for epoch in (2, 3, 4)]
        self.assertEqual([row["checkpoint"] for row in rows], [str(step) for step in steps] + ["mean weights of 3"])
        self.assertEqual([row.get("combined") for row in rows], [None, None, None, "weights"])
        models = [read_safetensors(step / "model.safetensors") for step in steps]
        mean = read_safetensors(saved / "model.safetensors")
        self.assertEqual(mean.keys(), models[0].keys())
        for name, (shape, values) in mean.items():
            expected = numpy.mean([numpy.array(model[name][1], numpy.float64) for model in models], axis=0).astype(numpy.float32)
            numpy.testing.assert_array_equal(numpy.array(values, numpy.float32), expected, name)
        # The saved model is one as any other.
        self.assertEqual(metrics_of(evaluate(saved)[0]), metrics_of(rows[-1]))
        run("predict", saved, FOLDER / "sounds" / "40.wav")
        run("export", saved, "--to", "authors", fresh("combined-exported"))
        train(FOLDER / "combined-init", "--set", f"model.init={saved}", "--max-steps", 1)
        self.refused(["is there already"], self.output, "--epochs", "2-4", "--combine", "weights", "--save", saved)

    def test_epochs_that_are_not_there(self):
        self.refused(["no checkpoint of the end of epoch 5, 6", "keep_every_epochs"], self.output, "--epochs", "3-6", expect=1)
        for words in ("x", "3-", "0-2", "4-3", "1-2-3"):
            self.refused([f"'{words}'", "6-25"], self.output, "--epochs", words)
        self.refused(["is not a run folder"], SHARDS, "--epochs", "1", expect=1)

    def test_a_checkpoint_in_the_middle_of_an_epoch_is_not_the_epochs(self):
        cut = FOLDER / "combined-cut"
        train(cut, "--set", "checkpoint.keep_every_epochs=1", "--max-steps", 2 * EPOCH - 1)
        self.assertTrue((cut / "checkpoints" / f"step-{2 * EPOCH - 1:08}").is_dir())
        self.assertEqual(evaluate(cut, "--epochs", "1")[0]["checkpoint"], str(cut / "checkpoints" / f"step-{EPOCH:08}"))
        self.refused(["epoch 2."], cut, "--epochs", "1-2", expect=1)

    def test_mean_of_scores(self):
        files = [fresh(f"combined-{i}.h5") for i in range(3)]
        texts = {ranks: run("evaluate", self.output, self.other, "--combine", "scores", "--predictions", files[2], "--json", ranks=ranks).stdout for ranks in (0, 1, 2, 4)}
        self.assertEqual(len(set(texts.values())), 1, texts)
        rows = [json.loads(line) for line in texts[0].splitlines()]
        self.assertEqual([row["checkpoint"] for row in rows], [str(self.output), str(self.other), "mean scores of 2"])
        for model, file in zip((self.output, self.other), files):
            run("evaluate", model, "--predictions", file)
        one, two, both = map(predictions, files)
        numpy.testing.assert_allclose(both["score"], (one["score"].astype(float) + two["score"]) / 2, atol=1e-7)
        self.assertEqual(both["key"], one["key"])
        self.assertAlmostEqual(rows[2]["accuracy"], (both["score"].argmax(1) == both["target"].argmax(1)).mean())
        self.assertAlmostEqual(rows[2]["loss"], cross_entropy(both["score"].astype(float), both["target"]), places=6)
        self.assertNotAlmostEqual(rows[2]["loss"], (rows[0]["loss"] + rows[1]["loss"]) / 2, places=4)

    def test_models_that_have_no_mean(self):
        self.refused(["model.stride", str(self.output), str(self.other), "--combine scores"], self.output, self.other, "--combine", "weights", expect=1)
        self.refused(["--combine weights"], self.output, "--combine", "scores", "--save", FOLDER / "never")
        self.assertFalse((FOLDER / "never").exists())

    def test_ranks_agree_on_the_mean_of_weights(self):
        texts = {run("evaluate", self.output, "--epochs", "1-4", "--combine", "weights", "--json", ranks=ranks).stdout for ranks in (0, 1, 2, 4)}
        self.assertEqual(len(texts), 1, texts)


class Predictions(unittest.TestCase):
    NAMES = {"low": 'low, "bass"', "high": "high\u3105", "noise": "noise"}

    @classmethod
    def setUpClass(cls):
        with open(FOLDER / "sounds" / "manifest.csv") as file, open(FOLDER / "sounds" / "quoted.csv", "w") as out:
            writer = csv.DictWriter(out, ["path", "label", "fold"])
            writer.writeheader()
            writer.writerows({**row, "label": cls.NAMES[row["label"]]} for row in csv.DictReader(file))
        cls.shards = fresh("quoted")
        run("shard", shard_config(cls.shards, "quoted.csv"))
        cls.output = FOLDER / "predicting"
        train(cls.output, "--set", f"data.shards={cls.shards}")

    def test_hdf5_opens_in_h5py(self):
        path = fresh("predictions.h5")
        row = evaluate(self.output, "--fold", "validation", "--fold", "test", "--predictions", path)[0]
        with h5py.File(path) as file:
            types = {name: str(dataset.dtype) for name, dataset in file.items()}
            self.assertEqual(types, {"key": types["key"], "fold": "int16", "score": "float32", "target": "float32", "classes": types["classes"], "folds": types["folds"]})
            for name in ("key", "classes", "folds"):
                self.assertRegex(types[name], r"^\|S\d+$")
            self.assertEqual(file.attrs["kind"], b"predictions")
            self.assertEqual(file.attrs["model"].decode(), str(self.output))
        told = predictions(path)
        self.assertEqual(told["classes"], json.loads((self.shards / "index.json").read_text())["classes"])
        expected = [(key, fold) for fold in ("validation", "test") for key, _ in stored_clips(self.shards, fold)]
        self.assertEqual(sorted(zip(told["key"], (told["folds"][i] for i in told["fold"]))), sorted(expected))
        numpy.testing.assert_allclose(told["score"].sum(1), 1, atol=1e-6)
        with open(FOLDER / "sounds" / "quoted.csv") as file:
            labels = {line["path"]: line["label"] for line in csv.DictReader(file)}
        self.assertEqual([told["classes"][i] for i in told["target"].argmax(1)], [labels[key] for key in told["key"]])
        self.assertAlmostEqual(row["accuracy"], (told["score"].argmax(1) == told["target"].argmax(1)).mean())
        self.assertFalse(path.with_name(path.name + ".writing").exists())

    def test_the_lines_of_the_documentation(self):
        path = fresh("predictions.h5")
        row = evaluate(self.output, "--predictions", path)[0]
        document = (Path(__file__).resolve().parents[2] / "docs" / "evaluation.md").read_text()
        lines = document.split("```python\n")[1].split("```")[0]
        self.assertEqual(len(lines.splitlines()), 5)
        done = subprocess.run([sys.executable, "-c", lines], cwd=FOLDER, capture_output=True, text=True, check=True)
        self.assertEqual(len(done.stdout.splitlines()), row["count"])
        self.assertIn("low, \"bass\"", done.stdout)

    def test_table_of_classes(self):
        path, table = fresh("predictions.h5"), fresh("classes.csv")
        row = evaluate(self.output, "--fold", "validation", "--predictions", path, "--per-class", table)[0]
        told = predictions(path)
        with open(table, newline="") as file:
            lines = list(csv.DictReader(file))
        self.assertEqual([line["class"] for line in lines], told["classes"])
        self.assertEqual(list(lines[0]), ["class", "clips", "average_precision", "auc", "precision", "recall"])
        chosen = told["score"].argmax(1)
        for c, line in enumerate(lines):
            score, truth = told["score"][:, c].astype(float), told["target"][:, c] > 0.5
            self.assertEqual(int(line["clips"]), truth.sum())
            # Few enough clips that no two scores are equal.
            ranked = truth[numpy.argsort(-score)]
            precision = numpy.cumsum(ranked) / numpy.arange(1, len(ranked) + 1)
            self.assertAlmostEqual(float(line["average_precision"]), precision[ranked].mean())
            pairs = score[truth][:, None] > score[~truth][None, :]
            self.assertAlmostEqual(float(line["auc"]), pairs.mean())
            self.assertAlmostEqual(float(line["recall"]), (chosen[truth] == c).mean())
            if (chosen == c).any():
                self.assertAlmostEqual(float(line["precision"]), truth[chosen == c].mean())
            else:
                self.assertEqual(line["precision"], "")
        self.assertAlmostEqual(row["map"], numpy.mean([float(line["average_precision"]) for line in lines]))

    def test_of_one_model_only(self):
        for option in ("--predictions", "--per-class"):
            error = run("evaluate", self.output, self.output, option, FOLDER / "no.file", expect=2).stderr
            self.assertIn("--combine", error)
            error = run("evaluate", self.output, option, FOLDER / "nowhere" / "no.file", expect=2).stderr
            self.assertIn("nowhere", error)


class Lengths(unittest.TestCase):
    """Clips that are longer and shorter than the model's input."""

    @classmethod
    def setUpClass(cls):
        cls.short = FOLDER / "length-8"  # a model of 8 frames, for clips of up to 32
        train(cls.short, "--set", "features.frames=8", "--max-steps", 8)

    def check_windows(self, hop, *arguments):
        path = fresh("windows.h5")
        texts = {run("evaluate", self.short, "--json", "--predictions", path, "--long", "windows", *arguments, ranks=ranks).stdout for ranks in (0, 1, 2, 4)}
        self.assertEqual(len(texts), 1, texts)
        told = predictions(path)
        clips = list(stored_clips(SHARDS, "test"))
        self.assertEqual(told["key"], [key for key, _ in clips])
        losses = []
        for (key, raw), score, target in zip(clips, told["score"], told["target"]):
            last = max(0, len(raw) - 8)
            starts = [*range(0, last, hop), last]
            windows = scores_of(self.short, [normalised(SHARDS, raw[start : start + 8], 8) for start in starts])
            numpy.testing.assert_allclose(score, windows.mean(0), atol=2e-5, err_msg=key)
            losses.append(-numpy.log(windows[:, target.argmax()]).mean())
        self.assertAlmostEqual(json.loads(texts.pop())["loss"], numpy.mean(losses), places=4)
        return told["score"]

    def test_windows(self):
        by_three = self.check_windows(3, "--hop", 3)
        by_half = self.check_windows(4)
        self.assertGreater(abs(by_three - by_half).max(), 1e-6)
        for ranks in (1, 2, 4):
            self.assertEqual(run("evaluate", self.short, "--json", ranks=ranks).stdout, run("evaluate", self.short, "--json", "--long", "cut").stdout)
        error = run("evaluate", self.short, "--long", "windows", "--hop", 9, expect=2).stderr
        self.assertIn("a hop of 9 frames", error)

    def test_short_clips_are_padded(self):
        long_shards = fresh("long-shards")
        config = FOLDER / "long-shards.toml"
        config.write_text(
            f'[input]\nmanifest = "{FOLDER / "sounds" / "manifest.csv"}"\n[features]\nmels = 32\nframes = 64\n'
            f'[output]\nfolder = "{long_shards}"\nname = "long"\nrecords_per_shard = 48\n'
        )
        run("shard", config)
        model = FOLDER / "length-64"
        train(model, "--set", "features.frames=64", "--set", f"data.shards={long_shards}", "--max-steps", 4)
        path = fresh("padded.h5")
        texts = {run("evaluate", model, "--data", SHARDS, "--json", "--predictions", path, ranks=ranks).stdout for ranks in (0, 1, 2, 4)}
        self.assertEqual(len(texts), 1, texts)
        told = predictions(path)
        clips = [normalised(long_shards, raw, 64) for _, raw in stored_clips(SHARDS, "test")]
        numpy.testing.assert_allclose(told["score"], scores_of(model, clips), atol=2e-5)
        # To train on such clips is still refused.
        error = run("train", RECIPE, "--output", fresh("never-trained"), "--set", "features.frames=64", expect=2).stderr
        self.assertIn("features.frames = 64", error)


class Timelines(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.output = FOLDER / "timelines"
        train(cls.output, "--max-steps", 8)
        cls.sound = FOLDER / "timeline.wav"
        rng, rate = random.Random(3), 22050
        samples = [0.4 * math.sin(2 * math.pi * (200 if t // rate % 2 else 3000) * t / rate) + rng.uniform(-0.02, 0.02) for t in range(72765)]
        write_wave(cls.sound, rate, [int(32767 * s) for s in samples])

    def rows(self, *arguments, expect=0):
        done = run("predict", self.output, *arguments, "--timeline", "--json", expect=expect)
        return [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    def whole_features(self, frames):
        """All frames of the sound at once, normalised, and as many of padding."""
        run("features", self.sound, "-o", FOLDER / "timeline.safetensors", "--recipe", self.output / "recipe.toml", "--set", f"features.frames={frames}")
        shape, values = read_safetensors(FOLDER / "timeline.safetensors")[str(self.sound)]
        return numpy.array(values).reshape(shape)

    def check(self, hop, *arguments):
        total = 1 + (72765 * 16000 // 22050 - 400) // 160
        seen = self.whole_features(total + 24)
        rows, _ = self.rows(self.sound, *arguments)
        starts = [0]
        while starts[-1] + 24 < total:
            starts.append(starts[-1] + hop)
        self.assertEqual([row["file"] for row in rows], [str(self.sound)] * len(starts))
        expected = scores_of(self.output, [seen[start : start + 24] for start in starts])
        for row, start, scores in zip(rows, starts, expected):
            self.assertAlmostEqual(row["start"], start * 0.01)
            self.assertAlmostEqual(row["end"], min(start + 24, total) * 0.01)
            told = {c["name"]: c["score"] for c in row["classes"]}
            numpy.testing.assert_allclose([told[name] for name in CLASSES], scores, atol=2e-5, err_msg=str(row))
            self.assertEqual([c["score"] for c in row["classes"]], sorted(told.values(), reverse=True))

    def test_windows_are_those_of_the_whole(self):
        self.check(12)
        self.check(10, "--hop", "0.1")
        self.check(24, "--hop", "0.24")

    def test_a_short_file_is_one_window(self):
        path = FOLDER / "short.wav"
        with wave.open(str(FOLDER / "sounds" / "41.wav")) as file:
            samples = array("h", file.readframes(2500))
        write_wave(path, 16000, list(samples))
        rows, _ = self.rows(path)
        self.assertEqual([(row["start"], row["end"]) for row in rows], [(0, 0.14)])
        whole = json.loads(run("predict", self.output, path, "--json").stdout)["classes"]
        self.assertEqual(rows[0]["classes"], whole)

    def test_unreadable_files_are_reported_and_the_others_done(self):
        broken, tiny = FOLDER / "broken.wav", FOLDER / "tiny.wav"
        broken.write_bytes(self.sound.read_bytes()[:3000])
        write_wave(tiny, 16000, [0] * 100)
        rows, error = self.rows(broken, FOLDER / "missing.wav", tiny, self.sound, "--top", 1, expect=1)
        self.assertEqual({row["file"] for row in rows}, {str(self.sound)})
        self.assertEqual({len(row["classes"]) for row in rows}, {1})
        for word in ("broken.wav", "missing.wav", "tiny.wav", "truncated", "too short"):
            self.assertIn(word, error)

    def test_bad_usage(self):
        self.assertIn("0.24 s", run("predict", self.output, self.sound, "--timeline", "--hop", 0.3, expect=2).stderr)
        self.assertIn("--timeline", run("predict", self.output, self.sound, "--hop", 0.1, expect=2).stderr)
        text = run("predict", self.output, self.sound, "--timeline", "--top", 2).stdout.splitlines()
        self.assertEqual(text[0], str(self.sound))
        self.assertRegex(text[1], r"^ +0\.00 - +0\.24 s  0\.\d{3} (high|low|noise)  0\.\d{3} (high|low|noise)$")

    def peak(self, minutes):
        """Peak memory in MB of a pass over a recording of so many minutes."""
        path = FOLDER / "night.wav"
        frames = int(minutes * 60 * 8000)
        header = b"RIFF" + struct.pack("<I", 36 + 2 * frames) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16) + b"data" + struct.pack("<I", 2 * frames)
        with open(path, "wb") as file:
            file.write(header)
            rng = random.Random(1)
            noise = struct.pack("<8000h", *(rng.randrange(-3000, 3000) for _ in range(8000)))
            for _ in range(frames // 8000):
                file.write(noise)
        with open(os.devnull, "w") as null:
            pid = os.posix_spawn(TUTTI, [str(TUTTI), "predict", str(self.output), str(path), "--timeline", "--hop", "0.24"], os.environ,
                                 file_actions=[(os.POSIX_SPAWN_DUP2, null.fileno(), 1)])
            _, status, usage = os.wait4(pid, 0)
        path.unlink()
        self.assertEqual(status, 0)
        return usage.ru_maxrss / 1024

    def test_memory_does_not_grow_with_the_length(self):
        short, long = self.peak(0.5), self.peak(20)
        # 20 minutes are 77 MB of samples at 16 kHz, and 15 MB of frames.
        self.assertLess(long - short, 20, f"{short} MB and {long} MB")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], sys.argv[3]], verbosity=2)
