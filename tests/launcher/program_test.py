"""The program from the outside, with real MPI ranks: program_test.py TUTTI FOLDER SUITE

The suite Sharding makes the data that the others use: 48 short sounds of three kinds, by a formula.
"""
import csv
import json
import math
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
import unittest
import wave
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

from harness import FOLDER, RANKS, RECIPE, SHARDS, TUTTI, lines, losses, run, running, train, weights

TOOLS = Path(__file__).resolve().parents[2] / "tools"
UNSHARED = {"shard.toml", ".lock"}  # of a folder of shards: what says where and by whom it was made

RECIPE_TEXT = f"""
[data]
shards = "{SHARDS}"
[features]
frames = 24
mels = 32
[model]
size = ""
dim = 16
depth = 2
heads = 2
patch = [32, 4]
stride = [32, 4]
head = "mean"
drop_path = 0.2
dropout = 0.1
[augment]
mixup = 0.5
mixup_alpha = 0.4
freq_mask = 8
time_mask = 4
roll = 2
noise = 0.05
[loss]
label_smoothing = 0.1
[optimizer]
lr = 5e-3
clip_norm = 1.0
[schedule]
warmup_steps = 3
[train]
batch = 10
epochs = 4
precision = "fp32"
[log]
every_steps = 1
"""


def read_safetensors(path):
    raw = path.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8 : 8 + size])
    header.pop("__metadata__", None)
    return {
        name: (entry["shape"], struct.unpack(f"<{math.prod(entry['shape'])}f", raw[8 + size + entry["data_offsets"][0] : 8 + size + entry["data_offsets"][1]]))
        for name, entry in header.items()
    }


def write_safetensors(path, name, shape, values):
    header = json.dumps({name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 4 * len(values)]}}).encode()
    header += b" " * (-len(header) % 8)
    path.write_bytes(struct.pack("<Q", len(header)) + header + struct.pack(f"<{len(values)}f", *values))


def write_wave(path, rate, samples):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))


def recordings(step=4):
    """Real syllables, 220 ms: four pieces each, from every step-th on, of those that tests/golden/make_fbank.py cut out."""
    raw = (Path(__file__).resolve().parents[1] / "golden" / "fbank.safetensors").read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    entry = json.loads(raw[8 : 8 + size])["excerpts.samples"]
    count, length = entry["shape"]
    values = struct.unpack(f"<{count * length}h", raw[8 + size + entry["data_offsets"][0] : 8 + size + entry["data_offsets"][1]])
    return [values[i * length : (i + 4) * length] for i in range(0, count - 3, step)]


def make_sounds(folder):
    """Low tones, high tones and noise, 0.25 s to 0.4 s, at two sample rates."""
    rng = random.Random(1)
    rows = ["path,label,fold"]
    for i in range(48):
        label = ["low", "high", "noise"][i % 3]
        rate = 16000 if i % 2 else 22050
        pitch = rng.uniform(150, 300) if label == "low" else rng.uniform(2000, 4000)
        samples = [
            rng.uniform(-0.3, 0.3) if label == "noise" else 0.4 * math.sin(2 * math.pi * pitch * t / rate) + rng.uniform(-0.02, 0.02)
            for t in range(int(rate * rng.uniform(0.25, 0.4)))
        ]
        write_wave(folder / f"{i:02}.wav", rate, [int(32767 * s) for s in samples])
        rows.append(f"{i:02}.wav,{label},{'test' if i >= 40 else 'validation' if i >= 32 else 'train'}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")


def shard_config(output, manifest="manifest.csv", **keys):
    path = FOLDER / f"{'-'.join(output.relative_to(FOLDER).parts)}.toml"
    more = "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
    path.write_text(
        f'[input]\nmanifest = "{FOLDER / "sounds" / manifest}"\n[features]\nmels = 32\nframes = 32\n'
        f'[output]\nfolder = "{output}"\nname = "toy"\nrecords_per_shard = 10\n{more}'
    )
    return path


