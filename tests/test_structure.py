"""The rule of the house: imports point down, and the objective never meets the solvers."""

import ast
import re
from pathlib import Path

import pytest

import skmetric

HOUSE = Path(skmetric.__file__).parent
# From the ground up. A room, a module or a sub-package, may import what is on a lower
# floor, and on its own floor if there is no way back. CONTRIBUTING.md and docs/house.svg
# name the same rooms.
FLOORS = (
    {"_validation", "_compat", "_docs", "_scales", "distances", "_relations"},
    {"losses", "mining", "_solvers"},
    {"_objective"},
    {"_fit"},
    {"_base"},
    {"_triplet", "_contrastive"},
    {"metrics", "model_selection"},
    {"plotting", "dask", "onnx"},
    {"__init__"},
)
FLOOR_OF = {name: i for i, names in enumerate(FLOORS) for name in names}
# Files of the package by room.
FILES = {
    path: path.relative_to(HOUSE).parts[0].removesuffix(".py")
    for path in sorted(HOUSE.rglob("*.py"))
}


def imported(path):
    """Dotted names below the package that a file imports, wherever in its text."""
    here = ["skmetric", *path.relative_to(HOUSE).with_suffix("").parts]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level] if node.level else []
            base = [*base, *(node.module.split(".") if node.module else [])]
            names = [".".join([*base, alias.name]) for alias in node.names]
        else:
            continue
        found |= {n.split(".", 1)[1] for n in names if n.startswith("skmetric.")}
    return found


def rooms_imported(room):
    """Other rooms that the files of a room import."""
    names = {
        name.split(".")[0]
        for path, own in FILES.items()
        if own == room
        for name in imported(path)
    }
    return (names & set(FLOOR_OF)) - {room}


def reachable(room):
    seen, todo = set(), [room]
    while todo:
        new = rooms_imported(todo.pop()) - seen
        seen |= new
        todo += new
    return seen


def test_imports_are_seen():
    assert {"_fit", "_objective"} <= rooms_imported("_base")
    assert rooms_imported("__init__") == {"_contrastive", "_triplet"}
    assert "mining._strategies.select" in imported(HOUSE / "_objective" / "_evaluate.py")


def test_every_room_has_a_floor():
    assert set(FILES.values()) == set(FLOOR_OF)


@pytest.mark.parametrize("room", sorted(FLOOR_OF))
def test_imports_point_down(room):
    higher = {r for r in rooms_imported(room) if FLOOR_OF[r] > FLOOR_OF[room]}
    assert not higher, f"{room} imports {sorted(higher)}, which stand above it"
    assert room not in reachable(room)


def test_objective_and_solvers_do_not_know_each_other():
    assert "_objective" not in reachable("_solvers")
    assert "_solvers" not in reachable("_objective")


def test_the_picture_of_the_house_and_contributing_name_every_room():
    root = HOUSE.parent
    if not (root / "docs" / "house.svg").exists():
        pytest.skip("docs are not with the package")
    named = re.findall(r'class="name">([^<]+)<', (root / "docs" / "house.svg").read_text())
    assert sorted(named) == sorted(set(FLOOR_OF) - {"__init__"})
    contributing = (root / "CONTRIBUTING.md").read_text()
    for room in set(FLOOR_OF) - {"__init__"}:
        assert re.search(rf"`{room}(\.py|/)`", contributing), room


@pytest.mark.parametrize("room", sorted(set().union(*FLOORS[:3])))
def test_below_the_base_nobody_knows_an_estimator(room):
    origins = {
        node.module
        for path, own in FILES.items()
        if own == room
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
    }
    assert "sklearn.base" not in origins
    assert not {"_base", "_triplet", "_contrastive"} & reachable(room)


def test_folders_of_tests_follow_the_sub_packages():
    """Each is a package itself, or two of them could not have files of one name."""
    tests = Path(__file__).parent
    sub_packages = {path.parent.name.lstrip("_") for path in HOUSE.glob("*/__init__.py")}
    assert {path.parent.name for path in tests.glob("*/test_*.py")} == sub_packages
    assert {path.parent.name for path in tests.glob("*/__init__.py")} == sub_packages
