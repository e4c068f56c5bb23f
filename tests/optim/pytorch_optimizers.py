#!/usr/bin/env python3
"""Writes pytorch_optimizers.hpp, beside this file: where PyTorch's optimizers take eight numbers in 1 to 40 steps, in double
and to the bit, for pytorch_optimizers_test.cpp to compare with. Run it again only where a case changes:
python3 tests/optim/pytorch_optimizers.py"""

from pathlib import Path

import torch
from torch.optim import SGD, Adam, AdamW

torch.set_default_dtype(torch.float64)
STEPS = [1, 2, 3, 5, 10, 20, 40]
WEIGHT, BIAS = slice(0, 6), slice(6, 8)  # of a layer of 3 inputs and 2 outputs, row by row
START = torch.tensor([1, -2, 0.5, 0.75, -0.3, 1.7, 0.1, -0.9])
FACTOR = torch.tensor([1, 4, 0.5, 2, 3, 0.25, 1.5, 2.5])
CENTER = torch.tensor([0.25, -1, 2, -0.6, 0.2, -1.1, 1, 0.4])


def shorten(gradients, norm):
    """Like clip_grad_norm_, which adds 1e-6 to the norm and so differs from every other definition."""
    length = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    for gradient in gradients:
        gradient *= min(1, norm / length)


def trajectory(make, clip_norm=None, schedule=None):
    """The numbers after STEPS, from gradients FACTOR * (number - CENTER)."""
    weight = START[WEIGHT].reshape(2, 3).clone().requires_grad_()
    bias = START[BIAS].clone().requires_grad_()
    optimizer = make(weight, bias)
    follow = schedule and torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)
    rows = []
    for step in range(1, max(STEPS) + 1):
        weight.grad = (FACTOR[WEIGHT] * (weight.detach().flatten() - CENTER[WEIGHT])).reshape(2, 3)
        bias.grad = FACTOR[BIAS] * (bias.detach() - CENTER[BIAS])
        if clip_norm:
            shorten([weight.grad, bias.grad], clip_norm)
        optimizer.step()
        if follow:
            follow.step()
        if step in STEPS:
            rows.append(torch.cat([weight.detach().flatten(), bias.detach()]).tolist())
    return rows


def warm_up_and_cosine(step):
    """WarmUp(5, CosineDecay(rate, 30, rate / 50)) as a share of the rate; PyTorch multiplies every group's by it."""
    if step < 5:
        return (step + 1) / 5
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(SGD([torch.zeros(1)], lr=1.0), 30, eta_min=1 / 50)
    cosine.last_epoch = min(step - 5, 30)
    return cosine._get_closed_form_lr()[0]


TRAJECTORIES = {
    "adam": trajectory(lambda w, b: Adam([w, b], lr=0.05)),
    "adam_others": trajectory(lambda w, b: Adam([w, b], lr=0.05, betas=(0.8, 0.9), eps=0.1)),
    "adam_clipped": trajectory(lambda w, b: Adam([w, b], lr=0.05), clip_norm=0.5),
    "adam_groups": trajectory(lambda w, b: Adam([{"params": [w]}, {"params": [b], "lr": 0.2}], lr=0.05)),
    "adamw": trajectory(lambda w, b: AdamW([w, b], lr=0.05)),
    "adamw_groups": trajectory(lambda w, b: AdamW(
        [{"params": [w]}, {"params": [b], "lr": 0.2, "weight_decay": 0}], lr=0.05, weight_decay=0.3)),
    "adamw_schedule": trajectory(lambda w, b: AdamW(
        [{"params": [w]}, {"params": [b], "lr": 0.2}], lr=0.05, weight_decay=0.3), schedule=warm_up_and_cosine),
    "sgd": trajectory(lambda w, b: SGD([w, b], lr=0.05)),
    "sgd_momentum": trajectory(lambda w, b: SGD([w, b], lr=0.05, momentum=0.9)),
    "sgd_nesterov": trajectory(lambda w, b: SGD([w, b], lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.3)),
    "sgd_clipped": trajectory(lambda w, b: SGD([w, b], lr=0.05, momentum=0.8, weight_decay=0.3), clip_norm=0.5),
    "sgd_groups": trajectory(lambda w, b: SGD(
        [{"params": [w]}, {"params": [b], "lr": 0.1, "weight_decay": 0}], lr=0.05, momentum=0.9, weight_decay=0.3)),
    "sgd_schedule": trajectory(lambda w, b: SGD(
        [{"params": [w], "weight_decay": 0.3}, {"params": [b]}], lr=0.05, momentum=0.9), schedule=warm_up_and_cosine),
}


def row(numbers):
    return "{" + ", ".join(float(number).hex() for number in numbers) + "}"


lines = [
    "#pragma once",
    "",
    f"// Written by pytorch_optimizers.py with PyTorch {torch.__version__.split('+')[0]}.",
    "namespace gacc::test::pytorch {",
    "",
    f"inline constexpr int steps[{len(STEPS)}] = {{{', '.join(map(str, STEPS))}}};",
    f"inline constexpr double start[8] = {row(START)};",
    f"inline constexpr double factor[8] = {row(FACTOR)};",
    f"inline constexpr double center[8] = {row(CENTER)};",
    "",
    f"using Trajectory = double[{len(STEPS)}][8];  // W 2 x 3 and b 2 after each of the steps",
]
for name, rows in TRAJECTORIES.items():
    lines += [f"inline constexpr Trajectory {name} = {{", *[f"    {row(numbers)}," for numbers in rows], "};"]
lines += ["", "}  // namespace gacc::test::pytorch", ""]
Path(__file__).with_name("pytorch_optimizers.hpp").write_text("\n".join(lines))
