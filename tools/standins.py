#!/usr/bin/env python3
"""Writes small stand-ins for AudioSet, ESC-50 and Speech Commands in their official layouts, of recordings at hand, so that
the recipes of recipes/ast can be tried before the data sets are there.

    tools/standins.py FOLDER --from data-cache/gcin/tone.csv [data-cache/asterisk/language.csv ...] [--recordings N]

--from names manifests with columns path and label. FOLDER/audioset, FOLDER/ESC-50 and FOLDER/speech_commands come out; each
takes up to N recordings, as many of each label as of another. Files are copied as they are. Only AudioSet's clips are made:
of one to three WAV files of one format, one after another, with all their labels; where there are none, a clip is one file.
The same arguments write the same files. A recording is in one fold of a data set only.
"""

import argparse
import csv
import pathlib
import random
import shutil
import sys
import wave
from typing import NamedTuple

ID_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
SEGMENTS = ("balanced_train", "unbalanced_train", "eval")
NEVER_HEARD = "Silence, of no clip"  # a class of AudioSet's list without clips
MISSING_EVERY = 8  # of AudioSet's clips, one in so many is listed and not there


class Recording(NamedTuple):
    path: pathlib.Path
    label: str


def read_manifest(path):
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(f"standins.py: {path}: {getattr(error, 'strerror', None) or error}")
    for line, row in enumerate(rows, 2):
        if not row.get("path") or not row.get("label"):
            sys.exit(f"standins.py: {path}, line {line}: 'path' or 'label' is missing")
        recording = Recording(path.parent / row["path"], row["label"])
        if not recording.path.is_file():
            sys.exit(f"standins.py: {path}, line {line}: {recording.path} is not there")
        yield recording


def choose(recordings, count, rng):
    """By label in turn, so that each has as many as another, and folds that are taken in turn have all labels."""
    of_label = {}
    for recording in recordings:
        of_label.setdefault(recording.label, []).append(recording)
    for group in of_label.values():
        rng.shuffle(group)
    longest = max(map(len, of_label.values()))
    rounds = [[group[i] for _, group in sorted(of_label.items()) if i < len(group)] for i in range(longest)]
    return [recording for one in rounds for recording in one][:count]


def by_fold(recordings, folds):
    """Pairs of recording and fold; the recordings of each label go to the folds in turn."""
    seen = {}
    for recording in recordings:
        turn = seen[recording.label] = seen.get(recording.label, -1) + 1
        yield recording, folds[turn % len(folds)]


def new_folder(path):
    try:
        path.mkdir(parents=True)
    except FileExistsError:
        sys.exit(f"standins.py: {path} is there already. Name another folder, or remove it.")
    return path


def write_lines(path, lines, end="\n"):
    path.write_bytes("".join(line + end for line in lines).encode("utf-8"))


def wave_format(path):
    """What must be equal for files to be joined; None if it is no WAV file that Python's wave module reads."""
    try:
        with wave.open(str(path)) as file:
            return file.getparams()[:3]
    except (wave.Error, EOFError):
        return None


def join(paths, output):
    with wave.open(str(output), "wb") as joined:
        joined.setparams((*wave_format(paths[0]), 0, "NONE", ""))
        for path in paths:
            with wave.open(str(path)) as file:
                joined.writeframes(file.readframes(file.getnframes()))


def quoted(text):
    return '"' + text.replace('"', '""') + '"'


