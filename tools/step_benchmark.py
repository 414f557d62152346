"""The step of step_benchmark.cc with PyTorch's DistributedDataParallel (gloo on CPUs, NCCL on GPUs) and the
AST of transformers, under mpirun: step_benchmark.py tiny|small|base FRAMES CLIPS"""

import os
import statistics
import sys
import time

import torch
from torch.nn.parallel import DistributedDataParallel
from transformers import ASTConfig, ASTForAudioClassification

size, frames, clips = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rank = int(os.environ.get("OMPI_COMM_WORLD_RANK", 0))
ranks = int(os.environ.get("OMPI_COMM_WORLD_SIZE", 1))
os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
os.environ.setdefault("MASTER_PORT", "29531")
gpu = torch.cuda.is_available()
device = torch.device("cuda", rank % torch.cuda.device_count()) if gpu else torch.device("cpu")
torch.distributed.init_process_group("nccl" if gpu else "gloo", rank=rank, world_size=ranks)
if not gpu:
    torch.set_num_threads(max(1, os.cpu_count() // ranks))

dim, heads = {"tiny": (192, 3), "small": (384, 6), "base": (768, 12)}[size]
config = ASTConfig(hidden_size=dim, num_attention_heads=heads, intermediate_size=4 * dim, max_length=frames, num_labels=527,
                   layer_norm_eps=1e-6, attn_implementation="sdpa")
model = ASTForAudioClassification(config).to(device).train()
model.audio_spectrogram_transformer.config.hidden_dropout_prob = 0
model = DistributedDataParallel(model) if ranks > 1 else model
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
x = torch.randn(clips, frames, 128, device=device)
target = torch.zeros(clips, 527, device=device)

seconds = []
for step in range(6):
    torch.distributed.barrier()
    start = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(model(x).logits, target)
    loss.backward()
    optimizer.step()
    loss.item()
    if step > 0:
        seconds.append(time.perf_counter() - start)
if rank == 0:
    print(f"PyTorch  AST-{size} {frames} frames, {ranks} x {clips} clips: {statistics.median(seconds):.4g} s a step (median of {len(seconds)})")
torch.distributed.destroy_process_group()
