"""What the tests of the program share: SCRIPT TUTTI FOLDER SUITE."""
import json
import shutil
import subprocess
import sys
from pathlib import Path

TUTTI, FOLDER = Path(sys.argv[1]), Path(sys.argv[2])
RANKS = Path(__file__).resolve().parents[1] / "run_ranks.sh"
SHARDS = FOLDER / "shards"
RECIPE = FOLDER / "recipe.toml"


def run(*arguments, ranks=0, expect=0):
    """Runs tutti, on so many MPI ranks (0: without MPI), and checks its exit code."""
    command = [str(TUTTI), *map(str, arguments)]
    if ranks:
        command = [str(RANKS), str(ranks), *command]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode != expect:
        raise AssertionError(f"{' '.join(command)}\nended with {done.returncode}, not {expect}:\n{done.stdout}{done.stderr}")
    return done


def train(output, *arguments, ranks=0, expect=0):
    shutil.rmtree(output, ignore_errors=True)
    return run("train", RECIPE, "--output", output, *arguments, ranks=ranks, expect=expect)


def weights(output):
    return (output / "checkpoints" / "latest" / "model.safetensors").read_bytes()


def lines(output):
    """metrics.jsonl without what depends on the clock."""
    records = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    for record in records:
        record.pop("clips_per_second", None)
        record.pop("seconds", None)
    return records


def losses(output):
    return [record["loss"] for record in lines(output) if "split" not in record]


def running(word):
    """Processes of tutti with this word in their command line."""
    pids = []
    for entry in Path("/proc").iterdir():
        try:
            arguments = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0] if arguments else "Z"
        except OSError:
            continue
        if arguments and arguments[0] == str(TUTTI).encode() and str(word).encode() in arguments and state != "Z":
            pids.append(int(entry.name))
    return pids
