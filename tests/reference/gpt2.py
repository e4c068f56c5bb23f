#!/usr/bin/env python3
"""GPT-2 of Python's transformers beside examples/gpt2.hpp, with random weights; nothing is downloaded.

gpt2.py                  prints gpt2.json, which gpt2_test.cpp reads: names and shapes of the parameters of a small GPT-2,
                         and its logits in double. Weights and tokens come from a formula that the test computes too
gpt2.py make FOLDER      saves GPT-2s of several sizes, each with tokens and its logits in expected.safetensors
gpt2.py check FOLDER     loads what the test has written in the folders "back" of them, and compares logits with its own
Exit code 77: there is no transformers.
"""
import json
import os
import sys
from pathlib import Path

import numpy as np

os.environ["HF_HUB_OFFLINE"] = "1"
try:
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import GPT2Config, GPT2LMHeadModel
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

SIZES = {"small": dict(vocab_size=23, n_positions=12, n_layer=2, n_head=2, n_embd=12),
         "odd": dict(vocab_size=101, n_positions=40, n_layer=3, n_head=5, n_embd=35),
         "wide": dict(vocab_size=1009, n_positions=128, n_layer=4, n_head=4, n_embd=256, layer_norm_epsilon=1e-6)}
SAMPLES = 2
TOKENS = 1000  # the number of the tokens in the formula; parameters have theirs from 0 on


def numbers(which, shape):
    """From -0.5 to 0.5, the same in gpt2_test.cpp."""
    x = np.arange(1, np.prod(shape) + 1, dtype=np.uint64) * 0x9E3779B1 + np.uint64(which + 1) * np.uint64(0x85EBCA77)
    x &= 0xFFFFFFFF
    x ^= x >> np.uint64(16)
    x = (x * np.uint64(0x7FEB352D)) & 0xFFFFFFFF
    x ^= x >> np.uint64(15)
    return torch.from_numpy((x.astype(np.float64) / 2.0**32 - 0.5).reshape(shape))


def model_of(name):
    return GPT2LMHeadModel(GPT2Config(**SIZES[name], bos_token_id=None, eos_token_id=None,
                                      attn_implementation="eager")).eval()


def golden():
    model = model_of("small").double()
    state = {key: value for key, value in model.state_dict().items() if key != "lm_head.weight"}
    with torch.no_grad():
        for which, (key, value) in enumerate(state.items()):
            value.copy_(numbers(which, tuple(value.shape)) + (1.0 if "ln_" in key and key.endswith("weight") else 0.0))
        size = SIZES["small"]
        tokens = ((numbers(TOKENS, (SAMPLES, size["n_positions"])) + 0.5) * size["vocab_size"]).long()
        logits = model(tokens).logits.flatten(0, 1)
    shapes = ",\n  ".join(json.dumps([key, list(value.shape)]) for key, value in state.items())
    rows = ",\n  ".join(json.dumps(row) for row in logits.tolist())
    print(f'{{"parameters": [\n  {shapes}],\n"logits": [\n  {rows}]}}')


def make(folder):
    for seed, (name, size) in enumerate(SIZES.items()):
        torch.manual_seed(seed)
        model = model_of(name)
        with torch.no_grad():  # biases and norms too, which begin as 0 and 1
            for parameter in model.parameters():
                parameter += 0.1 * torch.randn_like(parameter) if parameter.dim() == 1 else 0
            model.save_pretrained(folder / name)
            tokens = torch.randint(size["vocab_size"], (SAMPLES, size["n_positions"]))
            save_file({"tokens": tokens, "logits": model(tokens).logits}, folder / name / "expected.safetensors")


def check(folder):
    failed = 0
    for name in SIZES:
        model = GPT2LMHeadModel.from_pretrained(folder / name / "back", attn_implementation="eager").eval()
        expected = load_file(folder / name / "back" / "expected.safetensors")
        with torch.no_grad():
            worst = (model(expected["tokens"].long()).logits.flatten(0, 1) - expected["logits"]).abs().max().item()
        print(f"{name}, back in transformers: largest difference {worst:.1e} of logits"
              f" up to {expected['logits'].abs().max().item():.2g}" + ("" if worst <= 1e-5 else "  FAILED"))
        failed += worst > 1e-5
    return failed


if __name__ == "__main__":
    if len(sys.argv) == 1:
        golden()
    elif sys.argv[1] == "make":
        make(Path(sys.argv[2]))
    elif sys.argv[1] == "check":
        sys.exit(check(Path(sys.argv[2])))
