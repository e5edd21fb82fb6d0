"""Make the files of this folder from clones of the repositories that they are from.

Run with ``python make.py TLDR DATASETS``, the folders of the clones. SOURCES.md has their
addresses and terms.
"""

import csv
import gzip
import io
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

HERE = Path(__file__).parent
TLDR_COMMIT = "08e345f42639f67d99282813247ac670dc6e87cb"
DATASETS_COMMIT = "57ec275d8078af65b7731c2a98be812d844a6d6b"
EVERY_NTH_PAGE = 2
PLACEHOLDER = re.compile(r"\{\{.*?\}\}")


def git(clone, *arguments):
    """What git prints, as text."""
    command = ["git", "-C", clone, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def write(name, header, rows):
    """Write rows as compressed CSV, always the same bytes."""
    with (
        open(HERE / name, "wb") as file,
        gzip.GzipFile("", "wb", 9, file, mtime=0) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="") as text,
    ):
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    print(name, len(rows), "rows", (HERE / name).stat().st_size, "bytes")


def plain(text):
    """A line without markup or the brackets of mnemonics such as ``E[x]tract``."""
    return re.sub(r"\[(\w+)\]", r"\1", text).replace("`", "").strip().rstrip(".:")


def read_page(clone, name):
    """What each command of a page does, by the command without its placeholders."""
    page = git(clone, "show", f"{TLDR_COMMIT}:{name}")
    lines = [line for line in page.splitlines() if line]
    return {
        PLACEHOLDER.sub("", code): plain(line[1:])
        for line, code in pairwise(lines)
        if line.startswith("- ") and code.startswith("`")
    }


def make_tldr(clone):
    """Lines in Spanish, each with the English line of the same command."""
    folders = "pages.es/common", "pages.es/linux"
    names = git(clone, "ls-tree", "-r", "--name-only", TLDR_COMMIT, *folders).split()
    english = set(git(clone, "ls-tree", "-r", "--name-only", TLDR_COMMIT, "pages").split())
    rows = []
    for name in names[::EVERY_NTH_PAGE]:
        original = name.replace("pages.es", "pages")
        if original in english:
            lines = read_page(clone, original)
            spanish = read_page(clone, name)
            rows += [(spanish[code], lines[code]) for code in spanish if code in lines]
    write("tldr_es.csv.gz", ("spanish", "english"), list(dict.fromkeys(rows)))


def make_banking77(clone):
    """Questions to a bank, each with its intent: the published training and test parts."""
    rows = []
    for part in ("train", "test"):
        table = git(clone, "show", f"{DATASETS_COMMIT}:banking_data/{part}.csv")
        questions = list(csv.reader(io.StringIO(table)))[1:]
        rows += [(" ".join(text.split()), intent, part) for text, intent in questions]
    write("banking77.csv.gz", ("text", "intent", "part"), rows)


if __name__ == "__main__":
    make_tldr(sys.argv[1])
    make_banking77(sys.argv[2])
