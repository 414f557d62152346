#!/usr/bin/env python3
"""Writes the manifests of the rime and tone tasks for the recordings of Debian's package gcin-voice.

    tools/gcin_voice.py FOLDER

FOLDER holds ogg/SYLLABLE/VOICE.ogg: 2,358 recordings of Mandarin syllables by voices 3 and 5. A syllable
is written in bopomofo with the tone as its last digit (none is the first tone, 1 the neutral one).
FOLDER/rime.csv and FOLDER/tone.csv come out, with paths relative to FOLDER.
"""

import argparse
import collections
import csv
import hashlib
import pathlib
import sys
from typing import NamedTuple

INITIALS = "ㄅㄆㄇㄈㄉㄊㄋㄌㄍㄎㄏㄐㄑㄒㄓㄔㄕㄖㄗㄘㄙ"
TONES = "1234"  # as the digits of folder names; "1" marks the neutral tone there
COLUMNS = ("path", "key", "label", "fold")

# A rime with fewer clips than this is left out: 26 of 39 remain, with 2,104 of 2,358 clips.
MIN_CLIPS = 40

# No two files are equal, but ogg/ㄓ1/3.ogg and ogg/ㄓㄜ1/3.ogg decode to the same samples. Both stay, so
# that the counts are those of the published baselines: nothing leaks, as both fall in the training
# split of the rime task, and the tone task has no clips of the neutral tone.


class Clip(NamedTuple):
    path: str  # ogg/ㄅㄚ4/3.ogg
    syllable: str  # ㄅㄚ, without the tone
    tone: str  # "1" to "4", or "neutral"

    @property
    def key(self):
        return self.path[len("ogg/") : -len(".ogg")]


def split_tone(name):
    """ㄅㄚ4 -> (ㄅㄚ, 4); no digit is the first tone, and the digit 1 the neutral one."""
    if name[-1] not in TONES:
        return name, "1"
    return name[:-1], "neutral" if name[-1] == "1" else name[-1]


def rime(syllable):
    """The syllable without its initial consonant; a consonant alone (ㄕ, shi) has the empty rime."""
    return (syllable[1:] if syllable[0] in INITIALS else syllable) or "(empty)"


def fold(syllable):
    """All clips of a base syllable, of every tone and voice, share a fold: a test syllable is a new one."""
    u = int(hashlib.sha1(syllable.encode("utf-8")).hexdigest(), 16) % 100
    return "test" if u < 20 else "validation" if u < 30 else "train"


def find_clips(folder):
    clips = []
    for path in sorted(folder.glob("ogg/*/*.ogg")):
        syllable, tone = split_tone(path.parent.name)
        clips.append(Clip(path.relative_to(folder).as_posix(), syllable, tone))
    return clips


def rime_rows(clips):
    counts = collections.Counter(rime(clip.syllable) for clip in clips)
    return [
        (clip.path, clip.key, rime(clip.syllable), fold(clip.syllable))
        for clip in clips
        if counts[rime(clip.syllable)] >= MIN_CLIPS
    ]


def tone_rows(clips):
    return [(clip.path, clip.key, clip.tone, fold(clip.syllable)) for clip in clips if clip.tone != "neutral"]


def write_manifest(path, rows):
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, metavar="FOLDER")
    folder = parser.parse_args().folder
    clips = find_clips(folder)
    if not clips:
        sys.exit(f"gcin_voice.py: {folder}/ogg/*/*.ogg: no such files. Unpack the Debian package gcin-voice there.")
    for name, rows in (("rime", rime_rows(clips)), ("tone", tone_rows(clips))):
        write_manifest(folder / f"{name}.csv", rows)
        folds = collections.Counter(row[3] for row in rows)
        classes = len({row[2] for row in rows})
        print(f"{folder}/{name}.csv: {len(rows)} clips, {classes} classes;", end=" ")
        print(", ".join(f"{folds[name]} {name}" for name in ("train", "validation", "test")))


if __name__ == "__main__":
    main()
