#!/usr/bin/env python3
"""Writes pytorch_layers.hpp, beside this file: outputs and gradients that PyTorch gives in double, for pytorch_layers_test.cpp
to compare with. Run it again only where a case changes: python3 tests/layers/pytorch_layers.py"""

from pathlib import Path

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(1)


def numbers(tensor):
    return "{" + ", ".join(repr(x) for x in tensor.detach().flatten().tolist()) + "}"


def case(name, layer, shape, channels_last=False, tokens=None, ties=False, frozen=None):
    """channels_last: gacc's samples have their channels last, PyTorch's second. ties: whole numbers, many equal. frozen:
    more values; parameters have no gradients then."""
    x = torch.randint(tokens, (3, *shape)) if tokens else 2 * torch.randn(3, *shape)
    x = x.round() if ties else x
    for parameter in layer.parameters():
        parameter.data = torch.randn(parameter.shape)
    theirs = x.movedim(-1, 1) if channels_last else x
    theirs = theirs.clone() if tokens else theirs.clone().requires_grad_()
    y = layer(theirs)
    grad_y = torch.randn(y.shape)
    y.backward(grad_y)

    def ours(tensor):
        return tensor.movedim(1, -1) if channels_last and tensor.dim() > 2 else tensor

    grad_x = torch.zeros(0) if tokens else ours(theirs.grad)
    values = [numbers(value) for value in [*layer.parameters(), *(frozen or [])]]
    grads = [numbers(parameter.grad) for parameter in layer.parameters()] if frozen is None else []
    return (f'    {{"{name}", {{{", ".join(map(str, shape))}}},\n     {numbers(x.double())},\n     {numbers(ours(y))},\n'
            f"     {numbers(ours(grad_y))},\n     {numbers(grad_x)},\n     {{{', '.join(values)}}},\n"
            f"     {{{', '.join(grads)}}}}},\n")


cases = []
for name, layer in [("Tanh", nn.Tanh()), ("Sigmoid", nn.Sigmoid()), ("LeakyReLU", nn.LeakyReLU(0.2)),
                    ("ELU", nn.ELU(0.7)), ("GELU", nn.GELU()), ("GELU(tanh)", nn.GELU(approximate="tanh")),
                    ("SiLU", nn.SiLU()), ("Softplus", nn.Softplus()), ("ReLU", nn.ReLU())]:
    cases.append(case(name, layer, (7,)))
    cases.append(case(name, layer, (2, 5)))
for shape in [(1,), (6,), (4, 9)]:
    cases.append(case("Linear", nn.Linear(shape[-1], 3), shape))
    cases.append(case("Linear without bias", nn.Linear(shape[-1], 3, bias=False), shape))
for shape in [(5,), (3, 11)]:
    cases.append(case("LayerNorm", nn.LayerNorm(shape[-1]), shape))
    cases.append(case("RMSNorm", nn.RMSNorm(shape[-1], eps=1e-6), shape))
cases.append(case("GroupNorm", nn.GroupNorm(3, 6), (6,), channels_last=True))
cases.append(case("GroupNorm", nn.GroupNorm(2, 6), (2, 4, 6), channels_last=True))
cases.append(case("Embedding", nn.Embedding(6, 4), (5,), tokens=6))
cases.append(case("Flatten", nn.Flatten(), (3, 2, 4), channels_last=True))
cases.append(case("Flatten", nn.Flatten(), (3, 2)))


def described(name, shape, out, kernel, options, groups):
    """As gacc describes a convolution."""
    name += f"({shape[-1]} -> {out}, kernel " + "x".join(map(str, kernel))
    for option, value in options.items():
        if value != (option in ("stride", "dilation"),) * len(kernel):
            name += f", {option} " + (f"{value[0]}" if len(set(value)) == 1 else f"{value[0]}x{value[1]}")
    return name + (f", groups {groups})" if groups != 1 else ")")


def conv(shape, out, kernel, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, bias=True):
    name = described("Conv2d", shape, out, kernel, dict(stride=stride, padding=padding, dilation=dilation), groups)
    layer = nn.Conv2d(shape[-1], out, kernel, stride, padding, dilation, groups, bias)
    return case(name, layer, shape, channels_last=True)


def transposed(shape, out, kernel, stride=(1, 1), padding=(0, 0), more=(0, 0), dilation=(1, 1), groups=1, bias=True):
    options = {"stride": stride, "padding": padding, "output padding": more, "dilation": dilation}
    name = described("ConvTranspose2d", shape, out, kernel, options, groups)
    layer = nn.ConvTranspose2d(shape[-1], out, kernel, stride, padding, more, groups, bias, dilation)
    return case(name, layer, shape, channels_last=True)