class Sharding(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        shutil.rmtree(FOLDER, ignore_errors=True)
        (FOLDER / "sounds").mkdir(parents=True)
        make_sounds(FOLDER / "sounds")
        RECIPE.write_text(RECIPE_TEXT)
        run("shard", shard_config(SHARDS))

    def test_every_number_of_ranks_writes_the_same_bytes(self):
        files = sorted(path.name for path in SHARDS.iterdir() if path.name not in UNSHARED)
        self.assertEqual(files, ["index.json"] + [f"toy-{i:05}-of-00005.h5" for i in range(5)])
        for ranks in (1, 2, 4):
            other = FOLDER / f"shards-{ranks}"
            run("shard", shard_config(other), ranks=ranks)
            for name in files:
                self.assertEqual((other / name).read_bytes(), (SHARDS / name).read_bytes(), f"{name} at {ranks} ranks")

    def test_goes_on_where_it_was_stopped(self):
        output = FOLDER / "stopped"
        config = shard_config(output)
        run("shard", config)
        (output / "index.json").unlink()
        (output / "toy-00002-of-00005.h5").unlink()
        kept = (output / "toy-00001-of-00005.h5").stat().st_mtime_ns
        run("shard", config, ranks=2)
        self.assertEqual((output / "toy-00001-of-00005.h5").stat().st_mtime_ns, kept)
        for path in SHARDS.iterdir():
            if path.name not in UNSHARED:
                self.assertEqual((output / path.name).read_bytes(), path.read_bytes(), path.name)

    def test_official_layouts(self):
        clips = recordings()
        names = ["dog", "rain", "clock_tick"]
        esc50 = FOLDER / "ESC-50-master"
        (esc50 / "audio").mkdir(parents=True)
        (esc50 / "meta").mkdir()
        rows = ["filename,fold,target,category,esc10,src_file,take"]
        for i, clip in enumerate(clips[:20]):
            fold, target = i % 5 + 1, i % 3
            name = f"{fold}-{1000 + i}-A-{target}.wav"
            write_wave(esc50 / "audio" / name, 44100, clip)
            rows.append(f"{name},{fold},{target},{names[target]},False,{1000 + i},A")
        (esc50 / "meta" / "esc50.csv").write_text("\r\n".join(rows) + "\r\n")
        index = self.shard_folder(esc50, "esc50")
        self.assertEqual(index["classes"], names, "in the order of the targets, not of the alphabet")
        self.assertEqual(index["folds"][3:], ["1", "2", "3", "4", "5"])
        self.assertIn("frames of all folds", run("inspect", FOLDER / "esc50-shards").stdout)
        train(FOLDER / "esc50-run", "--set", f"data.shards={FOLDER / 'esc50-shards'}", "--set", 'data.train=["1","2","3","4"]',
              "--set", 'data.validation=[]', "--set", 'data.test=["5"]', "--set", "features.frames=5", "--set", "train.epochs=1")
        self.assertEqual(json.loads(run("evaluate", FOLDER / "esc50-run", "--json").stdout)["count"], 4)

        words = FOLDER / "speech_commands"
        for i, clip in enumerate(clips[:12]):
            word = ["yes", "no", "_background_noise_"][i % 3]
            (words / word).mkdir(parents=True, exist_ok=True)
            write_wave(words / word / f"{i:08x}_nohash_0.wav", 16000, clip)
        (words / "validation_list.txt").write_text("yes/00000000_nohash_0.wav\n")
        (words / "testing_list.txt").write_text("no/00000001_nohash_0.wav\nno/00000004_nohash_0.wav\n")
        index = self.shard_folder(words, "speech_commands")
        self.assertEqual(index["classes"], ["no", "yes"])
        text = run("inspect", FOLDER / "speech_commands-shards").stdout
        for line in ("train: 5", "validation: 1", "test: 2", "of fold 'train'"):
            self.assertIn(line, text)

    def shard_folder(self, folder, layout):
        config = FOLDER / f"{layout}.toml"
        config.write_text(f'[input]\nfolder = "{folder}"\nlayout = "{layout}"\n[features]\nmels = 32\nframes = 5\n'
                          f'[output]\nfolder = "{FOLDER / layout}-shards"\n')
        run("shard", config, ranks=2)
        return json.loads((FOLDER / f"{layout}-shards" / "index.json").read_text())

    def test_a_file_of_two_hours_costs_what_is_stored_of_it(self):
        long = FOLDER / "sounds" / "long.wav"
        write_wave(long, 16000, [1000] * 16000)
        seconds = 7200
        with open(long, "r+b") as file:  # its silence is a hole in the file
            file.truncate(44 + 2 * 16000 * seconds)
            file.seek(4), file.write(struct.pack("<I", 36 + 2 * 16000 * seconds))
            file.seek(40), file.write(struct.pack("<I", 2 * 16000 * seconds))
        (FOLDER / "sounds" / "with_long.csv").write_text("path,label\nlong.wav,low\n00.wav,high\n")
        config = shard_config(FOLDER / "with-long", "with_long.csv")
        limited = f"ulimit -v $((4 << 20)); exec '{TUTTI}' shard '{config}'"  # the samples alone are 0.46 GB
        start = time.time()
        done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertLess(time.time() - start, 20)

    def test_unreadable_files_are_listed_and_the_rest_is_done(self):
        (FOLDER / "sounds" / "broken.wav").write_bytes(b"no sound")
        (FOLDER / "sounds" / "empty.wav").write_bytes(b"")
        (FOLDER / "sounds" / "nan.wav").write_bytes(
            struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + 6400, b"WAVE", b"fmt ", 16, 3, 1, 16000, 64000, 4, 32, b"data", 6400)
            + struct.pack("<f", math.nan) * 1600)
        write_wave(FOLDER / "sounds" / "rate.wav", 16000, [0] * 8000)
        with open(FOLDER / "sounds" / "rate.wav", "r+b") as file:
            file.seek(24), file.write(bytes(4))
        text = (FOLDER / "sounds" / "manifest.csv").read_text()
        bad = ["broken", "missing", "empty", "nan", "rate"]
        (FOLDER / "sounds" / "with_broken.csv").write_text(text + "".join(f"{name}.wav,low,train\n" for name in bad))
        output = FOLDER / "unreadable"
        done = run("shard", shard_config(output, "with_broken.csv"), ranks=2, expect=1)
        for name in bad:
            self.assertIn(f"{name}.wav", done.stderr)
        self.assertIn("is not finite", done.stderr)
        self.assertEqual(sum(shard["count"] for shard in json.loads((output / "index.json").read_text())["shards"]), 48)
        run("shard", shard_config(output, "with_broken.csv", allow_unreadable=True), ranks=2)

    def test_statistics_are_the_index_s_for_every_number_of_ranks(self):
        for kind in ("spectrogram", "waveform"):
            shards = FOLDER / f"stats-{kind}"
            config = shard_config(shards, kind=kind)
            said = [run("shard", config, "--stats", ranks=ranks).stdout for ranks in (0, 1, 2, 4)]
            self.assertEqual(said, said[:1] * 4)
            self.assertFalse(shards.exists(), "--stats writes nothing")
            run("shard", config, ranks=2)
            found = json.loads((shards / "index.json").read_text())["statistics"]
            self.assertEqual(said[0], f"# over {found['frames']} frames of fold 'train'\n[features]\n"
                                      f"mean = {found['mean']!r}\nstd = {found['std']!r}\n")
        other = json.loads((SHARDS / "index.json").read_text())["statistics"]
        self.assertAlmostEqual(found["mean"], other["mean"], delta=0.02, msg="half of the sounds are resampled, then rounded")
        (FOLDER / "sounds" / "nothing.csv").write_text("path,label,fold\nabsent.wav,low,train\n")
        for ranks in (0, 2):
            refused = run("shard", shard_config(FOLDER / "stats-nothing", "nothing.csv"), "--stats", ranks=ranks, expect=1)
            self.assertIn("none of the clips", refused.stderr)
            self.assertNotIn("mean", refused.stdout)


class Waveforms(unittest.TestCase):
    """Shards of 16-bit samples through every command that reads shards."""

    @classmethod
    def setUpClass(cls):
        cls.shards = FOLDER / "waveforms"
        shutil.rmtree(cls.shards, ignore_errors=True)
        run("shard", shard_config(cls.shards, kind="waveform"))

    def train(self, output, *arguments, ranks=0):
        train(output, "--set", f"data.shards={self.shards}", *arguments, ranks=ranks)

    def test_every_number_of_ranks_writes_the_same_bytes(self):
        for ranks in (1, 2, 4):
            other = FOLDER / f"waveforms-{ranks}"
            run("shard", shard_config(other, kind="waveform"), ranks=ranks)
            for path in self.shards.iterdir():
                if path.name not in UNSHARED:
                    self.assertEqual((other / path.name).read_bytes(), path.read_bytes(), f"{path.name} at {ranks} ranks")
        run("shard", shard_config(self.shards), expect=2)  # the folder is of another kind

    def test_inspect_shows_the_kind(self):
        self.assertIn("kind waveform", run("inspect", self.shards).stdout)
        self.assertIn("kind waveform", run("inspect", self.shards / "toy-00000-of-00005.h5").stdout)
        self.assertEqual(json.loads(run("inspect", self.shards, "--json").stdout)["record_kind"], "waveform")

    def test_every_number_of_ranks_learns_and_scores_the_same(self):
        reference, scores = None, set()
        for ranks in (0, 1, 2):
            output = FOLDER / f"waveforms-run-{ranks}"
            self.train(output, ranks=ranks)
            found = losses(output)
            reference = reference or found
            self.assertEqual(len(found), 16)
            for step, (a, b) in enumerate(zip(reference, found)):
                self.assertAlmostEqual(a, b, delta=1e-5, msg=f"step {step + 1} at {ranks} ranks")
            scores.add(run("evaluate", FOLDER / "waveforms-run-0", "--json", ranks=ranks).stdout)
        self.assertLess(sum(reference[-4:]), sum(reference[:4]))
        self.assertEqual(len(scores), 1)

    def test_without_mixup_both_kinds_of_shards_train_alike(self):
        # By statistics of one of them; the sounds at 22050 Hz are rounded after resampling, the others are 16 bits.
        same = ["--set", "augment.mixup=0.0", "--set", "features.mean=-6", "--set", "features.std=4", "--max-steps", 6]
        train(FOLDER / "of-spectrograms", *same)
        self.train(FOLDER / "of-waveforms", *same)
        for a, b in zip(losses(FOLDER / "of-spectrograms"), losses(FOLDER / "of-waveforms")):
            self.assertAlmostEqual(a, b, delta=5e-3)
        train(FOLDER / "mixed", *same[2:])
        self.train(FOLDER / "mixed-waveforms", *same[2:])
        self.assertNotEqual(losses(FOLDER / "mixed"), losses(FOLDER / "mixed-waveforms"))

    def test_windows_of_long_clips_score_as_those_of_spectrograms(self):
        output = FOLDER / "waveforms-8"
        self.train(output, "--set", "features.frames=8", "--max-steps", 8)
        cut, windows, same = (json.loads(run("evaluate", output, "--json", *arguments).stdout) for arguments in
                              ([], ["--long", "windows", "--hop", 3], ["--long", "windows", "--hop", 3, "--data", SHARDS]))
        self.assertAlmostEqual(windows["loss"], same["loss"], delta=2e-3)
        self.assertGreater(abs(windows["loss"] - cut["loss"]), 4e-3)

    def test_doctor_reads_them(self):
        folder = FOLDER / "waveforms-doctor"
        folder.mkdir(exist_ok=True)
        self.assertRegex(run("doctor", "--folder", folder, "--shards", self.shards).stdout, r"shards +ranks read \d+ to \d+ clips a second")

    def test_report_shows_spectrograms(self):
        output = FOLDER / "waveforms-report"
        self.train(output)
        run("report", output, "--clips", 3)
        page = ElementTree.fromstring((output / "report.html").read_text())
        self.assertEqual([len(list(clip.iter("image"))) for clip in page.iter("article")], [3, 3, 3])


