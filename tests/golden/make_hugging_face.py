#!/usr/bin/env python3
"""PYTHON make_hugging_face.py: hugging_face/, a small AST as transformers (5.23) saves it, with its logits.

The weights follow formula.py, with LayerNorms about 1, so that a folder of some kB is a sound model.
"""
from pathlib import Path

import torch
from formula import tensor
from safetensors.torch import save_file
from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

FOLDER = Path(__file__).parent / "hugging_face"
CLASSES = ["Speech", "Dog", "Rain, \"heavy\""]

config = ASTConfig(
    hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=48, patch_size=16, frequency_stride=12,
    time_stride=10, max_length=40, num_mel_bins=48, problem_type="multi_label_classification",
    id2label=dict(enumerate(CLASSES)), label2id={name: i for i, name in enumerate(CLASSES)},
)
model = ASTForAudioClassification(config).eval()
with torch.no_grad():
    for name, parameter in model.named_parameters():
        values = torch.as_tensor(tensor(name, tuple(parameter.shape)))
        norm = "layernorm" in name and name.endswith("weight")
        parameter.copy_(1 + 0.1 * values if norm else 0.3 * values)
    inputs = torch.as_tensor(tensor("input", (2, 40, 48)))
    logits = model(inputs).logits
model.save_pretrained(FOLDER)
ASTFeatureExtractor(num_mel_bins=48, max_length=40, mean=-5.5, std=3.25).save_pretrained(FOLDER)
save_file({"input": inputs.contiguous().float(), "logits": logits.contiguous()}, FOLDER / "logits.safetensors")
