#!/usr/bin/env python3
"""Writes pytorch_losses.hpp, beside this file: losses and gradients that PyTorch gives in double, for pytorch_losses_test.cpp
to compare with. Run it again only where a case changes: python3 tests/losses/pytorch_losses.py"""

from pathlib import Path

import torch
from torch.nn import functional

torch.set_default_dtype(torch.float64)
torch.manual_seed(1)


def numbers(tensor):
    return "{" + ", ".join(repr(x) for x in tensor.detach().flatten().tolist()) + "}"


def case(loss, rows, cols, parameter, weighted):
    outputs = (3 * torch.randn(rows, cols)).requires_grad_()
    weights = torch.rand(rows) + 0.5 if weighted else torch.ones(rows)
    labels = torch.randint(cols, (rows,))
    targets = torch.rand(rows, cols) if loss == "binary" else outputs.detach() + 2 * torch.randn(rows, cols)
    if loss == "squared":
        by_number = functional.mse_loss(outputs, targets, reduction="none")
        plain = functional.mse_loss(outputs, targets)
    elif loss == "huber":
        by_number = functional.huber_loss(outputs, targets, reduction="none", delta=parameter)
        plain = functional.huber_loss(outputs, targets, delta=parameter)
    elif loss == "binary":
        by_number = functional.binary_cross_entropy_with_logits(outputs, targets, reduction="none")
        plain = functional.binary_cross_entropy_with_logits(outputs, targets)
    else:
        targets = labels[:, None].double()
        by_number = functional.cross_entropy(outputs, labels, reduction="none", label_smoothing=parameter)[:, None]
        plain = functional.cross_entropy(outputs, labels, label_smoothing=parameter)
    # PyTorch's own mean where all weights are 1; with weights, the mean that gacc takes.
    value = (weights * by_number.mean(1)).sum() / weights.sum() if weighted else plain
    value.backward()
    return (f'    {{"{loss}", {rows}, {cols}, {parameter!r},\n     {numbers(outputs)},\n     {numbers(targets)},\n'
            f"     {numbers(weights)},\n     {value.item()!r},\n     {numbers(outputs.grad)}}},\n")


cases = [case(loss, rows, cols, parameter, weighted)
         for loss, parameter in [("squared", 0.0), ("huber", 0.7), ("huber", 2.0), ("binary", 0.0), ("softmax", 0.0),
                                 ("softmax", 0.1), ("softmax", 1.0)]
         for rows, cols, weighted in [(1, 1, False), (5, 3, False), (4, 7, True)]]
Path(__file__).with_suffix(".hpp").write_text(f"""#pragma once

// Written by pytorch_losses.py with PyTorch {torch.__version__.split("+")[0]}.

#include <vector>

struct PyTorchLoss {{
    const char* loss;
    int rows, cols;
    double parameter;             // delta, or label_smoothing
    std::vector<double> outputs;  // rows x cols
    std::vector<double> targets;  // likewise, or a label for each row
    std::vector<double> weights;  // rows
    double mean;
    std::vector<double> grad;     // rows x cols, of the mean
}};

// clang-format off
inline const std::vector<PyTorchLoss> pytorch_losses{{
{"".join(cases)}}};
// clang-format on
""")
