#!/usr/bin/env python3
"""A batch of bench_ranks in PyTorch's DistributedDataParallel with gloo, on ranks of one thread each:

    bench/peers/ddp_torch.py [--ranks 2] [--networks perceptron cnn] [--samples 64 128 512 1024]

Times a batch with one exchange of gradients (no_sync in all micro-batches but the last), and with one in each micro-batch:
medians, and minima in parentheses. Bytes sent are those that the loopback device has carried, with TCP's own, divided by
ranks and batches; other programs must not use it meanwhile."""
import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from torch_networks import mnist


def perceptron():
    return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(),
                         nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))


NETWORKS = {"perceptron": (perceptron, (784,), 128), "cnn": (mnist, (1, 28, 28), 32)}  # the last: a micro-batch


def bytes_sent():
    with open("/proc/self/net/dev") as lines:
        return sum(int(line.split()[9]) for line in lines if line.strip().startswith("lo:"))


def run(rank, ranks, store, arguments):
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=ranks)
    for name in arguments.networks:
        make, shape, micro_batch = NETWORKS[name]
        for samples in arguments.samples:
            for once in (True, False):
                torch.manual_seed(1)
                model = DistributedDataParallel(make(), gradient_as_bucket_view=True)
                adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
                loss = nn.CrossEntropyLoss()
                inputs = torch.rand(samples, *shape) * 2 - 1
                labels = torch.randint(0, 10, (samples,))
                seconds = []
                for i in range(arguments.batches + 2):
                    dist.barrier()
                    if i == 2:  # the first ones make buffers
                        before = bytes_sent()
                    start = time.perf_counter()
                    for first in range(0, samples, micro_batch):
                        part = slice(first, min(first + micro_batch, samples))
                        is_last = part.stop == samples
                        with contextlib.nullcontext() if is_last or not once else model.no_sync():
                            weight = (part.stop - first) / samples
                            (loss(model(inputs[part]), labels[part]) * weight).backward()
                    adam.step()
                    adam.zero_grad(set_to_none=False)
                    seconds.append(time.perf_counter() - start)
                dist.barrier()
                sent = (bytes_sent() - before) / ranks / arguments.batches
                if rank == 0:
                    seconds = seconds[2:]
                    print(f"{name}, {ranks} rank(s), {samples:5} samples a rank, {'with' if once else 'without'} no_sync: "
                          f"a batch {statistics.median(seconds) * 1e3:7.2f} ({min(seconds) * 1e3:.2f}) ms, "
                          f"{sent:.0f} bytes sent a batch", flush=True)
    dist.destroy_process_group()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--samples", type=int, nargs="+", default=[64, 128, 512, 1024], help="of a rank in a batch")
    parser.add_argument("--batches", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(run, (arguments.ranks, os.path.join(folder, "store"), arguments), arguments.ranks)


if __name__ == "__main__":
    main()
