#!/usr/bin/env python3
"""Joins manifests into one, for pre-training on several data sets.

    tools/join_manifests.py data-cache/speech.csv data-cache/gcin/tone.csv data-cache/asterisk/language.csv --folds train

Paths become relative to the new manifest's folder, and so do keys, so that they stay unique. Only rows of the folds
that --folds names are taken, so that nothing is learnt from test clips; their fold stays.
"""

import argparse
import csv
import os
import pathlib
import sys

COLUMNS = ("path", "key", "label", "fold")


def read_rows(manifest, folds, root):
    try:
        with open(manifest, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        sys.exit(f"join_manifests.py: {manifest}: {error.strerror}")
    for row in rows:
        missing = [column for column in ("path", "label", "fold") if row.get(column) is None]
        if missing:
            sys.exit(f"join_manifests.py: {manifest}: there is no column '{missing[0]}', or a row is too short")
        if row["fold"] in folds:
            path = os.path.relpath(manifest.parent / row["path"], root)
            yield path, path, row["label"], row["fold"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=pathlib.Path, metavar="OUTPUT")
    parser.add_argument("manifests", type=pathlib.Path, nargs="+", metavar="MANIFEST")
    parser.add_argument("--folds", nargs="+", default=["train"], metavar="FOLD", help="default: train")
    arguments = parser.parse_args()
    rows = [row for manifest in arguments.manifests
            for row in read_rows(manifest, arguments.folds, arguments.output.parent)]
    if not rows:
        sys.exit(f"join_manifests.py: no row is in fold {', '.join(arguments.folds)}")
    with open(arguments.output, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    print(f"{arguments.output}: {len(rows)} clips")


if __name__ == "__main__":
    main()
