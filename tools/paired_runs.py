#!/usr/bin/env python3
"""Trains variants of a recipe over several seeds and prints one table: each variant's metric, and its difference to the
first variant, paired by seed, with a 95% interval (Student's t).

    tools/paired_runs.py recipes/ssast/transfer.toml --output runs/transfer [--ranks 2] [--seeds 1 2 3]

The file names the recipe, the metric, the fold that is scored and the variants:

    recipe = "recipes/gcin/rime.toml"
    metric = "accuracy"
    fold = "test"
    set = ["train.epochs=40"]                 # of all variants
    [[variant]]
    name = "patches without overlap"
    set = ["model.stride=[128, 8]"]

Runs of one seed see the same clips in the same order with the same augmentation, so a difference within a seed is the
variant's, or chance of training. What is finished is not run again.
"""

import argparse
import json
import math
import pathlib
import re
import statistics
import subprocess
import sys
import tomllib

# Two-sided 95% points of Student's t for 1, 2, ... degrees of freedom.
T_95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)

KEYS = {"recipe": str, "metric": str, "fold": str, "set": list, "variant": list}


def read_plan(path):
    try:
        plan = {"fold": "test", "set": [], **tomllib.loads(path.read_text(encoding="utf-8"))}
    except (OSError, ValueError) as error:
        sys.exit(f"paired_runs.py: {path}: {error}")
    for key, kind in KEYS.items():
        if not isinstance(plan.get(key), kind):
            sys.exit(f"paired_runs.py: {path}: '{key}' is missing or no {kind.__name__}")
    unknown = set(plan) - set(KEYS)
    if unknown:
        sys.exit(f"paired_runs.py: {path}: unknown key '{min(unknown)}'")
    names = [variant.get("name", "") for variant in plan["variant"]]
    if "" in names or len(set(map(folder_name, names))) < len(names):
        sys.exit(f"paired_runs.py: {path}: every variant needs a name of its own")
    return plan


def folder_name(variant):
    return re.sub(r"[^a-z0-9.]+", "-", variant.lower()).strip("-")


def tutti(arguments, ranks):
    launch = ["launch", "-n", str(ranks), "--"] if ranks > 1 else []
    done = subprocess.run(["build/release/tutti", *launch, *arguments], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"paired_runs.py: tutti {' '.join(arguments)} ended with {done.returncode}")
    return done.stdout


def score(plan, variant, seed, output, ranks):
    run = output / f"{folder_name(variant['name'])}-{seed}"
    assignments = [f"train.seed={seed}", *plan["set"], *variant.get("set", [])]
    sets = [word for assignment in assignments for word in ("--set", assignment)]
    tutti(["train", plan["recipe"], "--output", str(run), *sets], ranks)
    row = json.loads(tutti(["evaluate", str(run), "--fold", plan["fold"], "--json"], 1).splitlines()[-1])
    if plan["metric"] not in row:
        sys.exit(f"paired_runs.py: {run} has no metric '{plan['metric']}', but {', '.join(row)}")
    return row[plan["metric"]]


def interval(differences):
    """Mean and half width of the 95% interval; one difference has none."""
    if len(differences) < 2:
        return differences[0], math.nan
    half = T_95[len(differences) - 2] * statistics.stdev(differences) / math.sqrt(len(differences))
    return statistics.fmean(differences), half


def table(metric, seeds, scores):
    """Markdown; scores maps each variant to its values by seed, the first being what the others are compared with."""
    lines = [f"| variant | {metric} % | " + " | ".join(f"seed {seed}" for seed in seeds) + " | difference (95%) |",
             "|---" * (len(seeds) + 3) + "|"]
    base = next(iter(scores.values()))
    for name, values in scores.items():
        percent = [f"{100 * value:.1f}" for value in values]
        mean, half = interval([100 * (value - other) for value, other in zip(values, base)])
        difference = "" if values is base else f"{mean:+.1f} ± {half:.1f}" if math.isfinite(half) else f"{mean:+.1f}"
        lines.append(f"| {name} | {100 * statistics.fmean(values):.1f} | {' | '.join(percent)} | {difference} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan", type=pathlib.Path, metavar="PLAN")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="folder of the runs")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments = parser.parse_args()
    if len(arguments.seeds) > len(T_95) + 1:
        parser.error(f"at most {len(T_95) + 1} seeds")
    plan = read_plan(arguments.plan)
    scores = {variant["name"]: [] for variant in plan["variant"]}
    for seed in arguments.seeds:
        for variant in plan["variant"]:
            value = score(plan, variant, seed, arguments.output, arguments.ranks)
            scores[variant["name"]].append(value)
            print(f"seed {seed}, {variant['name']}: {100 * value:.1f}", file=sys.stderr, flush=True)
    print(table(plan["metric"], arguments.seeds, scores))


if __name__ == "__main__":
    main()
