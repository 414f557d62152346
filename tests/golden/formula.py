"""Weights and inputs by formula, so that a golden file holds only results (tests/models/formula.h is the same in C++).

values(name, i) is uniform in [-1, 1) and depends on the tensor's name and the row-major index alone:

    z = FNV-1a-64(name) + (i + 1) * 0x9E3779B97F4A7C15            (mod 2^64), finalised as splitmix64 does
    value = 2 (z >> 40) / 2^24 - 1                                 (24 bits: exact in float32)
"""

import numpy as np


def fnv1a(name):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) % 2**64
    return h


def values(name, count):
    """Uniform in [-1, 1), float32, [count]."""
    u64 = np.uint64
    with np.errstate(over="ignore"):
        z = u64(fnv1a(name)) + np.arange(1, count + 1, dtype=u64) * u64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> u64(30))) * u64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> u64(27))) * u64(0x94D049BB133111EB)
        z = z ^ (z >> u64(31))
    return np.float32(2) * ((z >> u64(40)).astype(np.float32) / np.float32(1 << 24)) - np.float32(1)


def tensor(name, shape):
    return values(name, int(np.prod(shape))).reshape(shape)


def weight(name, shape):
    """offset + scale * value: LayerNorm weights near 1, biases and tokens moderate, matrices of unit gain."""
    if len(shape) == 1:
        offset, scale = (1.0, 0.1) if name.endswith(".weight") else (0.0, 0.1)
    elif "table" in name or "pos_embed" in name or "token" in name:
        offset, scale = 0.0, 0.5
    else:
        offset, scale = 0.0, float(np.float32(np.sqrt(3.0 / int(np.prod(shape[1:])))))
    return np.float32(offset) + np.float32(scale) * tensor(name, shape)
