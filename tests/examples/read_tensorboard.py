"""Prints what the package tensorboard reads in a folder, a line for each step: step name=value name=value

Exit codes: 0 done, 77 there is no such package.
"""
import pathlib
import sys

try:
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
except ImportError:
    sys.exit(77)
for path in sorted(pathlib.Path(sys.argv[1]).glob("*tfevents*")):
    for event in LegacyEventFileLoader(str(path)).Load():
        if event.HasField("file_version"):
            print(event.file_version)
        for_step = " ".join(f"{value.tag}={value.simple_value:.6g}" for value in event.summary.value)
        if for_step:
            print(event.step, for_step)
