"""Golden results for tests/models/ssast_test.cc: python tests/golden/make_ssast.py (as make_ast.py).

ssast.safetensors  for a model of patches and one of frames: the four outputs of each clip, and for each parameter
                   [norm of its gradient, its gradient times formula values], of loss = sum(outputs[:, 0] * cotangent).
The losses are those of mpc() and mpg() in the SSAST authors' ast_models.py, clip by clip, at masks that are given.
"""

from pathlib import Path

import numpy as np
import safetensors.numpy
import torch
import torch.nn.functional as F

import formula
from make_ast import MELS, encode, linear, names_and_shapes, patches

DIM, DEPTH, HEADS = 48, 2, 4
WEIGHT = 10.0

# name: frames, patch, masked patches of clips 0 and 1 (objective, clip): what models/patch_masks.cc draws for the
# keys 1 and 2
CASES = {
    "patch": (64, (16, 16), ((range(6, 18), range(12, 24)), (range(1, 13), range(9, 21)))),
    "frame": (40, (128, 2), (([14, 1, 17, 15, 19, 18, 12, 9], [13, 8, 17, 6, 2, 9, 10, 1]),
                             ([9, 5, 11, 18, 6, 2, 15, 19], [0, 15, 1, 7, 17, 18, 13, 14]))),
}


def predict(w, t, layer):
    return linear(w, F.relu(linear(w, t, f"{layer}.0")), f"{layer}.2")


def outputs(w, x, patch, masks):
    unfolded = F.unfold(x.transpose(1, 2).unsqueeze(1), patch, stride=patch).transpose(1, 2).detach()
    embedded = patches(w, x, patch)
    encoded = []
    for objective in masks:
        visible = torch.stack([torch.stack([w["mask_embed"][0, 0] if i in clip else row for i, row in enumerate(rows)])
                               for clip, rows in zip(objective, embedded)])
        encoded.append(encode(w, visible, DEPTH, HEADS))
    rows = []
    for clip in range(len(x)):
        first, second = (torch.tensor(list(objective[clip])) for objective in masks)
        total = unfolded[clip, first] @ predict(w, encoded[0][clip, first + 2], "cpredlayer").T
        accuracy = (total.softmax(-1).argmax(0) == torch.arange(len(first))).float().mean()
        discriminative = -total.log_softmax(-1).diag().mean()
        drawn = predict(w, encoded[1][clip, second + 2], "gpredlayer")
        generative = F.mse_loss(drawn, unfolded[clip, second])
        rows.append(torch.stack([discriminative + WEIGHT * generative, discriminative, generative, accuracy]))
    return torch.stack(rows)


def main():
    results = {}
    for case, (frames, patch, masks) in CASES.items():
        shapes = {name: shape for name, shape in names_and_shapes(frames, DIM, DEPTH, patch, patch, "mean")
                  if not name.startswith("mlp_head")}
        shapes["mask_embed"] = (1, 1, DIM)
        for layer in ("cpredlayer", "gpredlayer"):
            for part, size in (("0", DIM), ("2", patch[0] * patch[1])):
                shapes |= {f"{layer}.{part}.weight": (size, DIM), f"{layer}.{part}.bias": (size,)}
        w = {name: torch.from_numpy(formula.weight(name, shape)).requires_grad_() for name, shape in shapes.items()}
        found = outputs(w, torch.from_numpy(formula.tensor("input", (2, frames, MELS))), patch, masks)
        (found[:, 0] * torch.from_numpy(formula.tensor("cotangent", (2,)))).sum().backward()
        results[f"{case}.outputs"] = found.detach().numpy()
        for name, p in w.items():
            probe = torch.from_numpy(formula.tensor(f"probe.{name}", tuple(p.shape)))
            results[f"{case}.gradient.{name}"] = np.array([p.grad.norm(), (p.grad * probe).sum()], np.float32)
    safetensors.numpy.save_file(results, Path(__file__).parent / "ssast.safetensors")


if __name__ == "__main__":
    main()
