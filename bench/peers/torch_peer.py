"""The same step in PyTorch: torch_peer.py THREADS. Speaks the protocol of peer.hpp."""
import sys
import time

import torch
from torch import nn

torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(1)
model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(),
                      nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))
try:
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, foreach=True)
except TypeError:  # before 1.12
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)
loss = nn.CrossEntropyLoss()
inputs = torch.rand(2048, 784) * 2 - 1
labels = torch.randint(0, 10, (2048,))

for line in sys.stdin:
    batch, micro_batch, steps = map(int, line.split())
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        for first in range(0, batch, micro_batch):
            part = slice(first, first + micro_batch)
            (loss(model(inputs[part]), labels[part]) * (micro_batch / batch)).backward()
        adam.step()
        adam.zero_grad(set_to_none=True)
        seconds.append(time.perf_counter() - start)
    print(*(f"{s:.9f}" for s in seconds), flush=True)