def conv1d(shape, out, kernel, stride=1, padding=0, dilation=1, groups=1, bias=True):
    options = dict(stride=(stride,), padding=(padding,), dilation=(dilation,))
    name = described("Conv1d", shape, out, (kernel,), options, groups)
    layer = nn.Conv1d(shape[-1], out, kernel, stride, padding, dilation, groups, bias)
    return case(name, layer, shape, channels_last=True)


class PositionEmbedding(nn.Module):
    def __init__(self, tokens, features):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(tokens, features))

    def forward(self, x):
        return x + self.weight[: x.shape[-2]]


def frozen_batch_norm(shape):
    """In evaluation, with statistics. gacc trains neither weight nor bias."""
    layer = (nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d)(shape[-1]).eval()
    layer.running_mean, layer.running_var = torch.randn(shape[-1]), torch.rand(shape[-1]) + 0.1
    return case("FrozenBatchNorm", layer, shape, channels_last=True, frozen=[layer.running_mean, layer.running_var])


cases.append(conv((4, 5, 3), 4, (3, 3)))
cases.append(conv((4, 5, 2), 3, (3, 3), padding=(1, 1), bias=False))
cases.append(conv((3, 3, 1), 17, (3, 3), padding=(1, 1)))
cases.append(conv((3, 2, 17), 3, (1, 1)))
cases.append(conv((5, 4, 2), 3, (1, 1), stride=(2, 2)))
cases.append(conv((5, 4, 3), 2, (3, 2), padding=(0, 1)))
cases.append(conv((6, 7, 2), 2, (5, 5), stride=(2, 2), padding=(2, 2)))
cases.append(conv((7, 6, 2), 3, (3, 3), stride=(2, 3), padding=(1, 2)))
cases.append(conv((6, 6, 2), 2, (3, 2), padding=(2, 1), dilation=(2, 3)))
cases.append(conv((7, 7, 2), 2, (3, 3), stride=(2, 3), padding=(3, 2), dilation=(2, 2)))
cases.append(conv((4, 4, 6), 4, (3, 3), padding=(1, 1), groups=2))
cases.append(conv((4, 3, 10), 10, (3, 3), stride=(1, 2), padding=(1, 1), groups=10))
cases.append(conv((3, 3, 3), 6, (2, 2), groups=3))
for shape in [(4, 6, 1), (5, 4, 2)]:
    cases.append(case("MaxPool2d(2)", nn.MaxPool2d(2), shape, channels_last=True))
    cases.append(case("MaxPool2d(3, stride 2, padding 1)", nn.MaxPool2d(3, 2, 1), shape, channels_last=True))
    cases.append(case("MaxPool2d(2 x 3, stride 1 x 2, padding 0 x 1)", nn.MaxPool2d((2, 3), (1, 2), (0, 1)), shape,
                      channels_last=True, ties=True))
    cases.append(case("AveragePool2d(2)", nn.AvgPool2d(2), shape, channels_last=True))
    cases.append(case("AveragePool2d(3, stride 2, padding 1)", nn.AvgPool2d(3, 2, 1), shape, channels_last=True))
    cases.append(case("AveragePool2d without padding", nn.AvgPool2d((3, 2), 2, (1, 0), count_include_pad=False), shape,
                      channels_last=True))
    cases.append(case("GlobalAveragePool", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), shape,
                      channels_last=True))
for name, layer in [("MaxPool2d(2)", nn.MaxPool2d(2)), ("AveragePool2d(2)", nn.AvgPool2d(2))]:
    cases.append(case(name, layer, (3, 2, 17), channels_last=True))
