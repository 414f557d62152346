"""TensorBoard reads of a run what metrics.jsonl says: tensorboard_test.py TUTTI FOLDER

FOLDER is where program_test.py's suite Sharding left its data.
"""
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError as error:
    print(f"no TensorBoard: {error}; tools/setup.sh --tests fetches it")
    sys.exit(1 if "tensorboard" in os.environ.get("TUTTI_REQUIRED", "").split() else 77)


def scalars(run):
    """(tag, step) to value, of all event files of the run."""
    events = EventAccumulator(str(run))
    events.Reload()
    return {(tag, event.step): event.value for tag in events.Tags()["scalars"] for event in events.Scalars(tag)}


def logged(run):
    values = {}
    for line in (run / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        for name in set(record) - {"step", "epoch", "split", "seconds"}:
            values[record.get("split", "train") + "/" + name, record["step"]] = record[name]
    return values


def main(tutti, folder):
    run = folder / "tensorboard"
    shutil.rmtree(run, ignore_errors=True)
    for steps in (3, 6):  # the second call goes on, with another event file
        subprocess.run([tutti, "train", folder / "recipe.toml", "--output", run, "--max-steps", str(steps)], check=True)
    ours, theirs = logged(run), scalars(run)
    assert {step for _, step in ours} >= {1, 6}, ours
    assert ours.keys() == theirs.keys(), ours.keys() ^ theirs.keys()
    for key, value in ours.items():
        if value is None:  # JSON has no infinity: the d' of a perfect score
            assert not math.isfinite(theirs[key]), (key, theirs[key])
            continue
        assert math.isclose(value, theirs[key], rel_tol=1e-6, abs_tol=1e-9), (key, value, theirs[key])
    print(f"{len(ours)} values read back")


main(Path(sys.argv[1]), Path(sys.argv[2]))
