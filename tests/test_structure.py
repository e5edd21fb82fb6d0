"""The house rule: imports point down, and the objective never meets the solvers."""

import ast
import re
from pathlib import Path

import pytest

import skmetric

HOUSE = Path(skmetric.__file__).parent
# From the ground up. A module may import what stands on a lower floor, and on its own
# floor if there is no way back.
FLOORS = (
    {
        "_validation",
        "_scales",
        "_compat",
        "_links",
        "_optimizers",
        "_batches",
        "_sorting",
        "distances",
        "_strategies",
    },
    {"losses", "mining", "_all_negatives", "_neighbourhoods", "_maps", "_copies"}
    | {"_ranking", "_retrieval", "_retrieval_scores", "_scorers", "_verification"},
    {"_objective", "_problem", "_tuples", "_tuple_problem", "_solvers", "_initialization"}
    | {"_monitor", "_moments", "_partitions", "_labelled_partitions"}
    | {"_partitioned_retrieval"},
    {"_learning", "_cluster"},
    {"_base"},
    {"_triplet", "_contrastive"},
    {"metrics", "_verifier", "model_selection", "plotting", "dask"}
    | {"_pictures", "_picture_of_curves", "_picture_of_pairs"}
    | {"_picture_of_embeddings", "_picture_of_retrieval"},
    {"__init__"},
)
FLOOR_OF = {name: i for i, names in enumerate(FLOORS) for name in names}
MODULES = sorted(path.stem for path in HOUSE.glob("*.py"))


def imported(module):
    """Modules of the package that a module imports, wherever in its text."""
    found = set()
    for node in ast.walk(ast.parse((HOUSE / f"{module}.py").read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ("skmetric." if node.level else "") + (node.module or "")
            names = [base, *(f"{base.rstrip('.')}.{a.name}" for a in node.names)]
        else:
            continue
        found |= {n.split(".")[1] for n in names if n.startswith("skmetric.")}
    return found & {path.stem for path in HOUSE.glob("*.py")}


def reachable(module):
    seen, todo = set(), [module]
    while todo:
        new = imported(todo.pop()) - seen
        seen |= new
        todo += new
    return seen


def test_imports_are_seen():
    assert {"_learning", "_maps"} <= imported("_base")
    assert imported("__init__") == {"_contrastive", "_triplet"}


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module):
    assert module in FLOOR_OF, f"{module} has no floor yet"
    higher = {m for m in imported(module) if FLOOR_OF[m] > FLOOR_OF[module]}
    assert not higher
    assert module not in reachable(module)


def test_the_picture_of_the_house_names_every_module():
    picture = HOUSE.parent / "docs" / "house.svg"
    if not picture.exists():
        pytest.skip("installed without its documentation")
    named = set(re.findall(r'class="name">(\w+)<', picture.read_text()))
    assert set(MODULES) - {"__init__"} <= named <= set(FLOOR_OF)


def test_solvers_and_objective_never_meet():
    assert not {"_objective", "_problem"} & reachable("_solvers")
    assert not {"_solvers", "_optimizers"} & reachable("_problem")
    assert "_objective" in reachable("_problem")


@pytest.mark.parametrize("module", ["_solvers", *sorted(FLOORS[0] | FLOORS[1])])
def test_below_the_base_nobody_knows_an_estimator(module):
    tree = ast.parse((HOUSE / f"{module}.py").read_text())
    origins = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert not {"sklearn.base", "_base", "_triplet", "_contrastive"} & origins
