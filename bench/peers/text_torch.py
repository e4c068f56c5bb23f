"""gacc-text in PyTorch: text_torch.py FILE [--steps N] [--seed N ...] [--threads N]

The same GPT, sequences, optimizer, clipping and schedule; other random numbers. Prints the mean loss of a token over all
sequences of the last tenth after the last step for each seed, and their mean, to compare with

    gacc-text --data FILE --steps N --seed N --threads N --sample 0
"""
import argparse
import math
import statistics
import time
from pathlib import Path

import torch

from torch_gpt import GPT, adamw, loss_of

TOKENS, STRIDE, BATCH, WARM_UP, RATE = 64, 8, 12, 100, 1e-3


def windows(text, stride):
    """All sequences and their labels, which are the same one character later."""
    return text[:-1].unfold(0, TOKENS, stride), text[1:].unfold(0, TOKENS, stride)


def rate(step, steps):
    if step < WARM_UP:
        return RATE * (step + 1) / WARM_UP
    return RATE / 10 + 0.9 * RATE * (1 + math.cos(math.pi * (step - WARM_UP) / (steps - WARM_UP))) / 2


def batches(inputs, labels):
    while True:
        for part in torch.randperm(len(inputs)).split(BATCH):
            yield inputs[part], labels[part]


def train(seed, steps, vocabulary, training, validation):
    torch.manual_seed(seed)
    model = GPT(vocabulary)
    optimizer = adamw(model)
    for step, (tokens, labels) in zip(range(steps), batches(*windows(training, STRIDE))):
        loss = loss_of(model, tokens, labels)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate(step, steps)
        optimizer.step()
    inputs, labels = windows(validation, TOKENS)
    with torch.no_grad():
        losses = [loss_of(model, x, y).item() * len(x) for x, y in zip(inputs.split(64), labels.split(64))]
    return sum(losses) / len(inputs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--threads", type=int, default=1)
    settings = parser.parse_args()
    torch.set_num_threads(settings.threads)
    characters = settings.file.read_text()
    places = {character: i for i, character in enumerate(sorted(set(characters)))}
    text = torch.tensor([places[character] for character in characters])
    cut = int(0.9 * len(text))
    results = []
    for number in settings.seed:
        start, cpu = time.perf_counter(), time.process_time()
        results.append(train(number, settings.steps, len(places), text[:cut], text[cut:]))
        print(f"seed {number}: validation loss {results[-1]:.4f}, {time.perf_counter() - start:.0f} s, "
              f"{time.process_time() - cpu:.0f} s of CPU", flush=True)
    print(f"mean: {statistics.mean(results):.4f}")
