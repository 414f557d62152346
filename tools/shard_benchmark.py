#!/usr/bin/env python3
"""Sharding beside torchaudio and beside decoding alone, and random reads of the shards beside h5py.

    PYTHON tools/shard_benchmark.py build/release FOLDER

PYTHON has torch, torchaudio, soundfile and h5py. FOLDER: sound files, which are joined to CLIPS clips of 10 s at
16 kHz, as FLAC. All on one core but where it says 2 threads; medians of ROUNDS turns.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import h5py
import numpy as np
import soundfile
import torch
from torchaudio.compliance.kaldi import fbank

CLIPS, RATE, SECONDS, ROUNDS = 1600, 16000, 10, 5
torch.set_num_threads(1)

CONFIG = """
[input]
manifest = "{folder}/clips.csv"
[features]
frames = 1024
[output]
folder = "{folder}/{shards}"
name = "clips"
records_per_shard = 100
"""


def make_clips(sounds, folder):
    """Speech that compresses like speech: the recordings one after another, from another start in every clip. That
    every second sample is left out, unfiltered, is of no matter here."""
    wave = np.concatenate([soundfile.read(path, always_2d=True)[0][::2, 0] for path in sounds])
    length, rows = RATE * SECONDS, ["path,label"]
    for clip in range(CLIPS):
        start = clip * 7919 * 13 % (len(wave) - length)
        soundfile.write(folder / f"{clip}.flac", wave[start : start + length], RATE)
        rows.append(f"{clip}.flac,speech")
    (folder / "clips.csv").write_text("\n".join(rows) + "\n")


def seconds_of(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def decode(path):
    return soundfile.read(path, dtype="float32")[0]


def torchaudio_features(path):
    wave = torch.from_numpy(decode(path))
    return fbank(wave[None], sample_frequency=RATE, num_mel_bins=128, htk_compat=True, use_energy=False,
                 window_type="hanning", dither=0.0, frame_shift=10).half()


def print_sharding(program, folder):
    paths = [folder / f"{clip}.flac" for clip in range(CLIPS)]
    times = {"tutti shard": [], "torchaudio (decoding and fbank)": [], "decoding alone": []}
    for turn in range(ROUNDS):
        config = folder / f"{turn}.toml"
        config.write_text(CONFIG.format(folder=folder, shards=f"shards-{turn}"))
        shard = [program, "shard", config]
        times["tutti shard"].append(seconds_of(lambda: subprocess.run(shard, check=True, capture_output=True)))
        some = paths[turn::8]
        for name, work in (("torchaudio (decoding and fbank)", torchaudio_features), ("decoding alone", decode)):
            times[name].append(seconds_of(lambda: [work(path) for path in some]) * CLIPS / len(some))
    print(f"sharding {CLIPS} clips of {SECONDS} s (FLAC, 16 kHz), clips a second on one core, start-up included")
    for name, values in times.items():
        print(f"  {name:34} {CLIPS / np.median(values):7.0f}")


def print_h5py(folder):
    shards = folder / "shards-0"
    files = [entry["file"] for entry in json.loads((shards / "index.json").read_text())["shards"]]
    order = np.random.default_rng(1).permutation(CLIPS)

    def read(part, convert):
        sets = [h5py.File(shards / name)["features"] for name in files]  # one handle a thread
        for record in part:
            features = sets[record // 100]
            features.astype("float32")[record % 100] if convert else features[record % 100]

    print("h5py, the same records; GB/s of stored bytes")
    for threads in (1, 2):
        for convert in (False, True):
            rates = []
            for _ in range(ROUNDS):
                workers = [threading.Thread(target=read, args=(order[t::threads], convert)) for t in range(threads)]

                def run():
                    for worker in workers:
                        worker.start()
                    for worker in workers:
                        worker.join()

                rates.append(CLIPS * 1024 * 128 * 2 / seconds_of(run) * 1e-9)
            what = "converted to float32 by HDF5" if convert else "as stored"
            print(f"  {threads} thread{'s' * (threads > 1):1} {what:30} {np.median(rates):6.2f}")


def main():
    build = pathlib.Path(sys.argv[1])
    sounds = sorted(path for path in pathlib.Path(sys.argv[2]).rglob("*") if path.suffix in (".ogg", ".wav", ".flac"))
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_clips(sounds, folder)
        print_sharding(build / "tutti", folder)
        print("random reads:", flush=True)
        subprocess.run([build / "tools/shard_read_benchmark", folder / "shards-0"], check=True)
        print_h5py(folder)


main()