def write_audioset(folder, recordings, rng):
    labels = sorted({recording.label for recording in recordings})
    names = [f"{label}, recorded" for label in labels] + [NEVER_HEARD]
    mids = {label: f"/m/0st{i:02}_" for i, label in enumerate(labels)}
    all_mids = [*mids.values(), "/t/dd00000"]
    new_folder(folder)
    classes = [f"{i},{mid},{quoted(name)}" for i, (mid, name) in enumerate(zip(all_mids, names))]
    write_lines(folder / "class_labels_indices.csv", ["index,mid,display_name", *classes])
    of_set = {name: [] for name in SEGMENTS}
    for recording, name in by_fold(recordings, SEGMENTS):
        of_set[name].append(recording)
    for name, own in of_set.items():
        audio = new_folder(folder / "audio" / name)
        formats = {other: wave_format(other.path) for other in own}
        rows = []
        for number, recording in enumerate(own):
            kind = formats[recording]
            parts = [recording]
            if kind:
                partners = [other for other in own if formats[other] == kind]
                parts += rng.choices(partners, k=rng.randrange(3))
            # Some of YouTube's begin with a dash.
            clip = ("-" if number % 5 == 1 else rng.choice(ID_CHARACTERS)) + "".join(rng.choices(ID_CHARACTERS, k=10))
            present = sorted({mids[part.label] for part in parts})
            rows.append(f"{clip}, 30.000, 40.000, {quoted(','.join(present))}")
            if number % MISSING_EVERY == MISSING_EVERY - 1:
                continue
            if kind:
                join([part.path for part in parts], audio / f"{clip}.wav")
            else:
                shutil.copyfile(recording.path, audio / f"{clip}{recording.path.suffix}")
        write_lines(folder / f"{name}_segments.csv",
                    ["# Segments csv, a stand-in of tools/standins.py",
                     f"# num_ytids={len(rows)}, num_segs={len(rows)}, num_unique_labels={len(labels)}",
                     "# YTID, start_seconds, end_seconds, positive_labels", *rows])


def write_esc50(folder, recordings):
    (new_folder(folder) / "audio").mkdir()
    (folder / "meta").mkdir()
    labels = sorted({recording.label for recording in recordings})
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    for i, (recording, fold) in enumerate(by_fold(recordings, "12345")):
        target = labels.index(recording.label)
        name = f"{fold}-{100000 + i}-A-{target}{recording.path.suffix}"
        shutil.copyfile(recording.path, folder / "audio" / name)
        rows.append(f"{name},{fold},{target},{quoted(recording.label)},False,{100000 + i},A")
    write_lines(folder / "meta" / "esc50.csv", rows, "\r\n")


def write_speech_commands(folder, recordings):
    new_folder(folder)
    lists = {"train": [], "validation": [], "testing": []}
    for i, (recording, fold) in enumerate(by_fold(recordings, ["train", "validation", "train", "testing", "train"])):
        word = recording.label.replace("/", "-")
        (folder / word).mkdir(exist_ok=True)
        name = f"{word}/{i:08x}_nohash_0{recording.path.suffix}"
        shutil.copyfile(recording.path, folder / name)
        lists[fold].append(name)
    for fold in ("validation", "testing"):
        write_lines(folder / f"{fold}_list.txt", lists[fold])
    # The archive has noise for mixing besides, which is no word.
    (folder / "_background_noise_").mkdir()
    shutil.copyfile(recordings[0].path, folder / "_background_noise_" / f"white_noise{recordings[0].path.suffix}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--from", dest="manifests", type=pathlib.Path, nargs="+", required=True, metavar="MANIFEST")
    parser.add_argument("--recordings", type=int, default=300, metavar="N", help="of each data set at most (default: 300)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    found = [recording for manifest in arguments.manifests for recording in read_manifest(manifest)]
    if not found:
        sys.exit(f"standins.py: {arguments.manifests[0]} has no rows")
    recordings = choose(found, arguments.recordings, rng)
    write_audioset(arguments.folder / "audioset", recordings, rng)
    write_esc50(arguments.folder / "ESC-50", recordings)
    write_speech_commands(arguments.folder / "speech_commands", recordings)
    print(f"{arguments.folder}: audioset, ESC-50 and speech_commands of {len(recordings)} recordings,",
          f"{len({recording.label for recording in recordings})} labels")


if __name__ == "__main__":
    main()
