#!/usr/bin/env python3
"""PYTHON make_pth.py: files as torch.save writes them, for tests/models/pth_test.cc. PYTHON has torch 2.11.

Tensor values are 0, 1, 2, ... in row-major order, so that no file of expected values is needed.
"""
import argparse
import os
from collections import OrderedDict
from pathlib import Path

import torch

FOLDER = Path(__file__).parent


def counting(*shape, dtype=torch.float32):
    return torch.arange(torch.tensor(shape).prod().item()).reshape(shape).to(dtype)


class Evil:
    def __reduce__(self):
        return os.system, ("touch tutti-was-here",)


shared = counting(4, 6)
weights = OrderedDict(
    matrix=counting(3, 5),
    transposed=counting(3, 4).t().contiguous().t(),
    row=shared[2],  # these two share a storage
    column=shared[:, 1],
    half=counting(7, dtype=torch.float16),
    bfloat=counting(7, dtype=torch.bfloat16),
    double=counting(2, 2, dtype=torch.float64),
    count=torch.tensor(12),
    parameter=torch.nn.Parameter(counting(2, 3)),
    empty=torch.zeros(0, 3),
)
nested = {"epoch": 3, "args": argparse.Namespace(lr=1e-4), "model": weights, "optimizer": {"state": {}, "note": Evil()}}

torch.save(weights, FOLDER / "zip.pth")
torch.save(nested, FOLDER / "zip_nested.pth")
torch.save(nested, FOLDER / "legacy.pth", _use_new_zipfile_serialization=False)
torch.save({"weight": counting(2), "bias": Evil()}, FOLDER / "evil.pth")
torch.save([counting(2)], FOLDER / "list.pth")
torch.save({"state": {"a": 1}, "args": argparse.Namespace()}, FOLDER / "no_weights.pth")
torch.save({"complex": torch.zeros(2, dtype=torch.complex64), "real": counting(2)}, FOLDER / "complex.pth")
