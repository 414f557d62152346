#!/usr/bin/env python3
"""tutti's filter bank beside torchaudio's: how far both are from each other and from float64, and how fast.

    PYTHON tools/fbank_benchmark.py build/release/tools/fbank_benchmark [FOLDER [CLIPS]]

PYTHON has torch, torchaudio, safetensors, soundfile and soxr. FOLDER: sound files, of which CLIPS (200) are
taken at even distances, beside made signals of 1 to 30 s.
"""

import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import soundfile
import soxr
import torch
from safetensors.torch import load_file, save_file
from torchaudio.compliance.kaldi import fbank

RATE, WINDOW, SHIFT, SIZE, MELS = 16000, 400, 160, 512, 128
ROUNDS = 5
torch.set_num_threads(1)


def reference(wave):
    return fbank(wave[None], sample_frequency=RATE, num_mel_bins=MELS, htk_compat=True, use_energy=False,
                 window_type="hanning", dither=0.0, frame_shift=10)


def mel_scale(hz):
    return 1127 * np.log(1 + hz / 700)


def by_definition(wave):
    """In float64: Kaldi's filter bank as its feat/feature-fbank.h defines it."""
    frames = np.lib.stride_tricks.sliding_window_view(wave.double().numpy(), WINDOW)[::SHIFT].copy()
    frames -= frames.mean(1, keepdims=True)
    frames[:, 1:] -= 0.97 * frames[:, :-1]
    frames[:, 0] *= 0.03
    frames *= 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / (WINDOW - 1))
    power = np.abs(np.fft.rfft(frames, SIZE))[:, : SIZE // 2] ** 2
    low, high = mel_scale(20.0), mel_scale(RATE / 2)
    width = (high - low) / (MELS + 1)
    mel = mel_scale(np.arange(SIZE // 2) * RATE / SIZE)[:, None]
    left = low + width * np.arange(MELS)
    filters = np.maximum(0, np.minimum(mel - left, left + 2 * width - mel) / width)
    return np.log(np.maximum(power @ filters, np.finfo(np.float32).eps))


def made_signals():
    random = np.random.default_rng(1)
    signals = {"speed": random.standard_normal(10 * RATE) * 0.1}
    for seconds in (1, 3, 10, 30):
        t = np.arange(seconds * RATE)
        signals[f"noise {seconds} s"] = random.uniform(-0.5, 0.5, t.size)
        signals[f"silence {seconds} s"] = np.zeros(t.size)
        signals[f"clicks {seconds} s"] = np.where(t % 997 == 500, 0.9, 0.0)
    signals["whisper on an offset"] = random.integers(-4, 5, 3 * RATE) / 32768 + 0.4
    t = np.arange(10 * RATE) / RATE
    signals["tone"] = 0.9 * np.sin(2 * np.pi * 1000 * t)
    signals["sweep"] = 0.9 * np.sin(2 * np.pi * 375 * t * t)
    return signals


def recordings(folder, count):
    paths = sorted(path for path in pathlib.Path(folder).rglob("*") if path.suffix in (".ogg", ".wav", ".flac"))
    for path in paths[:: max(1, len(paths) // count)][:count]:
        sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
        wave = soxr.resample(sound.mean(1), rate, RATE, quality="HQ")
        yield str(path), wave
        yield f"{path}, 16 bits", np.round(wave * 32768).clip(-32768, 32767) / 32768


def row(name, gaps):
    gaps = np.concatenate([gap.ravel() for gap in gaps])
    quantiles = " ".join(f"{np.quantile(gaps, q):.1e}" for q in (0.5, 0.99, 0.999))
    print(f"  {name:28} {np.mean(gaps):.2e}  {quantiles}  {np.max(gaps):.1e}  {np.mean(gaps <= 1e-4):.5%}")


def main():
    program = sys.argv[1]
    signals = {"made": made_signals()}
    if len(sys.argv) > 2:
        signals["recordings"] = dict(recordings(sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 200))
    waves = {name: torch.tensor(wave, dtype=torch.float32) for group in signals.values() for name, wave in group.items()}
    ours_a_second, theirs_a_second = [], []
    with tempfile.TemporaryDirectory() as folder:
        save_file(waves, f"{folder}/waves.safetensors")
        for _ in range(ROUNDS):
            result = subprocess.run([program, f"{folder}/waves.safetensors", f"{folder}/features.safetensors"],
                                    check=True, capture_output=True, text=True)
            ours_a_second.append(float(result.stdout))
            best = min(timed(lambda: reference(waves["speed"])) for _ in range(30))
            theirs_a_second.append(1 / best)
        ours = load_file(f"{folder}/features.safetensors")

    print("  absolute differences of        mean      median  99%     99.9%    most     at most 1e-4")
    steady = [name for name in signals["made"] if name not in ("tone", "sweep")]
    groups = {"made signals": steady, "tone and sweep": ["tone", "sweep"]}
    if "recordings" in signals:
        names = list(signals["recordings"])
        groups |= {"recordings, as decoded": names[::2], "recordings, of 16 bits": names[1::2]}
    for group, names in groups.items():
        print(f"{group}: {len(names)}")
        mine = [ours[name].double().numpy() for name in names]
        theirs = [reference(waves[name]).double().numpy() for name in names]
        exact = [by_definition(waves[name]) for name in names]
        row("tutti - torchaudio", [abs(a - b) for a, b in zip(mine, theirs)])
        row("tutti - float64", [abs(a - b) for a, b in zip(mine, exact)])
        row("torchaudio - float64", [abs(a - b) for a, b in zip(theirs, exact)])
    ours_median, theirs_median = np.median(ours_a_second), np.median(theirs_a_second)
    print(f"clips of 10 s a second on one core: tutti {ours_median:.0f}, torchaudio {theirs_median:.0f}: "
          f"{ours_median / theirs_median:.1f} times")


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


main()
