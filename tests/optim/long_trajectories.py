#!/usr/bin/env python3
"""Writes long_trajectories.hpp, beside this file: where optimizers take four tensors in 1,000 steps from given gradients, in
double and to the bit, for long_trajectories_test.cpp to compare with. Run it again only where a case changes:
python3 tests/optim/long_trajectories.py"""

from pathlib import Path

import torch
from torch.optim import Adafactor, AdamW, NAdam, RMSprop

torch.set_default_dtype(torch.float64)
STEPS = [1, 30, 1000]
SHAPES = [(6, 4), (6,), (2, 6), (2,)]  # 0.weight, 0.bias, 1.weight, 1.bias


class Numbers:
    """Exact numbers from -1 to 1, the same in C++."""

    def __init__(self, seed):
        self.state = seed

    def tensors(self):
        """One tensor for each shape, drawn row by row. Their means are -1/4, 0 and 1/4 in turn."""
        tensors = []
        for shape in SHAPES:
            numbers = []
            for i in range(torch.Size(shape).numel()):
                self.state = (self.state * 1103515245 + 12345) % 2**31
                numbers.append(self.state / 2**30 - 1 + 0.25 * (i % 3 - 1))
            tensors.append(torch.tensor(numbers).reshape(shape))
        return tensors


def trajectory(make, schedule=None):
    """All numbers after STEPS. make(matrices, vectors) returns one optimizer or more."""
    parameters = [start.clone().requires_grad_() for start in Numbers(1).tensors()]
    made = make([p for p in parameters if p.dim() == 2], [p for p in parameters if p.dim() == 1])
    optimizers = made if isinstance(made, list) else [made]
    followers = [torch.optim.lr_scheduler.LambdaLR(optimizer, schedule) for optimizer in optimizers if schedule]
    given = Numbers(2)
    rows = []
    for step in range(1, max(STEPS) + 1):
        for parameter, grad in zip(parameters, given.tensors()):
            parameter.grad = grad
        for each in optimizers + followers:
            each.step()
        if step in STEPS:
            rows.append(torch.cat([p.detach().flatten() for p in parameters]).tolist())
    return rows


def groups(matrices, vectors, **of_vectors):
    return [{"params": matrices}, {"params": vectors, **of_vectors}]


class Lion(torch.optim.Optimizer):
    """Algorithm 2 of arXiv:2302.06675."""

    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for theta in group["params"]:
                m = self.state[theta].setdefault("m", torch.zeros_like(theta))
                c = beta1 * m + (1 - beta1) * theta.grad
                theta -= group["lr"] * (torch.sign(c) + group["weight_decay"] * theta)
                m.copy_(beta2 * m + (1 - beta2) * theta.grad)


class Muon(torch.optim.Optimizer):
    """kellerjordan.github.io/posts/muon, in double throughout; the size of a step with match_rms_adamw is that of
    arXiv:2502.16982."""

    def __init__(self, params, lr=1e-3, momentum=0.95, nesterov=True, weight_decay=0.1, match_rms_adamw=False):
        super().__init__(params, {"lr": lr, "momentum": momentum, "nesterov": nesterov, "weight_decay": weight_decay,
                                  "match_rms_adamw": match_rms_adamw})

    @staticmethod
    def newton_schulz(matrix):
        x = matrix if matrix.size(0) <= matrix.size(1) else matrix.T
        x = x / torch.linalg.matrix_norm(x).clamp(min=1e-7)
        for _ in range(5):
            gram = x @ x.T
            x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
        return x if matrix.size(0) <= matrix.size(1) else x.T

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            mu = group["momentum"]
            for theta in group["params"]:
                m = self.state[theta].setdefault("m", torch.zeros_like(theta))
                m.copy_(mu * m + (1 - mu) * theta.grad)
                direction = mu * m + (1 - mu) * theta.grad if group["nesterov"] else m
                rows, cols = theta.shape
                size = 0.2 * max(rows, cols) ** 0.5 if group["match_rms_adamw"] else max(1, rows / cols) ** 0.5
                theta *= 1 - group["lr"] * group["weight_decay"]
                theta -= group["lr"] * size * self.newton_schulz(direction)


def cosine(step):
    """CosineDecay(1, 1000) by steps made."""
    return (1 + torch.cos(torch.tensor(step / 1000 * torch.pi)).item()) / 2


TRAJECTORIES = {
    "lion": trajectory(lambda w, b: Lion(w + b)),
    "lion_others": trajectory(lambda w, b: Lion(groups(w, b, lr=0.02, weight_decay=0), lr=0.01, betas=(0.8, 0.95),
                                                weight_decay=0.3), cosine),
    "rmsprop": trajectory(lambda w, b: RMSprop(w + b)),
    "rmsprop_momentum": trajectory(lambda w, b: RMSprop(groups(w, b, lr=0.02, weight_decay=0), lr=0.01, alpha=0.9,
                                                        eps=1e-3, weight_decay=0.3, momentum=0.8), cosine),
    "rmsprop_centered": trajectory(lambda w, b: RMSprop(w + b, centered=True)),
    "rmsprop_both": trajectory(lambda w, b: RMSprop(w + b, lr=1e-3, centered=True, momentum=0.9)),
    "nadam": trajectory(lambda w, b: NAdam(w + b)),
    "nadam_coupled": trajectory(lambda w, b: NAdam(groups(w, b, lr=0.02, weight_decay=0), lr=0.01, betas=(0.8, 0.9),
                                                   eps=1e-3, weight_decay=0.3, momentum_decay=0.02), cosine),
    "nadam_decoupled": trajectory(lambda w, b: NAdam(groups(w, b, lr=0.02, weight_decay=0), lr=0.01, weight_decay=0.3,
                                                     decoupled_weight_decay=True), cosine),
    "adafactor": trajectory(lambda w, b: Adafactor(w + b)),
    "adafactor_others": trajectory(lambda w, b: Adafactor(groups(w, b, lr=0.1, weight_decay=0), lr=0.05, eps=(1e-2, 0.5),
                                                          beta2_decay=-0.5, d=1.25, weight_decay=0.3), cosine),
    "muon": trajectory(lambda w, b: [Muon(w), AdamW(b)]),
    "muon_plain": trajectory(lambda w, b: [Muon(w, lr=0.02, momentum=0.9, nesterov=False, weight_decay=0),
                                           AdamW(b, lr=0.003, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.2)]),
    "muon_others": trajectory(lambda w, b: [Muon(w[:1], lr=0.02, weight_decay=0.3, match_rms_adamw=True),
                                            AdamW(groups(w[1:], b, lr=0.02, weight_decay=0), lr=0.01)], cosine),
}


def row(numbers):
    return "{" + ", ".join(float(number).hex() for number in numbers) + "}"


lines = [
    "#pragma once",
    "",
    f"// Written by long_trajectories.py with PyTorch {torch.__version__.split('+')[0]}.",
    "namespace gacc::test::trajectories {",
    "",
    f"inline constexpr int steps[{len(STEPS)}] = {{{', '.join(map(str, STEPS))}}};",
    "",
    f"using Trajectory = double[{len(STEPS)}][44];  // 6 x 4, 6, 2 x 6 and 2 numbers after each of the steps",
]
for name, rows in TRAJECTORIES.items():
    lines += [f"inline constexpr Trajectory {name} = {{", *[f"    {row(numbers)}," for numbers in rows], "};"]
lines += ["", "}  // namespace gacc::test::trajectories", ""]
Path(__file__).with_name("long_trajectories.hpp").write_text("\n".join(lines))
