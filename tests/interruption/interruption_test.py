#!/usr/bin/env python3
"""Interrupts a run in every way there is, and compares what comes out with the run that was never interrupted, by bytes.

    interruption_test.py TRAIN [--every N] [--kills N]

TRAIN is the program of train.cpp, 200 steps of 4 micro-batches. Every check prints what it has done and found.
"""
import argparse
import hashlib
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

MICRO_BATCHES = 800
FILE_CALLS = ("openat fcntl flock fstat newfstatat statx getdents64 write fchmod fchown fsync close link linkat "
              "rename renameat unlink unlinkat").split()


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run(*words, **options):
    return subprocess.run([str(word) for word in words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          timeout=300, check=False, **options)


class Interruptions:
    def __init__(self, train, folder):
        self.train = train
        self.folder = folder
        self.file = folder / "run"
        self.failed = 0
        whole = folder / "whole"
        whole.mkdir()
        self.require(run(train, whole / "run", "all").returncode == 0, "the run that is never interrupted ends")
        self.saved = [None] + [whole / f"run.{i}" for i in range(1, MICRO_BATCHES + 1)]
        self.end = whole / "run"
        self.number = {digest(path): i for i, path in enumerate(self.saved) if path}  # of the micro-batch
        self.require(len(self.number) == MICRO_BATCHES, "each micro-batch leaves another state")
        self.number[digest(self.end)] = MICRO_BATCHES + 1

    def require(self, condition, what):
        if not condition:
            self.failed += 1
            print(f"FAILED: {what}", flush=True)
        return condition

    def clear(self):
        for path in self.folder.glob("run*"):
            path.unlink()

    def at_every_boundary(self, every):
        """One run, stopped after each micro-batch and resumed in a new process; then a run from each boundary to the end."""
        self.clear()
        stops, same = 0, 0
        while (code := run(self.train, self.file, 1).returncode) == 3:
            stops += 1
            same += digest(self.file) == digest(self.saved[stops])
        self.require(code == 0 and stops == MICRO_BATCHES - 1 and same == stops, "a run of one micro-batch a process")
        self.require(digest(self.file) == digest(self.end), "and its end")
        print(f"stopped and resumed {stops} times in one run: {same} states of the same bytes, and the same end")

        tried, same, weights = 0, 0, 0
        for i in range(1, MICRO_BATCHES + 1, every):
            tried += 1
            shutil.copy(self.saved[i], self.file)
            run(self.train, self.file, "end")
            same += digest(self.file) == digest(self.end)
            shutil.copy(self.saved[i], self.file)
            run(self.train, self.file, "weights")
            weights += digest(self.file) != digest(self.end)
        self.require(same == tried, "runs resumed at every boundary end with the same bytes")
        self.require(weights == tried, "runs that reload the weights alone end with others")
        print(f"{tried} runs stopped once and resumed: {same} ended with the same bytes; "
              f"of {tried} that reload the weights alone {weights} with others")

    def strace(self, *options):
        """A run of one micro-batch and its save. (A sanitizer's search for leaks cannot run where strace already
        traces.)"""
        return run("strace", "-qq", *options, self.train, self.file, 1,
                   env={**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"})

    def system_calls_of_a_save(self):
        """(name, which of that name in the process) for each system call on what is in the folder, from creating the
        unfinished file to closing the folder. Others count, but are left out: a sanitizer makes some of its own."""
        self.prepare()
        log = self.folder / "trace"
        self.strace("-y", "-o", log, "-e", "trace=" + ",".join("?" + name for name in FILE_CALLS))
        seen, calls, inside = {}, [], False
        for line in log.read_text().splitlines():
            name = line.split("(")[0]
            if name not in FILE_CALLS:
                continue
            seen[name] = seen.get(name, 0) + 1
            inside = inside or (name == "openat" and re.search(r"/run\.[0-9a-f]{12}\.unfinished", line) is not None)
            if not inside or str(self.folder) not in line:
                continue
            calls.append((name, seen[name]))
            if name == "close" and calls[-2][0] == "fsync" and calls[-3][0] == "openat":
                break
        return calls

    def prepare(self):
        """A run after its 401st micro-batch, with the state before it kept."""
        self.clear()
        shutil.copy(self.saved[401], self.file)
        shutil.copy(self.saved[400], self.folder / "run.prev")

    def check_files(self, what):
        """The file is the old one or the new one, and a process that resumes from it comes to the same end."""
        ok = self.require(self.file.exists() and self.number.get(digest(self.file)) in (401, 402), f"{what}: the file")
        before = self.folder / "run.prev"
        ok = self.require(self.number.get(digest(before)) in (400, 401), f"{what}: the one before it") and ok
        new = self.number.get(digest(self.file)) == 402
        run(self.train, self.file, "end")
        left = [path.name for path in self.folder.glob("run.*unfinished")]
        ok = self.require(not left, f"{what}: the next save left {left}") and ok
        return self.require(digest(self.file) == digest(self.end), f"{what}: and where it leads") and ok, new

    def faults(self):
        calls = self.system_calls_of_a_save()
        names = [name for name, _ in calls]
        self.require(names.count("write") >= 1 and names.count("fsync") == 2 and names.count("rename") == 2,
                     f"a save writes, syncs and renames: {names}")
        good, new = 0, 0
        for name, which in calls:
            self.prepare()
            self.strace("-o", "/dev/null", "-e", f"trace={name}", "-e", f"inject={name}:signal=SIGKILL:when={which}")
            ok, is_new = self.check_files(f"killed at {name} {which}")
            good += ok
            new += is_new
        print(f"killed at each of the {len(calls)} system calls of a save ({' '.join(names)}): "
              f"{good} times the file is whole, {len(calls) - new} times the old one, {new} times the new one")

        good, tried = 0, 0
        for name, which in calls:
            for error in ("ENOSPC", "EIO", "EINTR"):
                tried += 1
                self.prepare()
                done = self.strace("-o", "/dev/null", "-e", f"trace={name}",
                                   "-e", f"inject={name}:error={error}:when={which}")
                message = re.match(r'gacc: Checkpoint::save ".*run": expected to .*, got ".*"; ', done.stderr)
                clear = done.returncode == 3 or message is not None
                ok = self.require(clear, f"{error} at {name} {which}: a clear error, got {done.stderr}")
                good += self.check_files(f"{error} at {name} {which}")[0] and ok
        print(f"{tried} times ENOSPC, EIO or EINTR at a call of a save: {good} times a whole file, and no or a clear error")

    def kills(self, count, seed):
        """kill -9 at random moments; each process goes on from what the one before it left."""
        chance = random.Random(seed)
        self.clear()
        killed, torn, ends, steps = 0, 0, 0, set()
        while killed < count:
            process = subprocess.Popen([self.train, self.file], stderr=subprocess.DEVNULL)
            time.sleep(chance.uniform(0, 0.08))
            process.kill()
            code = process.wait()
            if code == 0:
                ends += 1
                self.require(digest(self.file) == digest(self.end), "the end of a run that was killed")
                self.clear()
                continue
            self.require(code == -9, f"a resumed run is well, got exit code {code}")
            killed += 1
            if self.file.exists():
                number = self.number.get(digest(self.file))
                torn += number is None
                steps.add(number)
        self.require(torn == 0, f"{torn} torn files")
        print(f"killed {killed} times at random moments: {torn} torn files, {len(steps)} different states found, "
              f"{ends} runs came to their end, with the same bytes")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("train", type=pathlib.Path)
    parser.add_argument("--every", type=int, default=1, help="of the boundaries at which a run is stopped once")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        tests = Interruptions(arguments.train.resolve(), pathlib.Path(name))
        tests.at_every_boundary(arguments.every)
        if shutil.which("strace") and run("strace", "-o", "/dev/null", "true").returncode == 0:
            tests.faults()
        else:
            print("skipped: system calls of a save, for which strace is needed")
        tests.kills(arguments.kills, arguments.seed)
    sys.exit(1 if tests.failed else 0)


if __name__ == "__main__":
    main()
