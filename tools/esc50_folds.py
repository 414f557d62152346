#!/usr/bin/env python3
"""Trains a recipe on the five folds of ESC-50 and prints the accuracy by each rule of choosing an epoch.

    tools/esc50_folds.py --output runs/esc50 [--ranks 4] [--held-out] [--set train.seed=2 ...]

Each fold is the test fold of one training on the other four (runs/esc50/fold-1 to fold-5), and is scored after every
epoch. Two rows come out of that:

  chosen on test   one epoch for all folds: the one whose mean test accuracy is best. This is what AST's authors report
                   (get_esc_result.py). It is optimistic, because test clips chose the epoch.
  last epoch       nothing is chosen.

With --held-out five more trainings (held-out-1 to held-out-5) give a third:

  chosen on a held-out fold   trained on three folds; a fourth (the one after the test fold) chooses the epoch; then the
                              test fold is scored once. Honest, on three quarters of the training clips.

What is finished is not trained again, so a call that was stopped goes on, and --held-out may be added later.
"""

import argparse
import json
import pathlib
import statistics
import sys

from run_tutti import PROGRAM, set_options, tutti

FOLDS = ("1", "2", "3", "4", "5")


def roles(test, held_out):
    """The folds of one training, as assignments to a recipe."""
    validation = FOLDS[(FOLDS.index(test) + 1) % len(FOLDS)] if held_out else test
    train = [fold for fold in FOLDS if fold not in (test, validation)]
    return [f"data.{name}={json.dumps(folds)}"
            for name, folds in (("train", train), ("validation", [validation]), ("test", [test]))]


def validations(run):
    """Accuracy of the validation folds after each epoch."""
    records = map(json.loads, (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    return {record["epoch"]: record["accuracy"] for record in records if record.get("split") == "validation"}


def rows_of_four_folds(by_epoch):
    """Of {epoch: accuracy} for each fold: what a rule is called, its epoch, and each fold's accuracy."""
    epochs = sorted(set.intersection(*map(set, by_epoch)))
    best = max(epochs, key=lambda epoch: statistics.fmean(fold[epoch] for fold in by_epoch))  # the first of equal ones
    return [("chosen on test (authors' rule, optimistic)", str(best), [fold[best] for fold in by_epoch]),
            ("last epoch", str(epochs[-1]), [fold[epochs[-1]] for fold in by_epoch])]


def table(rows):
    lines = ["| epoch is | epoch | accuracy % | " + " | ".join(f"fold {fold}" for fold in FOLDS) + " |",
             "|---" * (len(FOLDS) + 3) + "|"]
    for name, epoch, values in rows:
        percent = [f"{100 * value:.2f}" for value in (statistics.fmean(values), *values)]
        lines.append(f"| {name} | {epoch} | {' | '.join(percent)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, required=True, help="folder of the runs")
    parser.add_argument("--recipe", default="recipes/ast/esc50.toml")
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--held-out", action="store_true", help="also choose an epoch on a fold held out of training")
    parser.add_argument("--set", dest="assignments", action="append", default=[], metavar="KEY=VALUE",
                        help="set a key of the recipe")
    parser.add_argument("--tutti", default=PROGRAM, help=f"the program (default: {PROGRAM})")
    arguments = parser.parse_args()

    def train(name, test, held_out):
        run = arguments.output / f"{name}-{test}"
        assignments = [*arguments.assignments, *roles(test, held_out), "train.validate_every=1"]
        print(f"{run}: trained without fold {test}, which it is tested on", file=sys.stderr, flush=True)
        tutti(["train", arguments.recipe, "--output", str(run), *set_options(assignments)],
              arguments.ranks, arguments.tutti)
        return run

    rows = rows_of_four_folds([validations(train("fold", test, False)) for test in FOLDS])
    if arguments.held_out:
        scores = []
        for test in FOLDS:
            run = train("held-out", test, True)
            rows_of_run = tutti(["evaluate", str(run), "--fold", test, "--json"], 1, arguments.tutti)
            scores.append(json.loads(rows_of_run)["accuracy"])
        rows.append(("chosen on a held-out fold, by each fold; trained on three", "", scores))
    print(table(rows))


if __name__ == "__main__":
    main()
