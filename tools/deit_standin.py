#!/usr/bin/env python3
"""Writes a file with the names and shapes of DeiT's ImageNet weights (Touvron et al. 2021: distilled, patches of
16x16, three channels) and random values (normal, 0.02): what `model.init` does with ImageNet weights, without them.

    tools/deit_standin.py data-cache/deit.safetensors [--dim 192 --depth 12 --grid 14 --seed 1]
"""

import argparse
import array
import json
import math
import pathlib
import random
import struct
import sys

IMAGENET_CLASSES = 1000


def shapes(dim, depth, grid):
    """Parameter names to shapes, as in DeiT's files."""
    of = {"cls_token": [1, 1, dim], "dist_token": [1, 1, dim], "pos_embed": [1, 2 + grid * grid, dim],
          "patch_embed.proj.weight": [dim, 3, 16, 16], "patch_embed.proj.bias": [dim]}
    layers = {"attn.qkv": (3 * dim, dim), "attn.proj": (dim, dim), "mlp.fc1": (4 * dim, dim), "mlp.fc2": (dim, 4 * dim)}
    for block in range(depth):
        for norm in ("norm1", "norm2"):
            of[f"blocks.{block}.{norm}.weight"] = of[f"blocks.{block}.{norm}.bias"] = [dim]
        for layer, (rows, columns) in layers.items():
            of[f"blocks.{block}.{layer}.weight"] = [rows, columns]
            of[f"blocks.{block}.{layer}.bias"] = [rows]
    of["norm.weight"] = of["norm.bias"] = [dim]
    for head in ("head", "head_dist"):
        of[f"{head}.weight"] = [IMAGENET_CLASSES, dim]
        of[f"{head}.bias"] = [IMAGENET_CLASSES]
    return of


def values(name, shape, generator):
    count = math.prod(shape)
    if name.endswith(".bias"):
        return array.array("f", bytes(4 * count))
    if "norm" in name:
        return array.array("f", [1.0]) * count
    return array.array("f", (generator.gauss(0, 0.02) for _ in range(count)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--dim", type=int, default=192)
    parser.add_argument("--depth", type=int, default=12)
    parser.add_argument("--grid", type=int, default=14, help="patches along each side of an image")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    generator = random.Random(arguments.seed)
    header, data = {}, bytearray()
    for name, shape in shapes(arguments.dim, arguments.depth, arguments.grid).items():
        column = values(name, shape, generator)
        if sys.byteorder == "big":
            column.byteswap()
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + 4 * len(column)]}
        data += column.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    arguments.file.parent.mkdir(parents=True, exist_ok=True)
    arguments.file.write_bytes(struct.pack("<Q", len(text)) + text + data)


if __name__ == "__main__":
    main()
