"""Golden results for tests/models: python tests/golden/make_ast.py (torch, transformers, safetensors).

ast.safetensors        logits, loss = sum(logits * cotangent), and for each parameter [norm of its gradient, its
                       gradient times formula values], of a few AST models. The cases tiny and base run in
                       transformers' ASTForAudioClassification, the others in the lines below.
positions.safetensors  positional embeddings adapted by torch.nn.functional.interpolate, as the authors do.
types.safetensors      a file by the Python package safetensors, which our writer must repeat byte for byte.
"""

from pathlib import Path

import numpy as np
import safetensors.numpy
import torch
import torch.nn.functional as F
from transformers import ASTConfig, ASTForAudioClassification

import formula

HERE = Path(__file__).parent
MELS, CLASSES = 128, 5

# name: clips, frames, dim, depth, heads, patch, stride, head
CASES = {
    "tiny.128": (2, 128, 192, 12, 3, (16, 16), (10, 10), "cls_dist"),
    "tiny.500": (2, 500, 192, 12, 3, (16, 16), (10, 10), "cls_dist"),
    "tiny.1024": (2, 1024, 192, 12, 3, (16, 16), (10, 10), "cls_dist"),
    "base.128": (2, 128, 768, 12, 12, (16, 16), (10, 10), "cls_dist"),
    "base.1024": (1, 1024, 768, 12, 12, (16, 16), (10, 10), "cls_dist"),
    "columns": (2, 40, 48, 3, 4, (128, 4), (128, 2), "cls_dist"),
    "cls": (2, 40, 48, 2, 4, (16, 16), (16, 8), "cls"),
    "mean": (2, 40, 48, 2, 4, (128, 2), (128, 2), "mean"),
}


