#!/usr/bin/env python3
"""Writes pytorch_schedules.hpp, beside this file: the learning rates of PyTorch's schedulers, in double and to the bit, for
the tests of schedules to compare with. Run it again only where a case changes: python3 tests/optim/pytorch_schedules.py"""

from pathlib import Path

import torch
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau, StepLR

LOSSES = [2.0, 1.5, 1.4999, 1.4998, 1.4997, 1.2, 1.3, float("nan"), 1.25, 1.22, 1.21, 1.2, 1.2, 1.19, 1.3, 1.3, 1.3, 1.3,
          1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]


def rates(make, losses=None, steps=30):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.25)
    scheduler = make(optimizer)
    found = []
    for step in range(steps):
        if losses is None:
            found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step() if losses is None else scheduler.step(losses[step])
        if losses is not None:
            found.append(optimizer.param_groups[0]["lr"])
    return found


CASES = {
    "step_decay": rates(lambda o: StepLR(o, 7, 0.5)),
    "step_decay_tenth": rates(lambda o: StepLR(o, 4)),
    "one_cycle": rates(lambda o: OneCycleLR(o, 0.25, total_steps=30)),
    "one_cycle_short": rates(lambda o: OneCycleLR(o, 2, total_steps=12, pct_start=0.5, div_factor=10,
                                                  final_div_factor=100), steps=12),
    "plateau": rates(lambda o: ReduceLROnPlateau(o, factor=0.5, patience=2), LOSSES),
    "plateau_cooldown": rates(lambda o: ReduceLROnPlateau(o, factor=0.3, patience=1, threshold=0.01, cooldown=3,
                                                          min_lr=0.01), LOSSES),
}


def array(numbers):
    return ", ".join("NAN" if number != number else float(number).hex() for number in numbers)


lines = ["#pragma once", "", f"// Written by pytorch_schedules.py with PyTorch {torch.__version__.split('+')[0]}.", "",
         "#include <cmath>", "", "namespace gacc::test::pytorch {", "",
         f"inline constexpr double plateau_losses[{len(LOSSES)}] = {{{array(LOSSES)}}};"]
lines += [f"inline constexpr double {name}[{len(found)}] = {{{array(found)}}};" for name, found in CASES.items()]
lines += ["", "}  // namespace gacc::test::pytorch"]
Path(__file__).with_suffix(".hpp").write_text("\n".join(lines) + "\n")