class Training(unittest.TestCase):
    def test_every_number_of_ranks_learns_the_same(self):
        train(FOLDER / "train-1")
        reference = losses(FOLDER / "train-1")
        self.assertEqual(len(reference), 16)
        self.assertLess(sum(reference[-4:]), sum(reference[:4]))
        for ranks in (1, 2, 4):
            output = FOLDER / f"train-ranks-{ranks}"
            train(output, ranks=ranks)
            for step, (a, b) in enumerate(zip(reference, losses(output))):
                self.assertAlmostEqual(a, b, delta=1e-5, msg=f"step {step + 1} at {ranks} ranks")

    def test_accumulation_does_not_change_the_step(self):
        train(FOLDER / "whole", "--max-steps", 4, "--set", "model.dropout=0.0")
        train(FOLDER / "parts", "--max-steps", 4, "--set", "model.dropout=0.0", "--set", "train.accumulate=3", ranks=2)
        for a, b in zip(losses(FOLDER / "whole"), losses(FOLDER / "parts")):
            self.assertAlmostEqual(a, b, delta=1e-5)

    def test_bce_and_milestones_and_adam(self):
        train(
            FOLDER / "bce", "--set", "loss.name=bce", "--set", "optimizer.name=adam", "--set", "schedule.name=milestones",
            "--set", "schedule.milestones=[1, 2]", "--set", "train.precision=bf16", ranks=2,
        )
        validations = [record for record in lines(FOLDER / "bce") if record.get("split") == "validation"]
        self.assertEqual(len(validations), 4)
        self.assertIn("map", validations[0])
        rates = [record["lr"] for record in lines(FOLDER / "bce") if "split" not in record]
        self.assertAlmostEqual(rates[4], 0.0025)
        self.assertAlmostEqual(rates[8], 0.00125)

    def test_class_balanced_sampling_is_the_same_at_any_number_of_ranks_and_after_a_restart(self):
        settings = ["--set", "data.sampling=balanced", "--set", "augment.mixup=0.5"]
        train(FOLDER / "balanced", *settings)
        reference = losses(FOLDER / "balanced")
        train(FOLDER / "not-balanced", "--set", "augment.mixup=0.5")
        self.assertNotEqual(reference, losses(FOLDER / "not-balanced"))
        for ranks in (2, 4):
            output = FOLDER / f"balanced-{ranks}"
            train(output, *settings, "--max-steps", 6, ranks=ranks)  # in the middle of an epoch
            run("train", RECIPE, "--output", output, *settings, ranks=ranks)
            self.assertEqual(len(losses(output)), len(reference))
            for step, (a, b) in enumerate(zip(reference, losses(output))):
                self.assertAlmostEqual(a, b, delta=1e-5, msg=f"step {step + 1} at {ranks} ranks")


class Resuming(unittest.TestCase):
    def test_a_cut_run_ends_as_the_uncut_one_bit_for_bit(self):
        for ranks in (0, 2):
            whole = FOLDER / f"uncut-{ranks}"
            train(whole, ranks=ranks)
            for cut in (1, 4, 6):  # in the middle of an epoch, and at its end
                output = FOLDER / f"cut-{ranks}-{cut}"
                train(output, "--max-steps", cut, ranks=ranks)
                run("train", RECIPE, "--output", output, ranks=ranks)
                self.assertEqual(weights(output), weights(whole), f"cut at {cut}, {ranks} ranks")
                self.assertEqual(lines(output), lines(whole))

    def test_goes_on_with_another_number_of_ranks(self):
        longer = ["--set", "train.epochs=7"]
        train(FOLDER / "one-rank", *longer)
        reference = losses(FOLDER / "one-rank")
        for before, after in ((1, 4), (2, 1), (4, 2)):
            output = FOLDER / f"ranks-{before}-then-{after}"
            train(output, *longer, "--max-steps", 5, ranks=before)
            run("train", RECIPE, "--output", output, *longer, ranks=after)
            self.assertEqual(len(losses(output)), 28)
            for step, (a, b) in enumerate(zip(reference[:25], losses(output))):
                self.assertAlmostEqual(a, b, delta=1e-5, msg=f"step {step + 1}, {before} ranks and then {after}")

    def test_a_finished_run_is_left_alone(self):
        output = FOLDER / "finished"
        train(output)
        before = weights(output)
        run("train", RECIPE, "--output", output)
        self.assertEqual(weights(output), before)

    def test_a_damaged_checkpoint_is_passed_over(self):
        output = FOLDER / "damaged"
        train(output)
        whole = weights(output)
        newest = sorted((output / "checkpoints").glob("step-*"))[-1] / "training_state.safetensors"
        newest.write_bytes(newest.read_bytes()[:-1])
        done = run("train", RECIPE, "--output", output)
        self.assertIn("training_state.safetensors", done.stderr)
        self.assertEqual(weights(output), whole)


