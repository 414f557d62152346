"""Writes fbank.safetensors: waveforms (int16) and torchaudio's fbank of them (float32), for tests/data/fbank_test.cc.

    python tests/golden/make_fbank.py FOLDER

needs torch, torchaudio, safetensors, soundfile and soxr. FOLDER is ogg/ of the Debian package gcin-voice, with
recordings of Mandarin syllables at 44.1 kHz: (c) 2014 ChionMeilin with the vocal source from Chu Lo, CC-BY-3.0.
"""

import pathlib
import sys

import numpy as np
import soundfile
import soxr
import torch
from safetensors.torch import save_file
from torchaudio.compliance.kaldi import fbank


def noise(count, seed):
    values, state = [], seed
    for _ in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        values.append((state >> 16) - 32768)
    return np.array(values)


def recording(path):
    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return np.round(soxr.resample(sound[:, 0], rate, 16000, quality="HQ") * 32767).astype(int)


def excerpts(folder):
    """Four frames out of the middle of each of 118 recordings."""
    sounds = [recording(path) for path in sorted(folder.glob("*/*.ogg"))[::20]]
    return np.stack([sound[len(sound) // 2 - 440 :][:880] for sound in sounds])


def waveforms(folder):
    t = np.arange(6400)
    return {
        "noise": noise(4960, 1) // 4,
        "whisper": noise(4960, 2) // 8192 + 12000,  # 4 steps of an int16 on a large offset
        "chirp": np.abs((t * t * 5) % 65536 - 32768) - 16384,  # a triangle wave of rising pitch
        "clicks": np.where(t % 997 == 500, 30000, 0),  # with silence between
        "excerpts": excerpts(folder),
        "clip": recording(folder / "ㄊㄨㄛ2" / "5.ogg"),  # tuo, second tone
    }


def main():
    options = dict(htk_compat=True, use_energy=False, window_type="hanning", dither=0.0, frame_shift=10)
    tensors = {}
    for name, samples in waveforms(pathlib.Path(sys.argv[1])).items():
        samples = torch.from_numpy(samples.astype(np.int16))
        waves = samples.view(-1, 1, samples.shape[-1]).float() / 32768
        tensors[f"{name}.samples"] = samples
        tensors[f"{name}.mels128"] = torch.cat(
            [fbank(wave, sample_frequency=16000, num_mel_bins=128, **options) for wave in waves])
    # Other settings: a rate whose window is rounded down, few mel bins, a narrow band, another shift.
    other = dict(options, frame_shift=12.5, low_freq=60, high_freq=10000)
    tensors["clip.other"] = fbank(waves[-1], sample_frequency=22050, num_mel_bins=40, **other)
    save_file(tensors, pathlib.Path(__file__).with_name("fbank.safetensors"))


main()
