"""Calls of tutti, for the tools that train several runs."""

import pathlib
import subprocess
import sys

PROGRAM = "build/release/tutti"


def set_options(assignments):
    return [word for assignment in assignments for word in ("--set", assignment)]


def tutti(arguments, ranks=1, program=PROGRAM):
    """What it prints; ends this program where it fails."""
    launch = ["launch", "-n", str(ranks), "--"] if ranks > 1 else []
    done = subprocess.run([program, *launch, *arguments], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{pathlib.Path(sys.argv[0]).name}: tutti {' '.join(arguments)} ended with {done.returncode}")
    return done.stdout