class Killing(unittest.TestCase):
    """SIGKILL at random moments. KILLS in the environment says how often (5); the moments follow SEED (1)."""

    KILLS, SEED = int(os.environ.get("KILLS", 5)), int(os.environ.get("SEED", 1))

    def kill_at(self, command, folder, seconds, one_rank, rng):
        """Whether the command was still running, and so was killed, with all its ranks or one of them."""
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            self.assertEqual(process.wait(seconds), 0, command)
            return False
        except subprocess.TimeoutExpired:
            pass
        pids = running(folder)
        for pid in rng.sample(pids, 1) if one_rank and pids else [*pids, process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.wait(60)
        deadline = time.time() + 30
        while running(folder) and time.time() < deadline:
            time.sleep(0.02)
        self.assertEqual(running(folder), [], "a rank outlived its job")
        return True

    def test_a_run_ends_with_the_same_weights(self):
        rng = random.Random(self.SEED)
        for ranks in (0, 2):
            # A checkpoint every third step, so that many kills hit one that is being written.
            arguments = ["--set", "train.epochs=40", "--set", "checkpoint.every_steps=3", "--set", "train.validate_every=10"]
            start = time.time()
            train(FOLDER / f"never-killed-{ranks}", *arguments, ranks=ranks)
            seconds = time.time() - start
            output = FOLDER / f"killed-{ranks}"
            command = [str(TUTTI), "train", str(RECIPE), "--output", str(output), *arguments]
            command = [str(RANKS), str(ranks), *command] if ranks else command
            kills = runs = 0
            while kills < self.KILLS or runs == 0:
                shutil.rmtree(output, ignore_errors=True)
                while kills < self.KILLS and self.kill_at(command, output, rng.uniform(0.2, seconds), rng.random() < 0.5, rng):
                    kills += 1
                subprocess.run(command, check=True, capture_output=True)
                runs += 1
                for name in ("model.safetensors", "training_state.safetensors"):
                    whole = FOLDER / f"never-killed-{ranks}" / "checkpoints" / "latest" / name
                    self.assertEqual((output / "checkpoints" / "latest" / name).read_bytes(), whole.read_bytes(), name)
                self.assertEqual(lines(output), lines(FOLDER / f"never-killed-{ranks}"))
            print(f"{ranks} ranks: killed {kills} times over {runs} runs of {seconds:.1f} s", flush=True)

    def test_sharding_goes_on_at_any_number_of_ranks(self):
        rng = random.Random(self.SEED)
        header, *rows = (FOLDER / "sounds" / "manifest.csv").read_text().splitlines()
        many = [f"{row},{copy}-{row.split(',')[0]}" for copy in range(20) for row in rows]
        (FOLDER / "sounds" / "many.csv").write_text("\n".join([header + ",key", *many]) + "\n")
        whole, output = FOLDER / "many", FOLDER / "many-killed"
        start = time.time()
        run("shard", shard_config(whole, "many.csv"))
        seconds = time.time() - start
        shutil.rmtree(output, ignore_errors=True)
        kills = 0
        config = shard_config(output, "many.csv")
        while kills < self.KILLS:
            ranks = rng.choice([0, 1, 2])
            command = [*([str(RANKS), str(ranks)] if ranks else []), str(TUTTI), "shard", str(config)]
            if self.kill_at(command, config, rng.uniform(0.1, seconds), rng.random() < 0.5, rng):
                kills += 1
            else:
                self.same_shards(whole, output)
                shutil.rmtree(output)
        run("shard", config, ranks=2)
        self.same_shards(whole, output)

    def same_shards(self, whole, output):
        names = {path.name for path in whole.iterdir()} - UNSHARED
        self.assertEqual(names, {path.name for path in output.iterdir()} - UNSHARED)
        for name in names:
            self.assertEqual((output / name).read_bytes(), (whole / name).read_bytes(), name)


class FullDisk(unittest.TestCase):
    """A disk of 3 MB that fills up, or may not be written: needs the right to mount one."""

    def setUp(self):
        self.disk = FOLDER / "disk"
        self.disk.mkdir(exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(self.disk)], capture_output=True, text=True)
        if done.returncode and "mount" in os.environ.get("TUTTI_REQUIRED", "").split():
            self.fail(f"cannot mount a small disk, and TUTTI_REQUIRED has the word mount: {done.stderr.strip()}")
        if done.returncode:
            self.skipTest(f"cannot mount a small disk: {done.stderr.strip()}")
        self.addCleanup(lambda: subprocess.run(["umount", str(self.disk)], check=True))

    def fill(self, leave):
        """Takes all but the last bytes of the disk."""
        status = os.statvfs(self.disk)
        (self.disk / "filler").write_bytes(bytes(max(0, status.f_bavail * status.f_frsize - leave)))

    def test_a_run_goes_on_when_there_is_room_again(self):
        train(FOLDER / "roomy", "--max-steps", 12)
        output = self.disk / "run"
        train(output, "--max-steps", 6)
        for leave in (0, 8192, 40960):  # nothing, a log line, half a checkpoint
            self.fill(leave)
            done = run("train", RECIPE, "--output", output, "--max-steps", 12, ranks=2 if leave else 0, expect=1)
            self.assertIn("No space left", done.stderr)
            self.assertIn(str(output), done.stderr)
            (self.disk / "filler").unlink()
            self.assertIn("step-00000006", str((output / "checkpoints" / "latest").resolve()))
            run("evaluate", output / "checkpoints" / "latest")
        run("train", RECIPE, "--output", output, "--max-steps", 12)
        self.assertEqual(weights(output), weights(FOLDER / "roomy"))
        self.assertEqual(lines(output), lines(FOLDER / "roomy"))

    def test_sharding_goes_on_when_there_is_room_again(self):
        output = self.disk / "shards"
        config = shard_config(output)
        self.fill(60000)
        done = run("shard", config, expect=1)
        self.assertIn("No space left", done.stderr)
        self.assertIn(str(output), done.stderr)
        (self.disk / "filler").unlink()
        run("shard", config, ranks=2)
        for path in SHARDS.glob("*.h5"):
            self.assertEqual((output / path.name).read_bytes(), path.read_bytes(), path.name)

    def test_a_folder_that_may_not_be_written(self):
        output = self.disk / "run"
        train(output, "--max-steps", 2)
        before = weights(output)
        subprocess.run(["mount", "-o", "remount,ro", str(self.disk)], check=True)
        for arguments in (["train", RECIPE, "--output", output], ["train", RECIPE, "--output", self.disk / "other"],
                          ["shard", shard_config(self.disk / "shards")]):
            done = run(*arguments, expect=1)
            self.assertIn("Read-only file system", done.stderr)
            self.assertIn(str(self.disk), done.stderr)
        self.assertEqual(weights(output), before)
        run("evaluate", output)


class Stopping(unittest.TestCase):
    def stop(self, command, name, number):
        output = FOLDER / name
        shutil.rmtree(output, ignore_errors=True)
        long = ["--set", "train.epochs=400", "--set", "log.every_steps=1"]
        process = subprocess.Popen([*map(str, command), "train", str(RECIPE), "--output", str(output), *long],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        deadline = time.time() + 60
        while time.time() < deadline and not (output / "metrics.jsonl").exists():
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(number)
        text, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 75, text)
        self.assertIn("stopped by a signal", text)
        self.assertTrue((output / "checkpoints" / "latest" / "MANIFEST.json").exists())

    def test_usr1_and_term_end_with_a_checkpoint_and_75(self):
        self.stop([TUTTI], "stop-usr1", signal.SIGUSR1)
        self.stop([TUTTI], "stop-term", signal.SIGTERM)

    def test_launch_passes_term_on_and_75_back(self):
        self.stop([TUTTI, "launch", "-n", "2", "--"], "stop-launch", signal.SIGTERM)


