"""The step of gacc_networks.cpp in PyTorch: torch_networks.py NETWORK eager|channels_last|compile THREADS. Speaks the
protocol of peer.hpp."""
import os
import sys
import time

import torch
from torch import nn

import torch_gpt


def mnist():
    return nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10))


class Residual(nn.Module):
    def __init__(self, channels, out):
        super().__init__()
        stride = 2 if out > channels else 1
        self.branch = nn.Sequential(nn.Conv2d(channels, out, 3, stride, 1, bias=False), nn.GroupNorm(8, out),
                                    nn.ReLU(inplace=True), nn.Conv2d(out, out, 3, 1, 1, bias=False),
                                    nn.GroupNorm(8, out))
        self.shortcut = nn.Identity() if stride == 1 else nn.Sequential(
            nn.Conv2d(channels, out, 1, 2, bias=False), nn.GroupNorm(8, out))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.branch(x) + self.shortcut(x))


def resnet20():
    layers = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.GroupNorm(8, 16), nn.ReLU(inplace=True)]
    channels = 16
    for out in (16, 32, 64):
        for _ in range(3):
            layers.append(Residual(channels, out))
            channels = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def gpt():
    return torch_gpt.GPT(65)


def gpt_larger():
    return torch_gpt.GPT(65, tokens=256, layers=6, heads=6, width=384)


NETWORKS = {"mnist": mnist, "resnet20": resnet20, "gpt": gpt, "gpt_larger": gpt_larger}
SHAPES = {"mnist": (1, 28, 28), "resnet20": (3, 32, 32)}
TOKENS = {"gpt": 64, "gpt_larger": 256}


def data(name, samples):
    if name in TOKENS:
        return torch.randint(65, (samples, TOKENS[name])), torch.randint(65, (samples, TOKENS[name]))
    return torch.rand(samples, *SHAPES[name]) * 2 - 1, torch.randint(0, 10, (samples,))


def loss(outputs, labels):
    return nn.functional.cross_entropy(outputs.flatten(0, -2), labels.flatten())


def main():
    name, mode, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    model = NETWORKS[name]()
    inputs, labels = data(name, 48 if name in TOKENS else 128)
    if mode == "channels_last":
        model = model.to(memory_format=torch.channels_last)
        inputs = inputs.to(memory_format=torch.channels_last)
    adam = torch_gpt.adamw(model) if name in TOKENS else torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

    def loss_of(x, y):
        return loss(model(x), y)

    if mode == "compile":
        loss_of = torch.compile(loss_of, dynamic=False)

    clock = time.process_time if "GACC_PEER_CPU" in os.environ else time.perf_counter
    for line in sys.stdin:
        batch, micro_batch, steps = map(int, line.split())
        seconds = []
        for _ in range(steps):
            start = clock()
            for first in range(0, batch, micro_batch):
                part = slice(first, first + micro_batch)
                (loss_of(inputs[part], labels[part]) * (micro_batch / batch)).backward()
            adam.step()
            adam.zero_grad(set_to_none=True)
            seconds.append(clock() - start)
        print(*(f"{s:.9f}" for s in seconds), flush=True)


if __name__ == "__main__":
    main()
