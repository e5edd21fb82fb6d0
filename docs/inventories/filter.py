"""Keep the classes, functions and modules of an inventory: ``filter.py FROM TO``."""

import sys
import zlib

KEPT = {"py:class", "py:exception", "py:function", "py:module"}


def is_kept(line):
    """Whether a line such as ``name py:class priority address -`` is of a public name."""
    name, role = line.split(" ")[:2]
    return role in KEPT and not any(part.startswith("_") for part in name.split("."))


def main(source, target):
    """Copy the four lines of the header, and the lines that are kept."""
    with open(source, "rb") as file:
        header = b"".join(file.readline() for _ in range(4))
        lines = zlib.decompress(file.read()).decode().splitlines(keepends=True)
    kept = "".join(filter(is_kept, lines))
    with open(target, "wb") as file:
        file.write(header + zlib.compress(kept.encode(), 9))


if __name__ == "__main__":
    main(*sys.argv[1:])