class Evaluating(unittest.TestCase):
    def test_every_number_of_ranks_scores_the_same(self):
        output = FOLDER / "scored"
        train(output, ranks=2)
        rows = {ranks: run("evaluate", output, "--json", ranks=ranks).stdout for ranks in (0, 1, 2, 4)}
        row = json.loads(rows[0])
        self.assertEqual(row["count"], 8)
        self.assertEqual(row["fold"], "test")
        self.assertLessEqual({"accuracy", "map", "auc", "dprime", "loss"}, row.keys())
        for ranks, text in rows.items():
            self.assertEqual(text, rows[0], f"at {ranks} ranks")

    def test_several_checkpoints_and_folds(self):
        output = FOLDER / "several"
        train(output)
        done = run("evaluate", output, output / "checkpoints" / "latest", output / "checkpoints" / "latest" / "model.safetensors",
                   "--data", SHARDS, "--fold", "validation", "--fold", "test", "--json")
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([row["count"] for row in rows], [16, 16, 16])
        self.assertIn("accuracy", run("evaluate", output).stdout)

    def test_classes_never_seen_are_named(self):
        output = FOLDER / "three-classes"
        train(output, "--max-steps", 1)
        rows = (FOLDER / "sounds" / "manifest.csv").read_text().replace(",low,", ",lowest,").replace(",noise,test", ",new,test")
        (FOLDER / "sounds" / "others.csv").write_text(rows)
        shards = FOLDER / "other-classes"
        shutil.rmtree(shards, ignore_errors=True)
        run("shard", shard_config(shards, "others.csv"))
        error = run("evaluate", output, "--data", shards, expect=2).stderr
        for words in ("three-classes", "other-classes", "the model never saw 'lowest', 'new'", "the shards lack 'low'", "input.classes"):
            self.assertIn(words, error)


class Files(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.output = FOLDER / "files"
        train(cls.output)

    def test_features_then_forward_agree_with_predict(self):
        sound = FOLDER / "sounds" / "40.wav"
        run("features", sound, "-o", FOLDER / "raw.safetensors")
        shape, raw = read_safetensors(FOLDER / "raw.safetensors")[str(sound)]
        self.assertEqual(shape[1], 128)
        self.assertEqual({value for value in raw[3::128]}, {struct.unpack("<f", struct.pack("<f", -23 * math.log(2)))[0]})
        run("features", sound, "-o", FOLDER / "seen.safetensors", "--recipe", self.output / "recipe.toml")
        shape, seen = read_safetensors(FOLDER / "seen.safetensors")[str(sound)]
        self.assertEqual(shape, [24, 32])
        write_safetensors(FOLDER / "input.safetensors", "input", [1, 24, 32], seen)
        run("forward", self.output, "--input", FOLDER / "input.safetensors", "--output", FOLDER / "logits.safetensors")
        shape, logits = read_safetensors(FOLDER / "logits.safetensors")["logits"]
        self.assertEqual(shape, [1, 3])
        total = sum(math.exp(x) for x in logits)
        classes = json.loads(run("predict", self.output, sound, "--json").stdout)["classes"]
        self.assertEqual(sorted(c["name"] for c in classes), ["high", "low", "noise"])
        for c in classes:
            self.assertAlmostEqual(c["score"], math.exp(logits[["high", "low", "noise"].index(c["name"])]) / total, places=5)

    def test_forward_takes_recipe_and_foreign_weights(self):
        model = self.output / "checkpoints" / "latest" / "model.safetensors"
        raw = model.read_bytes()
        size = struct.unpack("<Q", raw[:8])[0]
        header = {("module." + k if k != "__metadata__" else k): v for k, v in json.loads(raw[8 : 8 + size]).items()}
        del header["__metadata__"]
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        foreign = FOLDER / "foreign.safetensors"
        foreign.write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + size :])
        write_safetensors(FOLDER / "zeros.safetensors", "input", [2, 24, 32], [0.0] * (2 * 24 * 32))
        run("forward", self.output / "checkpoints" / "latest", "--input", FOLDER / "zeros.safetensors", "--output", FOLDER / "a.safetensors")
        run("forward", "--recipe", self.output / "recipe.toml", "--weights", foreign, "--input", FOLDER / "zeros.safetensors", "--output", FOLDER / "b.safetensors")
        self.assertEqual(read_safetensors(FOLDER / "a.safetensors"), read_safetensors(FOLDER / "b.safetensors"))

    def test_features_reports_what_it_cannot_read_and_does_the_rest(self):
        sound = FOLDER / "sounds" / "40.wav"
        done = run("features", FOLDER / "missing.wav", sound, "-o", FOLDER / "some.safetensors", expect=1)
        self.assertIn("missing.wav", done.stderr)
        self.assertEqual(list(read_safetensors(FOLDER / "some.safetensors")), [str(sound)])

    def test_inspect_knows_every_kind_of_file(self):
        for path, word in [
            (RECIPE, "GFLOP"), (SHARDS, "noise: 16"), (SHARDS / "toy-00000-of-00005.h5", "clips"),
            (self.output, "v.pos_embed"), (self.output / "checkpoints" / "latest", "its manifest holds"),
            (FOLDER / "shards.toml", "records_per_shard"),
        ]:
            self.assertIn(word, run("inspect", path).stdout, path)

    def test_help_of_every_subcommand(self):
        commands = re.findall(r"(?m)^  ([a-z]+) +[A-Z]", run("--help").stdout.split("ubcommands:")[1].split("`tutti")[0])
        self.assertIn("doctor", commands)
        for command in commands:
            self.assertIn("Usage:", run(command, "--help").stdout)


class Diagnosing(unittest.TestCase):
    def setUp(self):
        self.folder = FOLDER / "doctor"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()

    def doctor(self, *arguments, ranks=0, expect=0):
        text = run("doctor", *arguments, ranks=ranks, expect=expect).stdout
        self.assertEqual("FAILURE" in text, expect == 1, text)
        return text

    def test_this_machine_can_train(self):
        for ranks in (0, 2):
            text = self.doctor("--folder", self.folder, "--shards", SHARDS, ranks=ranks)
            for subject in ("MPI", "libraries", "processor", "GPUs", "cores", "limits", "file system", "shards"):
                self.assertRegex(text, f"(?m)^(good|note|warning) +{subject} ", text)
            self.assertEqual(list(self.folder.iterdir()), [], "the doctor leaves nothing")
        self.assertRegex(text, "good +MPI .*thread level multiple; 2 ranks on 1 node, started by mpirun")
        self.assertRegex(text, r"clocks +agree within \d+ ms")
        self.assertRegex(text, r"all-reduce +25 MB over 2 ranks by MPI: [\d.]+ GB/s")

    def test_a_folder_that_cannot_be_written(self):
        for ranks in (0, 2):
            text = self.doctor("--folder", "/proc/here", ranks=ranks, expect=1)
            self.assertRegex(text, "FAILURE +file system .*/proc/here")

    def test_damaged_shards(self):
        shards = self.folder / "shards"
        shutil.copytree(SHARDS, shards)
        first = min(shards.glob("*.h5"))
        first.write_bytes(first.read_bytes()[:-1])
        for ranks in (0, 2):
            text = self.doctor("--folder", self.folder, "--shards", shards, ranks=ranks, expect=1)
            self.assertRegex(text, f"FAILURE +shards .*{first.name}")

    def test_more_ranks_than_cores(self):
        with mock.patch.dict(os.environ, SLURM_CPUS_ON_NODE="1"):
            text = self.doctor("--folder", self.folder, ranks=2)
        self.assertRegex(text, "warning +cores +a node has 2 ranks and 1 core")


