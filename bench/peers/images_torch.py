"""gacc-images in PyTorch: images_torch.py DIR [--epochs N] [--seed N ...] [--threads N]

The same ResNet-20 with GroupNorm, images, augmentation, optimizer and schedule; other random numbers. Prints the
accuracy on test_batch.bin after the last epoch for each seed, and their mean, to compare with

    gacc-images --data DIR --epochs N --seed N
"""
import argparse
import statistics
import time
from pathlib import Path

import numpy
import torch
from torch import nn
from torch.nn import functional

MEAN = torch.tensor([0.4914, 0.4822, 0.4465]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.247, 0.2435, 0.2616]).view(1, 3, 1, 1)


class Block(nn.Module):
    def __init__(self, before, after):
        super().__init__()
        stride = 1 if before == after else 2
        self.branch = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.GroupNorm(8, after), nn.ReLU(),
            nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.GroupNorm(8, after))
        self.shortcut = nn.Identity() if stride == 1 else nn.Conv2d(before, after, 1, 2, bias=False)

    def forward(self, x):
        return torch.relu(self.branch(x) + self.shortcut(x))


def resnet():
    layers = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.GroupNorm(8, 16), nn.ReLU()]
    channels = 16
    for width in (16, 32, 64):
        for _ in range(3):
            layers.append(Block(channels, width))
            channels = width
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return model.to(memory_format=torch.channels_last)


def read(files):
    records = numpy.concatenate([numpy.fromfile(file, numpy.uint8).reshape(-1, 3073) for file in files])
    images = torch.from_numpy(records[:, 1:].reshape(-1, 3, 32, 32).astype(numpy.float32) / 255)
    return images, torch.from_numpy(records[:, 0].astype(numpy.int64))


def moved(images):
    """Each image moved by up to 4 pixels, with black outside, and half of them mirrored; then normalised."""
    padded = functional.pad(images, (4, 4, 4, 4))
    out = torch.empty_like(images)
    for i in range(len(images)):
        down, right = torch.randint(0, 9, (2,)).tolist()
        out[i] = padded[i, :, down:down + 32, right:right + 32]
        if torch.rand(()) < 0.5:
            out[i] = out[i].flip(2)
    return (out - MEAN) / DEVIATION


def train(seed, epochs, training, test):
    torch.manual_seed(seed)
    model = resnet()
    images, labels = training
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9, nesterov=True, weight_decay=5e-4)
    steps, step = epochs * -(-len(images) // 128), 0
    for epoch in range(epochs):
        for part in torch.randperm(len(images)).split(128):
            for group in optimizer.param_groups:
                group["lr"] = 0.03 * (1 - step / steps)
            loss = functional.cross_entropy(model(moved(images[part]).contiguous(memory_format=torch.channels_last)),
                                            labels[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
    with torch.no_grad():
        correct = sum((model((x - MEAN) / DEVIATION).argmax(1) == y).sum().item()
                      for x, y in zip(test[0].split(128), test[1].split(128)))
    return correct / len(test[1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--threads", type=int, default=1)
    settings = parser.parse_args()
    torch.set_num_threads(settings.threads)
    data = read(sorted(settings.data.glob("data_batch_*.bin"))), read([settings.data / "test_batch.bin"])
    accuracies = []
    for number in settings.seed:
        start = time.perf_counter()
        accuracies.append(train(number, settings.epochs, *data))
        print(f"seed {number}: {100 * accuracies[-1]:.2f} %, {time.perf_counter() - start:.0f} s", flush=True)
    print(f"mean: {100 * statistics.mean(accuracies):.2f} %")