cases.append(case("Upsample(2 x 3)", nn.Upsample(scale_factor=(2, 3)), (1, 2, 3), channels_last=True))
cases.append(transposed((2, 3, 2), 3, (3, 3)))
cases.append(transposed((3, 2, 3), 2, (2, 2), stride=(2, 2), bias=False))
cases.append(transposed((3, 3, 1), 17, (3, 3), stride=(2, 2), padding=(1, 1), more=(1, 1)))
cases.append(transposed((3, 2, 17), 3, (1, 1)))
cases.append(transposed((2, 3, 3), 2, (1, 1), stride=(2, 3)))
cases.append(transposed((3, 4, 2), 2, (3, 2), stride=(1, 3), padding=(2, 0), more=(0, 2)))
cases.append(transposed((3, 3, 2), 2, (3, 2), padding=(1, 0), dilation=(2, 3)))
cases.append(transposed((2, 3, 2), 3, (2, 3), stride=(1, 2), padding=(0, 3), more=(2, 1), dilation=(3, 2)))
cases.append(transposed((2, 2, 6), 4, (3, 3), stride=(2, 1), padding=(1, 1), groups=2))
cases.append(transposed((2, 3, 10), 10, (4, 4), stride=(2, 2), padding=(1, 1), groups=10))
cases.append(transposed((2, 2, 3), 6, (2, 2), groups=3))
cases.append(conv1d((5, 3), 4, 3))
cases.append(conv1d((6, 2), 17, 4, padding=2, bias=False))
cases.append(conv1d((4, 17), 3, 1, stride=2))
cases.append(conv1d((9, 2), 3, 3, stride=2, padding=3, dilation=2))
cases.append(conv1d((5, 6), 4, 2, groups=2))
cases.append(conv1d((5, 10), 10, 3, padding=1, groups=10))
cases.append(case("PositionEmbedding", PositionEmbedding(4, 5), (4, 5)))
cases.append(case("PositionEmbedding", PositionEmbedding(4, 17), (3, 17)))
for shape in [(6,), (3, 17), (2, 3, 4)]:
    cases.append(frozen_batch_norm(shape))


class Attention(nn.Module):
    """Of queries, keys and values side by side. Where rotary, the pairs are turned as in Llama."""

    def __init__(self, heads, causal, rotary):
        super().__init__()
        self.heads, self.causal, self.rotary = heads, causal, rotary

    def turn(self, x):
        half = x.shape[-1] // 2
        angles = torch.outer(torch.arange(x.shape[-2]), 10000.0 ** (-torch.arange(half) / half))
        a, b = x[..., :half], x[..., half:]
        return torch.cat((a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()), -1)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in x.chunk(3, -1))
        if self.rotary:
            q, k = self.turn(q), self.turn(k)
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return y.transpose(1, 2).flatten(2)


for tokens, width, heads in [(1, 3, 1), (5, 6, 2), (18, 20, 2), (7, 12, 3)]:
    for causal, rotary in [(True, False), (False, False), (True, True)]:
        name = f"DotProductAttention({width}, {heads} head{'s' if heads > 1 else ''}{', causal' if causal else ''})"
        if not rotary or width // heads % 2 == 0:
            cases.append(case(name + (" rotary" if rotary else ""), Attention(heads, causal, rotary), (tokens, 3 * width)))


class PaddedAttention(Attention):
    """Keys whose token is 0 do not count. A query may see no key: PyTorch gives 0 then."""

    def __init__(self, heads, causal, tokens):
        super().__init__(heads, causal, False)
        self.tokens = tokens

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in x.chunk(3, -1))
        counts = (self.tokens != 0)[:, None, None, :].expand(-1, -1, q.shape[-2], -1)
        mask = counts.tril() if self.causal else counts
        y = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return y.transpose(1, 2).flatten(2)


for count, width, heads in [(6, 4, 2), (19, 6, 2)]:
    ends = torch.tensor([count, count - 4, 3])  # of the tokens of three samples
    at_the_end = torch.where(torch.arange(count) < ends[:, None], torch.randint(1, 5, (3, count)), 0)
    anywhere = torch.randint(0, 3, (3, count))
    anywhere[0, :2], anywhere[1] = 0, 0
    for tokens in [at_the_end, anywhere]:
        for causal in [True, False]:
            name = f"DotProductAttention({width}, {heads} heads{', causal' if causal else ''}) padded"
            cases.append(case(name, PaddedAttention(heads, causal, tokens), (count, 3 * width), frozen=[tokens.double()]))
Path(__file__).with_suffix(".hpp").write_text(f"""#pragma once

// Written by pytorch_layers.py with PyTorch {torch.__version__.split("+")[0]}.

#include <vector>

struct PyTorchLayer {{
    const char* layer;
    std::vector<long> shape;  // of a sample; there are three
    std::vector<double> x, y, grad_y, grad_x;
    std::vector<std::vector<double>> values, grads;  // of the parameters, what FrozenBatchNorm takes, or tokens
}};

// clang-format off
inline const std::vector<PyTorchLayer> pytorch_layers{{
{"".join(cases)}}};
// clang-format on
""")