class Interchange(unittest.TestCase):
    """Models of other projects, in and out."""

    GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "hugging_face"

    def new_folder(self, name):
        shutil.rmtree(FOLDER / name, ignore_errors=True)
        return FOLDER / name

    def train(self, name, *more):
        output = self.new_folder(name)
        run("train", RECIPE, "--output", output, "--max-steps", 4, *more)
        return output

    def logits(self, model, source):
        run("forward", model, "--input", source, "--output", FOLDER / "logits.safetensors")
        return read_safetensors(FOLDER / "logits.safetensors")["logits"][1]

    def refused(self, words, *arguments, expect=1):
        error = run(*arguments, expect=expect).stderr
        for word in words:
            self.assertIn(word, error)

    def test_what_transformers_saved(self):
        model = self.new_folder("imported")
        said = run("import", self.GOLDEN, "--output", model).stderr
        for words in ("35 tensors", "Hugging Face's names", "3 classes, 40 frames of 48 mels, normalised by mean -5.5 and std 3.25"):
            self.assertIn(words, said)
        expected = read_safetensors(self.GOLDEN / "logits.safetensors")["logits"][1]
        for ours, theirs in zip(self.logits(model, self.GOLDEN / "logits.safetensors"), expected, strict=True):
            self.assertAlmostEqual(ours, theirs, delta=1e-5 * max(1, abs(theirs)))
        self.assertIn('Rain, "heavy"', run("predict", model, FOLDER / "sounds" / "00.wav").stdout)
        self.assertIn("norm_epsilon = 1e-12", run("inspect", model).stdout)

        back = self.new_folder("exported")
        run("export", model, "--to", "huggingface", back)
        self.assertEqual(read_safetensors(back / "model.safetensors"), read_safetensors(self.GOLDEN / "model.safetensors"))
        for name in ("config.json", "preprocessor_config.json"):
            theirs = json.loads((self.GOLDEN / name).read_text())
            for key in ("transformers_version", "dtype"):
                theirs.pop(key, None)
            self.assertEqual(json.loads((back / name).read_text()), theirs)

    def test_a_model_of_our_own_there_and_back(self):
        run_folder = self.train("square", "--set", "model.patch=[16,16]", "--set", "model.stride=[8,4]", "--set", "model.head=cls_dist")
        there, back = self.new_folder("square-hf"), self.new_folder("square-back")
        run("export", run_folder, "--to", "huggingface", there)
        run("import", there, "--output", back)
        write_safetensors(FOLDER / "zeros.safetensors", "input", [2, 24, 32], [0.25] * (2 * 24 * 32))
        for ours, theirs in zip(*(self.logits(model, FOLDER / "zeros.safetensors") for model in (run_folder, back)), strict=True):
            self.assertAlmostEqual(ours, theirs, delta=1e-4)  # one epsilon for all LayerNorms, where ours has two
        self.assertIn("noise", run("predict", back, FOLDER / "sounds" / "00.wav").stdout)
        run("evaluate", back, "--data", SHARDS, "--fold", "test")
        train(FOLDER / "from-imported", "--set", f"model.init={back}", "--set", "model.patch=[16,16]", "--set", "model.stride=[8,4]",
              "--set", "model.head=cls_dist", "--max-steps", 2)

    def test_the_authors_names(self):
        run_folder = self.train("mean")
        there, back = self.new_folder("mean-authors"), self.new_folder("mean-back")
        run("export", run_folder, "--to", "authors", there)
        self.assertTrue(all(name.startswith("module.") for name in read_safetensors(there / "model.safetensors")))
        (FOLDER / "names.csv").write_text('index,mid,display_name\n0,/m/a,"High, thin"\n1,/m/b,Low\n2,/m/c,Noise\n')
        run("import", there / "model.safetensors", "--recipe", run_folder / "recipe.toml", "--classes", FOLDER / "names.csv", "--output", back)
        own = read_safetensors(run_folder / "checkpoints" / "latest" / "model.safetensors")
        self.assertEqual(read_safetensors(back / "model.safetensors"), own)
        self.assertIn("High, thin", run("predict", back, FOLDER / "sounds" / "00.wav").stdout)
        (FOLDER / "two.txt").write_text("low\nhigh\n")
        self.refused(["model.classes = 3", "2 class names"], "import", there / "model.safetensors", "--recipe", run_folder / "recipe.toml",
                     "--classes", FOLDER / "two.txt", "--output", FOLDER / "mean-two", expect=2)

    def test_what_cannot_be_exported_says_why(self):
        run_folder = self.train("unlike")
        folder = self.new_folder("unlike-hf")
        self.refused(["model.patch = [32, 4]", "square"], "export", run_folder, "--to", "huggingface", folder)
        self.assertFalse(folder.exists())
        self.assertEqual(list(FOLDER.glob("unlike-hf*")), [], "nothing half-written")
        folder.mkdir()
        self.refused(["is there already"], "export", run_folder, "--to", "authors", folder)

    def test_what_cannot_be_imported_says_why(self):
        output = self.new_folder("refused")
        strange = self.new_folder("strange-hf")
        shutil.copytree(self.GOLDEN, strange)
        config = json.loads((strange / "config.json").read_text())

        def refused_with(words, **changes):
            (strange / "config.json").write_text(json.dumps({**config, **changes}))
            self.refused(words, "import", strange, "--output", output, expect=2 if "model." in words[0] else 1)

        refused_with(["config.json", "model_type", "vit"], model_type="vit")
        refused_with(["config.json", "hidden_act", "relu"], hidden_act="relu")
        refused_with(["config.json", "hidden_size", '"wide"'], hidden_size="wide")
        refused_with(["id2label", "class 1"], id2label={"0": "a", "2": "c"})
        refused_with(["mlp_head.1.weight", "[2, 24]", "[3, 24]"], id2label={"0": "a", "1": "b"})
        refused_with(["unknown to the model", "v.blocks.1."], num_hidden_layers=1)
        refused_with(["model.heads"], num_attention_heads=5)
        (strange / "config.json").write_text('{"model_type": ')
        self.refused(["config.json"], "import", strange, "--output", output)
        (strange / "model.safetensors").unlink()
        self.refused(["strange-hf", "no weights"], "import", strange, "--output", output)
        self.refused(["00.wav"], "import", FOLDER / "sounds" / "00.wav", "--output", output)

        # Pre-trained on images: no classifier, no statistics of sound.
        own = read_safetensors(self.train("images") / "checkpoints" / "latest" / "model.safetensors")
        self.assertIn("v.norm.weight", own)
        headless = FOLDER / "headless.safetensors"
        header, data = {}, b""
        for name, (shape, values) in own.items():
            if name.startswith("v."):
                header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + 4 * len(values)]}
                data += struct.pack(f"<{len(values)}f", *values)
        text = json.dumps(header).encode()
        headless.write_bytes(struct.pack("<Q", len(text)) + text + data)
        arguments = ["import", headless, "--output", output, "--set", "features.frames=24", "--set", "features.mels=32",
                     "--set", "model.heads=2", "--set", "model.stride=[32,4]", "--set", "model.head=mean"]
        self.refused(["no classifier", "model.init_skip"], *arguments, expect=2)
        arguments += ["--set", "model.classes=4", "--set", 'model.init_skip=["mlp_head.*"]']
        self.refused(["headless.safetensors", "features.mean"], *arguments, expect=2)
        self.assertFalse(output.exists())
        said = run(*arguments, "--set", "features.mean=-5", "--set", "features.std=3").stderr
        self.assertIn("keep their initial values (4):\n    mlp_head.0.weight", said)
        self.refused(["is there already"], *arguments, "--set", "features.mean=-5", "--set", "features.std=3")

    def test_weights_of_imagenets_shape(self):
        deit = FOLDER / "deit.safetensors"
        subprocess.run([sys.executable, TOOLS / "deit_standin.py", deit, "--dim", "16", "--depth", "2"], check=True)
        said = run("train", RECIPE, "--output", self.new_folder("from-deit"), "--max-steps", 2, "--set", f"model.init={deit}",
                   "--set", 'model.init_skip=["mlp_head.*"]', "--set", "model.patch=[16,16]", "--set", "model.stride=[8,4]",
                   "--set", "model.head=cls_dist").stderr
        for words in ("names of DeiT and timm", "summed the three input channels", "left out v.head_dist.weight",
                      "from a grid of 14x14 patches (mels x frames) to 3x3"):
            self.assertIn(words, said)


