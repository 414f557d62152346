#!/usr/bin/env python3
"""Writes the manifest of the language task: telephone prompts in five languages, from Debian's packages
asterisk-core-sounds-{en,es,fr,it,ru}-wav (CC BY-SA 3.0; it and ru CC BY 3.0), 8 kHz.

    tools/asterisk_prompts.py FOLDER [--fetch]

FOLDER holds sounds/VOICE/PROMPT.wav, as the packages have them under usr/share/asterisk/sounds; --fetch downloads
and unpacks them there (98 MB, with apt-get and dpkg, no root needed). FOLDER/language.csv comes out, with paths
relative to FOLDER.

There is one voice a language, and English and Spanish share theirs: what is learnt is the voice and the line as much
as the language. On other speakers the baseline falls from 98% to 23%.
"""

import argparse
import collections
import csv
import hashlib
import pathlib
import shutil
import subprocess
import sys
import tempfile

LANGUAGES = {
    "en_US_f_Allison": "English",
    "es_MX_f_Allison": "Spanish",
    "fr_CA_f_June": "French",
    "it_IT_m_Carlo": "Italian",
    "ru_RU_f_IvrvoiceRU": "Russian",
}
PACKAGES = [f"asterisk-core-sounds-{language}-wav" for language in ("en", "es", "fr", "it", "ru")]

# Prompts without speech, and jokes that were not translated.
NO_SPEECH = {"beep", "beeperr", "ascending-2tone", "descending-2tone", "confbridge-join", "confbridge-leave"}


def is_speech(prompt):
    name = prompt.split("/")[-1]
    return name not in NO_SPEECH and not prompt.startswith("silence/") and not name.startswith(("tt-", "demo-"))


def fold(prompt):
    """A prompt is in one fold in all languages: a test prompt is a new one."""
    u = int(hashlib.sha1(prompt.encode("utf-8")).hexdigest(), 16) % 100
    return "test" if u < 20 else "validation" if u < 30 else "train"


def prompts_of(folder):
    return {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.wav")}


def find_prompts(sounds):
    """Those that every language has."""
    missing = [voice for voice in LANGUAGES if not (sounds / voice).is_dir()]
    if missing:
        sys.exit(f"asterisk_prompts.py: {sounds / missing[0]} is missing. Run it with --fetch.")
    common = set.intersection(*(prompts_of(sounds / voice) for voice in LANGUAGES))
    return sorted(filter(is_speech, common))


def rows(prompts):
    for prompt in prompts:
        for voice, language in LANGUAGES.items():
            yield f"sounds/{voice}/{prompt}.wav", f"{voice}/{prompt}", language, fold(prompt)


def write_manifest(path, lines):
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("path", "key", "label", "fold"))
        writer.writerows(lines)


def fetch(folder):
    if (folder / "sounds").is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        # As root, apt would fetch as the user _apt, who may not write here.
        subprocess.run(["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", *PACKAGES], cwd=name, check=True)
        for package in sorted(pathlib.Path(name).glob("*.deb")):
            subprocess.run(["dpkg", "-x", package, name], check=True)
        shutil.move(f"{name}/usr/share/asterisk/sounds", folder / "sounds")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--fetch", action="store_true", help="download the packages first, where they are not there")
    arguments = parser.parse_args()
    if arguments.fetch:
        fetch(arguments.folder)
    lines = list(rows(find_prompts(arguments.folder / "sounds")))
    write_manifest(arguments.folder / "language.csv", lines)
    folds = collections.Counter(line[3] for line in lines)
    print(f"{arguments.folder}/language.csv: {len(lines)} clips, {len(LANGUAGES)} classes;", end=" ")
    print(", ".join(f"{folds[name]} {name}" for name in ("train", "validation", "test")))


if __name__ == "__main__":
    main()