def names_and_shapes(frames, dim, depth, patch, stride, head):
    leading = 1 if head == "cls" else 2
    grid = [(extent - p) // s + 1 for extent, p, s in zip((MELS, frames), patch, stride)]
    yield "v.cls_token", (1, 1, dim)
    if leading == 2:
        yield "v.dist_token", (1, 1, dim)
    yield "v.pos_embed", (1, leading + grid[0] * grid[1], dim)
    layers = {"v.patch_embed.proj": (dim, 1, *patch), "v.norm": (dim,)}
    for i in range(depth):
        for layer, shape in {"norm1": (dim,), "attn.qkv": (3 * dim, dim), "attn.proj": (dim, dim), "norm2": (dim,),
                             "mlp.fc1": (4 * dim, dim), "mlp.fc2": (dim, 4 * dim)}.items():
            layers[f"v.blocks.{i}.{layer}"] = shape
    layers |= {"mlp_head.0": (dim,), "mlp_head.1": (CLASSES, dim)}
    for layer, shape in layers.items():
        yield f"{layer}.weight", shape
        yield f"{layer}.bias", shape[:1]


def norm(w, t, name, eps=1e-6):
    return F.layer_norm(t, t.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"], eps)


def linear(w, t, name):
    return F.linear(t, w[f"{name}.weight"], w[f"{name}.bias"])


def patches(w, x, stride):
    x = F.conv2d(x.unsqueeze(1).transpose(2, 3), w["v.patch_embed.proj.weight"], w["v.patch_embed.proj.bias"], stride)
    return x.flatten(2).transpose(1, 2)


def encode(w, x, depth, heads):
    """Patches through v in the authors' terms, every token through every block."""
    b, n, d = x.shape
    tokens = [w[t].expand(b, -1, -1) for t in ("v.cls_token", "v.dist_token") if t in w]
    x = torch.cat(tokens + [x], 1) + w["v.pos_embed"]
    for i in range(depth):
        p = f"v.blocks.{i}."
        qkv = linear(w, norm(w, x, p + "norm1"), p + "attn.qkv")
        qkv = qkv.reshape(b, -1, 3, heads, d // heads).permute(2, 0, 3, 1, 4)
        scores = qkv[0] @ qkv[1].transpose(2, 3) * (d // heads) ** -0.5
        x = x + linear(w, (scores.softmax(-1) @ qkv[2]).transpose(1, 2).reshape(b, -1, d), p + "attn.proj")
        x = x + linear(w, F.gelu(linear(w, norm(w, x, p + "norm2"), p + "mlp.fc1")), p + "mlp.fc2")
    return norm(w, x, "v.norm")


def forward(w, x, depth, heads, stride, head):
    x = encode(w, patches(w, x, stride), depth, heads)
    leading = 1 if head == "cls" else 2
    x = {"cls": lambda: x[:, 0], "cls_dist": lambda: (x[:, 0] + x[:, 1]) / 2,
         "mean": lambda: x[:, leading:].mean(1)}[head]()
    return linear(w, norm(w, x, "mlp_head.0", 1e-5), "mlp_head.1")


def transformers_forward(w, x, frames, dim, depth, heads):
    """The same by transformers, whose one epsilon is set apart for the classifier. Gradients reach w."""
    model = ASTForAudioClassification(ASTConfig(
        hidden_size=dim, num_hidden_layers=depth, num_attention_heads=heads, intermediate_size=4 * dim,
        layer_norm_eps=1e-6, max_length=frames, num_mel_bins=MELS, num_labels=CLASSES))
    model.classifier.layernorm.eps = 1e-5
    ours = {"classifier.layernorm": "mlp_head.0", "classifier.dense": "mlp_head.1",
            "embeddings.cls_token": "v.cls_token", "embeddings.distillation_token": "v.dist_token",
            "embeddings.position_embeddings": "v.pos_embed",
            "embeddings.patch_embeddings.projection": "v.patch_embed.proj", "layernorm_before": "norm1",
            "layernorm_after": "norm2", "attention.o_proj": "attn.proj", "attention.": "attn.", "layers.": "v.blocks.", "layernorm": "v.norm"}
    parameters = {}
    for name, _ in model.named_parameters():
        mine = name.removeprefix("audio_spectrogram_transformer.")
        for theirs, replacement in ours.items():
            mine = mine.replace(theirs, replacement)
        for third, letter in enumerate("qkv"):
            if f".{letter}_proj." in mine:
                mine = mine.replace(f"{letter}_proj", "qkv")
                parameters[name] = w[mine][third * dim:(third + 1) * dim]
                break
        else:
            parameters[name] = w[mine]
    return torch.func.functional_call(model.eval(), parameters, (x,)).logits


def ast_results():
    results = {}
    for case, (clips, frames, dim, depth, heads, patch, stride, head) in CASES.items():
        w = {name: torch.from_numpy(formula.weight(name, shape)).requires_grad_()
             for name, shape in names_and_shapes(frames, dim, depth, patch, stride, head)}
        x = torch.from_numpy(formula.tensor("input", (clips, frames, MELS)))
        if case.startswith(("tiny", "base")):
            logits = transformers_forward(w, x, frames, dim, depth, heads)
            with torch.no_grad():
                ours = forward(w, x, depth, heads, stride, head)
            assert torch.allclose(ours, logits, atol=1e-4), (ours, logits)
        else:
            logits = forward(w, x, depth, heads, stride, head)
        loss = (logits * torch.from_numpy(formula.tensor("cotangent", (clips, CLASSES)))).sum()
        loss.backward()
        results[f"{case}.logits"] = logits.detach().numpy()
        results[f"{case}.loss"] = loss.detach().reshape(1).numpy()
        for name, p in w.items():
            probe = torch.from_numpy(formula.tensor(f"probe.{name}", tuple(p.shape)))
            results[f"{case}.gradient.{name}"] = np.array([p.grad.norm(), (p.grad * probe).sum()], np.float32)
    return results


# name: leading tokens, grid of the source, grid of the model (mels, frames)
GRIDS = {
    "cut_time": (2, (12, 101), (12, 50)),
    "cut_both": (2, (12, 101), (7, 12)),
    "lengthen_both": (2, (12, 101), (20, 130)),
    "imagenet_384": (2, (24, 24), (12, 101)),
    "imagenet_224": (1, (14, 14), (12, 8)),
    "columns": (2, (1, 20), (1, 33)),
}


def adapted(positions, leading, source, target):
    """ast_models.py of the authors, its two cases (ImageNet, AudioSet) in one: time first."""
    (f0, t0), (f, t) = source, target
    grid = positions[:, leading:].transpose(1, 2).reshape(1, -1, f0, t0)
    grid = grid[..., t0 // 2 - t // 2:][..., :t] if t <= t0 else F.interpolate(grid, size=(f0, t), mode="bilinear")
    grid = grid[:, :, f0 // 2 - f // 2:][:, :, :f] if f <= f0 else F.interpolate(grid, size=(f, t), mode="bilinear")
    return torch.cat([positions[:, :leading], grid.reshape(1, -1, f * t).transpose(1, 2)], 1)


def position_results():
    return {case: adapted(torch.from_numpy(formula.tensor("positions", (1, leading + f0 * t0, 2))),
                          leading, (f0, t0), target).contiguous().numpy()
            for case, (leading, (f0, t0), target) in GRIDS.items()}


def type_examples():
    """One tensor a dtype; an empty one, a scalar, an odd size, and a name that is not ASCII."""
    count = lambda dtype, *shape: torch.arange(int(np.prod(shape))).reshape(shape).to(dtype)
    return {"a.weight": count(torch.float32, 2, 3), "half": count(torch.float16, 4), "brain": count(torch.bfloat16, 3),
            "double": count(torch.float64, 1, 2), "long": count(torch.int64, 2), "int": count(torch.int32, 3),
            "short": count(torch.int16, 3), "char": count(torch.int8, 5), "byte": count(torch.uint8, 7),
            "flags": count(torch.bool, 3), "empty": count(torch.float32, 0, 4), "scalar": torch.tensor(2.5),
            "größe": count(torch.float32, 2)}


if __name__ == "__main__":
    torch.set_num_threads(1)
    safetensors.numpy.save_file(ast_results(), HERE / "ast.safetensors")
    safetensors.numpy.save_file(position_results(), HERE / "positions.safetensors")
    import safetensors.torch
    safetensors.torch.save_file(type_examples(), HERE / "types.safetensors", metadata={"format": "pt"})