class Reports(unittest.TestCase):
    """Classes whose names are markup, a report of one run and of two."""

    CLASSES = ['low "bass" <b>', "high & ㄤ", "noise's"]

    @classmethod
    def setUpClass(cls):
        names = dict(zip(["low", "high", "noise"], cls.CLASSES))
        with open(FOLDER / "sounds" / "manifest.csv") as file, open(FOLDER / "sounds" / "named.csv", "w") as out:
            writer = csv.DictWriter(out, ["path", "label", "fold"])
            writer.writeheader()
            writer.writerows({**row, "label": names[row["label"]]} for row in csv.DictReader(file))
        shards = FOLDER / "named"
        shutil.rmtree(shards, ignore_errors=True)
        run("shard", shard_config(shards, "named.csv"))
        cls.one, cls.two = FOLDER / "report-1", FOLDER / "report-2"
        train(cls.one, "--set", f"data.shards={shards}", ranks=2)
        train(cls.two, "--set", f"data.shards={shards}", "--set", "optimizer.lr=1e-3")

    def page(self, *arguments, path):
        """The page, well-formed and complete in itself."""
        self.assertEqual(run("report", *arguments).stdout.strip(), str(path))
        root = ElementTree.fromstring(path.read_text())
        for element in root.iter():
            for name in ("src", "href", "srcset", "data", "poster"):
                self.assertRegex(element.get(name, "#"), "^(data:|#)", f"{element.tag} {name}")
        style = root.find("head/style").text
        self.assertNotIn("url(", style)
        self.assertNotIn("@import", style)
        self.assertIn("prefers-color-scheme: dark", style)
        self.assertIsNone(root.find(".//link"))
        return root

    def test_one_run(self):
        root = self.page(self.one, "--clips", 5, path=self.one / "report.html")
        sections = {section.get("id"): section for section in root.iter("section")}
        self.assertEqual(list(sections), ["curves", "time", "classes", "confusion", "clips", "recipe"])
        titles = [caption.find("b").text for caption in sections["curves"].iter("figcaption")]
        for title in ["loss", "learning rate", "gradient norm", "throughput", "validation accuracy", "validation mAP"]:
            self.assertIn(title, titles)
        text = "".join(root.itertext())
        for name in self.CLASSES:
            self.assertIn(name, text)
        parts = [row.find("td").itertext() for row in sections["time"].iter("tr") if row.find("td") is not None]
        self.assertLessEqual({"data", "forward", "backward", "communication", "optimizer"}, {"".join(part) for part in parts})
        clips = list(sections["clips"].iter("article"))
        self.assertEqual(len(clips), 5)
        for clip in clips:
            self.assertEqual(len(list(clip.iter("image"))), 3, "a spectrogram and two layers of attention")
            self.assertEqual(len(list(clip.iter("audio"))), 1)
        self.assertIn("optimizer", "".join(sections["recipe"].itertext()))
        self.assertIn("ranks2", "".join(sections["recipe"].itertext()))

    def test_several_runs_show_what_differs(self):
        output = FOLDER / "compared.html"
        root = self.page(self.one, self.two, "--fold", "validation", "--clips", 2, "-o", output, path=output)
        sections = {section.get("id"): section for section in root.iter("section")}
        for name in ["differences", "curves", "time", "classes-0", "clips-0", "classes-1", "clips-1"]:
            self.assertIn(name, sections)
        keys = [code.text for code in sections["differences"].iter("code")]
        self.assertEqual(keys, ["optimizer.lr"])

    def test_the_log_says_where_the_time_goes(self):
        records = [json.loads(line) for line in (self.one / "metrics.jsonl").read_text().splitlines()]
        for record in records:
            self.assertGreater(record["seconds"]["validation" if "split" in record else "backward"], 0)

    def test_sounds_that_are_gone_are_said_to_be(self):
        named = FOLDER / "sounds" / "named.csv"
        named.rename(named.with_suffix(".gone"))
        try:
            root = self.page(self.two, path=self.two / "report.html")
        finally:
            named.with_suffix(".gone").rename(named)
        self.assertIsNone(root.find(".//audio"))
        self.assertIn("There are no sounds here", "".join(root.itertext()))

    def test_bad_input(self):
        for words, path in [
            (["there is no", "nowhere"], FOLDER / "nowhere"),
            (["no run", "sounds", "metrics.jsonl"], FOLDER / "sounds"),
        ]:
            error = run("report", path, expect=1).stderr
            for word in words:
                self.assertIn(word, error)
        bare = FOLDER / "bare"
        shutil.rmtree(bare, ignore_errors=True)
        shutil.copytree(self.one, bare, ignore=shutil.ignore_patterns("checkpoints"))
        self.assertIn(f"'{bare}' is no checkpoint", run("report", bare, expect=1).stderr)
        (bare / "metrics.jsonl").write_text("")
        self.assertIn(f"'{bare / 'metrics.jsonl'}' holds no step", run("report", bare, expect=1).stderr)

    def test_inspect_gives_json_of_every_kind_of_file(self):
        for path, kind in [
            (RECIPE, "recipe"), (SHARDS, "shards"), (SHARDS / "toy-00000-of-00005.h5", "shard"), (self.one, "run"),
            (self.one / "checkpoints" / "latest", "checkpoint"), (FOLDER / "shards.toml", "shard_config"),
            (self.one / "checkpoints" / "latest" / "model.safetensors", "weights"),
        ]:
            self.assertEqual(json.loads(run("inspect", path, "--json").stdout)["kind"], kind)
        found = json.loads(run("inspect", self.one, "--json").stdout)
        self.assertEqual(found["last_step"]["step"], 16)
        self.assertEqual(found["recipe"]["optimizer"]["lr"], 5e-3)
        self.assertEqual(found["environment"]["ranks"], "2")
        self.assertIn(found["latest"], found["checkpoints"])
        weights = json.loads(run("inspect", self.one / "checkpoints" / "latest", "--json").stdout)
        self.assertEqual(weights["classes"], sorted(self.CLASSES))


