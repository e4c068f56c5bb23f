#!/usr/bin/env python3
"""The networks of gacc-mnist --model cnn and of gacc-images in PyTorch, float64.

Prints networks.json, which networks_test.cpp reads: names and shapes of the parameters in the state_dict, and the outputs
for some images. Weights and images come from a formula that the test computes too, so no file of them is kept.

With a folder as argument it also writes, for each network NAME as PyTorch initialises it:
  NAME.safetensors        the state_dict, F32
  NAME-data.safetensors   images (sample, channel, row, column) and outputs, F64
Run: python3 networks.py [FOLDER] >networks.json      needs: torch, numpy, and with FOLDER safetensors
"""
import json, math, sys
import numpy as np
import torch
from torch import nn

SAMPLES = 3
IMAGES = 1000  # the number of the images in the formula; parameters have theirs from 0 on


def numbers(which, shape):
    """From -0.5 to 0.5, the same in networks_test.cpp."""
    x = np.arange(1, math.prod(shape) + 1, dtype=np.uint64) * 0x9E3779B1 + np.uint64(which + 1) * np.uint64(0x85EBCA77)
    x &= 0xFFFFFFFF
    x ^= x >> np.uint64(16)
    x = (x * np.uint64(0x7FEB352D)) & 0xFFFFFFFF
    x ^= x >> np.uint64(15)
    return torch.from_numpy((x.astype(np.float64) / 2.0**32 - 0.5).reshape(shape))


class Residual(nn.Module):
    """shortcut(x) + branch(x)"""
    def __init__(self, branch, shortcut=None):
        super().__init__()
        self.branch, self.shortcut = branch, shortcut

    def forward(self, x):
        return self.branch(x) + (x if self.shortcut is None else self.shortcut(x))


class GlobalAveragePool(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


def mnist():
    return nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Dropout(0.25), nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5),
                         nn.Linear(128, 10))


def resnet():
    def block(before, out):
        stride = 1 if before == out else 2
        branch = nn.Sequential(nn.Conv2d(before, out, 3, stride, 1, bias=False), nn.GroupNorm(8, out), nn.ReLU(),
                               nn.Conv2d(out, out, 3, padding=1, bias=False), nn.GroupNorm(8, out))
        return Residual(branch, None if stride == 1 else nn.Conv2d(before, out, 1, 2, bias=False))

    layers, channels = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.GroupNorm(8, 16), nn.ReLU()], 16
    for out in [16, 16, 16, 32, 32, 32, 64, 64, 64]:
        layers += [block(channels, out), nn.ReLU()]
        channels = out
    return nn.Sequential(*layers, GlobalAveragePool(), nn.Linear(64, 10))


def fill(model):
    for which, (name, parameter) in enumerate(model.state_dict().items()):
        values = numbers(which, parameter.shape)
        if len(parameter.shape) > 1:
            values *= math.sqrt(24.0 / math.prod(parameter.shape[1:]))  # variance 2 / fan-in
        else:
            values = values * 0.25 + (1.0 if name.endswith("weight") else 0.0)
        parameter.copy_(values)


def main():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(1)
    golden = {}
    for name, make, image in [("mnist", mnist, (1, 28, 28)), ("resnet", resnet, (3, 32, 32))]:
        model = make().eval()
        images = numbers(IMAGES, (SAMPLES, *image)) * 4
        with torch.no_grad():
            if len(sys.argv) > 1:
                from safetensors.torch import save_file
                single = {key: value.float() for key, value in model.state_dict().items()}
                model.load_state_dict(single)
                save_file(single, f"{sys.argv[1]}/{name}.safetensors")
                save_file({"images": images, "outputs": model(images)}, f"{sys.argv[1]}/{name}-data.safetensors")
            fill(model)
            golden[name] = {"parameters": [[key, list(value.shape)] for key, value in model.state_dict().items()],
                            "outputs": model(images).tolist()}
    lines = [f'"{name}": {{\n  "parameters": {json.dumps(of["parameters"])},\n  "outputs": {json.dumps(of["outputs"])}}}'
             for name, of in golden.items()]
    print("{\n" + ",\n".join(lines) + "\n}")


main()