class BadInput(unittest.TestCase):
    def check(self, words, *arguments, ranks=0, expect=2):
        text = run(*arguments, ranks=ranks, expect=expect).stderr
        for word in words:
            self.assertIn(word, text)
        return text

    def train(self, *assignments, words, ranks=0, expect=2, output="bad"):
        sets = [part for assignment in assignments for part in ("--set", assignment)]
        return self.check(words, "train", RECIPE, "--output", FOLDER / output, *sets, ranks=ranks, expect=expect)

    def setUp(self):
        shutil.rmtree(FOLDER / "bad", ignore_errors=True)

    def test_recipes(self):
        self.train("optimizer.weigth_decay=1", words=["unknown key optimizer.weigth_decay", "optimizer.weight_decay?"])
        self.train("train.batch=many", words=["train.batch must be an integer", '"many"'])
        self.train("loss.label_smoothing=2", words=["label_smoothing must lie in", "2"])
        self.train("model.name=cnn", words=["cnn", "ast"])
        self.train("model.patch=[64, 4]", words=["patch", "64", "32"])
        self.assertFalse((FOLDER / "bad").exists(), "a recipe that cannot be leaves nothing behind")
        self.check(["missing.toml", "No such file"], "train", FOLDER / "missing.toml", "--output", FOLDER / "bad", expect=1)
        self.check(["RECIPE is required"], "train", "--output", FOLDER / "bad")

    def test_shards_that_do_not_fit(self):
        self.train("features.sample_rate=8000", words=["features.sample_rate: 8000 and 16000"])
        self.train("features.frames=64", words=["features.frames = 64", "32"])
        self.train("model.classes=5", words=["model.classes = 5", "3"])
        self.train('data.train=["first"]', words=["first", "train", "validation", "test"])
        self.train("data.shards=nowhere", words=["nowhere"], expect=1)

    def test_ranks(self):
        self.train("train.batch=3", words=["train.batch = 3", "4"], ranks=4)
        manifest = FOLDER / "sounds" / "two.csv"
        manifest.write_text("path,label\n00.wav,low\n01.wav,high\n")
        run("shard", shard_config(FOLDER / "two", "two.csv"))
        self.train(f"data.shards={FOLDER / 'two'}", words=["more ranks (4) than training clips (2)"], ranks=4)
        other = f'if [ "$OMPI_COMM_WORLD_RANK" = 1 ]; then x="--set train.seed=9"; fi; exec "{TUTTI}" train "{RECIPE}" --output "{FOLDER}/bad" $x'
        done = subprocess.run([str(RANKS), "2", "sh", "-c", other], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("ranks 0 and 1 were started with different recipes", done.stderr)
        self.assertIn("train.seed: 1 and 9", done.stderr)

    def test_what_is_not_finite_ends_the_run_and_keeps_the_last_checkpoint(self):
        output = FOLDER / "diverged"
        done = train(output, "--set", "optimizer.lr=1e30", "--set", "optimizer.clip_norm=0.0", "--set", "checkpoint.every_steps=1", expect=1)
        self.assertRegex(done.stderr, r"step \d+: the gradient of [\w.]+ is not finite \(the loss is ")
        self.assertIn("The last checkpoint is kept", done.stderr)
        run("inspect", output / "checkpoints" / "latest")

    def test_too_little_memory(self):
        limited = f"ulimit -v $((5 << 20)); exec '{TUTTI}' train '{RECIPE}' --output '{FOLDER}/bad' --set model.dim=8192 --set model.stride=[32,1]"
        done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1, done.stderr)
        for word in ("there is not enough memory", "train.batch", "train.accumulate"):
            self.assertIn(word, done.stderr)

    def test_one_writer_at_a_time(self):
        output = FOLDER / "written"
        shutil.rmtree(output, ignore_errors=True)
        command = [str(TUTTI), "train", str(RECIPE), "--output", str(output), "--set", "train.epochs=400"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
            while not (output / "metrics.jsonl").exists():
                time.sleep(0.05)
            text = self.check([f"process {first.pid}", str(output), "lock"], *command[1:], ranks=2, expect=1)
            self.assertEqual(text.count("is writing to"), 1)
            first.send_signal(signal.SIGTERM)
            self.assertEqual(first.wait(60), 75)

    def test_another_recipe_in_the_same_folder(self):
        train(FOLDER / "taken", "--max-steps", 1)
        text = self.train("train.seed=5", "loader.threads=2", words=["train.seed: 1 and 5"], output="taken")
        self.assertNotIn("loader.threads", text)

    def test_sharding(self):
        (FOLDER / "sounds" / "empty.csv").write_text("path,label\n")
        self.check(["empty.csv"], "shard", shard_config(FOLDER / "bad-shards", "empty.csv"), expect=1)
        (FOLDER / "sounds" / "latin.csv").write_bytes(b"path,label\n\xe4.wav,low\n")
        self.check(["latin.csv", "2", "UTF-8"], "shard", shard_config(FOLDER / "bad-shards", "latin.csv"), expect=1)
        self.check(["features.sample_rate", "0"], "shard", shard_config(FOLDER / "bad-shards"), "--set", "features.sample_rate=0")
        folder = os.fsencode(FOLDER / "latin" / "low")
        os.makedirs(folder, exist_ok=True)
        shutil.copy(FOLDER / "sounds" / "00.wav", folder + b"/\xe4.wav")
        (FOLDER / "latin.toml").write_text(f'[input]\nfolder = "{FOLDER / "latin"}"\n[output]\nfolder = "{FOLDER / "bad-shards"}"\n')
        self.check(["latin/low", "not UTF-8"], "shard", FOLDER / "latin.toml", expect=1)
        self.check(["none.csv"], "shard", shard_config(FOLDER / "bad-shards", "none.csv"), expect=1)
        self.check(["input.layout", "esc50", "input.manifest"], "shard", shard_config(FOLDER / "bad-shards"), "--set", "input.layout=esc50")
        self.check(["input.root", "plays no part", '"classes"'], "shard", FOLDER / "latin.toml", "--set", f"input.root={FOLDER}")
        config = shard_config(FOLDER / "bad-shards")
        config.write_text(config.read_text().replace("[features]", 'classes = ["low", "high"]\n[features]'))
        self.check(["noise", "manifest.csv", "4"], "shard", config, expect=1)
        self.check(["features.mels: 32 and 40"], "shard", shard_config(SHARDS), "--set", "features.mels=40")

    def test_files(self):
        self.check(["nothing here"], "evaluate", FOLDER / "nothing here", expect=1)
        self.check(["none of the 1 files"], "features", FOLDER / "x.wav", "-o", FOLDER / "x.safetensors", expect=1)
        self.check(["is nothing that tutti knows"], "inspect", FOLDER / "sounds" / "00.wav", expect=1)

    def test_launch_passes_a_failure_back(self):
        done = self.check(["missing.toml"], "launch", "-n", 2, "--", "train", FOLDER / "missing.toml", "--output", FOLDER / "bad", expect=1)
        self.assertEqual(len(re.findall("missing.toml", done)), 1, "told once")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], sys.argv[3]], verbosity=2)
