"""All triplets without enumeration, against triple loops."""

from itertools import product

import numpy as np
import pytest
from scipy.sparse import issparse

from skmetric._objective import _all_negatives
from skmetric.mining import _ordering as _sorting
from tests.designs import covering

COSTS = {
    "hinge": lambda v: (max(v, 0.0), float(v > 0)),
    "squared_hinge": lambda v: (max(v, 0.0) ** 2, 2 * max(v, 0.0)),
    "softplus": lambda v: (np.log1p(np.exp(v)), 1 / (1 + np.exp(-v))),
}
# The second anchor class is a singleton.
CLASSES = {"few": [4, 1, 3, 6], "many": [3, 1, 12, 9], "two": [2, 15]}
FORMS = ("entries", "sorted", "counted")
PARTS = ("a few rows", "all rows")
DTYPES = (np.float64, np.float32)


@pytest.fixture(autouse=True, params=FORMS)
def form(request, monkeypatch):
    """Have active negatives in a list, or in arrays that are sorted, or compared."""
    few_active, few_positives = {"entries": (1, 0), "sorted": (-1, 0), "counted": (-1, 99)}[
        request.param
    ]
    monkeypatch.setattr(_all_negatives, "FEW_ENTRIES", 0)
    monkeypatch.setattr(_all_negatives, "FEW_ACTIVE", few_active)
    monkeypatch.setattr(_all_negatives, "FEW_POSITIVES", few_positives)
    return request.param


def weights_of(n):
    """Of anchors, different for each."""
    return 0.5 + np.random.default_rng(9).random(n)


def against_all_negatives(D, *arguments):
    """With weights that differ between anchors."""
    total, G, n_active = _all_negatives.against_all_negatives(
        D, *arguments, weights_of(len(D))
    )
    return total, G.toarray() if issparse(G) else G, n_active


@pytest.fixture(autouse=True, params=PARTS)
def part(request, monkeypatch):
    """Have arrays sorted in parts, the last one smaller, or at once."""
    entries = {"a few rows": 100, "all rows": 10_000}[request.param]
    monkeypatch.setattr(_sorting, "CACHED_ENTRIES", entries)


def designed(**factors):
    """Cases of those factors and of both fixtures, in which any three levels meet.

    The form and the loss choose the code, and the classes its branch.
    """
    cases = covering(product(FORMS, PARTS, *factors.values()), strength=3)
    names = ("form", "part", *factors)
    return pytest.mark.parametrize(names, cases, indirect=["form", "part"])


def block(sizes, dtype, tied, seed=0):
    """Distances of the rows 3, 4, ..., their positives and their negatives."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    n = len(y)
    D = rng.integers(0, 6, size=(n, n)) / 2 if tied else rng.gamma(2, size=(n, n))
    rows = np.arange(3, n)
    same = y[rows][:, None] == y
    is_negative = ~same
    same[np.arange(len(rows)), rows] = False
    D[np.arange(n), np.arange(n)] = 0
    anchors, positives = np.nonzero(same)
    return np.ascontiguousarray(D[rows], dtype=dtype), anchors, positives, is_negative


def by_loops(D, anchors, positives, is_negative, margin, loss):
    D = D.astype(np.float64)
    total, G, n_active, weights = (
        0.0,
        np.zeros_like(D),
        np.zeros(len(D)),
        weights_of(len(D)),
    )
    for a, p in zip(anchors, positives, strict=True):
        for n in np.flatnonzero(is_negative[a]):
            v = D[a, p] - D[a, n] + margin
            cost, slope = COSTS[loss](v)
            total += weights[a] * cost
            G[a, p] += weights[a] * slope
            G[a, n] -= weights[a] * slope
            n_active[a] += v > 0
    return total, G, n_active


def assert_same(found, expected, rtol):
    assert found[0] == pytest.approx(expected[0], rel=rtol)
    scale = np.abs(expected[1]).max()
    assert scale > 0
    np.testing.assert_allclose(found[1], expected[1], rtol=rtol, atol=rtol * scale)
    np.testing.assert_array_equal(found[2], expected[2])


@designed(loss=COSTS, dtype=DTYPES, classes=CLASSES, tied=(False, True), margin=(0.5, 2.0))
def test_against_loops(loss, dtype, classes, tied, margin):
    D, anchors, positives, is_negative = block(CLASSES[classes], dtype, tied)
    before = D.copy()
    found = against_all_negatives(D, anchors, positives, is_negative, margin, loss)
    expected = by_loops(D, anchors, positives, is_negative, margin, loss)
    assert 0 < expected[2].sum() < is_negative.sum(axis=1)[anchors].sum()
    if tied:
        v = D[anchors, positives][:, None] - D[anchors] + margin
        assert (v == 0)[is_negative[anchors]].any()
    assert found[1].dtype == dtype
    assert found[1].shape == D.shape
    np.testing.assert_array_equal(D, before)
    assert_same(found, expected, 1e-10 if dtype == np.float64 else 1e-5)


@designed(loss=COSTS, classes=CLASSES)
def test_gradient_against_differences(loss, classes):
    arguments = block(CLASSES[classes], np.float64, False, seed=1)
    D = arguments[0]
    _, G, _ = against_all_negatives(*arguments, 0.7, loss)
    rng = np.random.default_rng(2)
    for _ in range(5):
        # Small enough for no triplet to switch: costs are then at most quadratic.
        step = 1e-6 * rng.normal(size=D.shape)
        above = against_all_negatives(D + step, *arguments[1:], 0.7, loss)
        below = against_all_negatives(D - step, *arguments[1:], 0.7, loss)
        np.testing.assert_array_equal(above[2], below[2])
        assert (above[0] - below[0]) / 2 == pytest.approx(np.vdot(G, step), rel=1e-6)


@designed(loss=COSTS, dtype=DTYPES, n_positives=(1, 2, 7))
def test_some_positives_of_some_anchors(loss, dtype, n_positives):
    D, anchors, positives, is_negative = block(CLASSES["many"], dtype, True)
    first = np.concatenate([np.arange(c) for c in np.bincount(anchors)])
    keep = (first < n_positives) & (anchors % 3 > 0)
    chosen = anchors[keep], positives[keep]
    assert np.bincount(chosen[0]).max() == n_positives
    found = against_all_negatives(D, *chosen, is_negative, 1.0, loss)
    expected = by_loops(D, *chosen, is_negative, 1.0, loss)
    assert_same(found, expected, 1e-10 if dtype == np.float64 else 1e-5)
    assert (found[1][::3] == 0).all()


@pytest.mark.parametrize("loss", COSTS)
def test_positives_of_the_last_rows_only(loss):
    D, anchors, positives, is_negative = block(CLASSES["many"], np.float64, True)
    last = anchors >= len(D) - 3
    chosen = anchors[last], positives[last]
    found = against_all_negatives(D, *chosen, is_negative, 1.0, loss)
    assert_same(found, by_loops(D, *chosen, is_negative, 1.0, loss), 1e-10)


def test_counts_of_many_negatives():
    n = 70_000
    D = np.zeros((1, n))
    is_negative = np.arange(n) > 1
    D[0, 1] = 1.0
    found = against_all_negatives(
        D, np.array([0]), np.array([1]), is_negative[None], 1.0, "hinge"
    )
    (weight,) = weights_of(1)
    assert found[0] == pytest.approx(weight * 2.0 * (n - 2))
    assert found[2] == n - 2


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_nothing_active(loss, dtype):
    D, anchors, positives, is_negative = block(CLASSES["many"], dtype, False)
    D[is_negative] += 100
    total, G, n_active = against_all_negatives(
        D, anchors, positives, is_negative, 1.0, loss
    )
    assert total == 0
    assert not n_active.any()
    assert (G == 0).all()


@pytest.mark.parametrize("loss", COSTS)
def test_no_pairs(loss):
    D, _, _, is_negative = block(CLASSES["few"], np.float64, False)
    none = np.array([], dtype=int)
    total, G, n_active = against_all_negatives(D, none, none, is_negative, 1.0, loss)
    assert total == 0
    assert not n_active.any()
    assert G.shape == D.shape
    assert (G == 0).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_a_negative_zero_is_a_zero(loss, dtype):
    D, *pairs, is_negative = block(CLASSES["few"], dtype, True)
    assert ((D == 0) & is_negative).sum() > 5
    expected = against_all_negatives(D, *pairs, is_negative, 0.5, loss)
    found = against_all_negatives(
        np.where(D == 0, dtype(-0.0), D), *pairs, is_negative, 0.5, loss
    )
    assert_same(found, expected, 1e-12)


def test_a_few_active_negatives_give_a_sparse_gradient(monkeypatch):
    monkeypatch.setattr(_all_negatives, "FEW_ACTIVE", 0.01)
    D, anchors, positives, is_negative = block([30, 40], np.float64, False)
    D[is_negative] += 100
    few = _all_negatives.against_all_negatives(
        D, anchors, positives, is_negative, 1.0, "hinge", np.ones(len(D))
    )
    many = _all_negatives.against_all_negatives(
        D, anchors, positives, is_negative, 200.0, "hinge", np.ones(len(D))
    )
    assert issparse(few[1])
    assert not issparse(many[1])


# The softplus at Chebyshev nodes, where positives are many


def by_pairs(D, anchors, positives, is_negative, margin):
    D, weights = D.astype(np.float64), weights_of(len(D))[anchors]
    v = np.where(is_negative[anchors], D[anchors, positives, None] + margin, -np.inf)
    v = v - D[anchors]  # (n_pairs, n)
    slopes = weights[:, None] * np.exp(v - np.logaddexp(0, v))
    G = np.zeros_like(D)
    np.add.at(G, anchors, -slopes)
    np.add.at(G, (anchors, positives), slopes.sum(axis=1))
    n_active = np.bincount(anchors, (v > 0).sum(axis=1), minlength=len(D))
    return weights @ np.logaddexp(0, v).sum(axis=1), G, n_active


@designed(dtype=DTYPES, scale=(1e-6, 0.3, 20.0, 1e4), tied=(False, True))
def test_softplus_of_many_positives(dtype, scale, tied, monkeypatch):
    nodes = []
    interpolate = _all_negatives._interpolation
    monkeypatch.setattr(
        _all_negatives,
        "_interpolation",
        lambda at, on: nodes.append(len(on)) or interpolate(at, on),
    )
    D, *pairs, is_negative = block([60, 90, 1, 2], np.float64, tied)
    arguments = (D * scale).astype(dtype), *pairs, is_negative, 0.5
    found = against_all_negatives(*arguments, "softplus")
    rtol = 1e-12 if dtype == np.float64 else 1e-5
    assert_same(found, by_pairs(*arguments), rtol)
    assert found[1].dtype == dtype
    # On a wide range nodes are no fewer than positives.
    assert bool(nodes) == (scale < 20)
    assert max(nodes, default=0) <= _all_negatives.MOST_NODES


@pytest.mark.parametrize("offset", [0.0, 30.0, -30.0])
def test_softplus_of_far_and_near_negatives(offset):
    """Costs of 1e-13, and of 30, each to many digits."""
    D, *pairs, is_negative = block([60, 90], np.float64, False)
    D[is_negative] += max(offset, 0)
    D[~is_negative] -= min(offset, 0)
    arguments = D, *pairs, is_negative, 0.5
    found, expected = against_all_negatives(*arguments, "softplus"), by_pairs(*arguments)
    assert found[0] == pytest.approx(expected[0], rel=1e-12)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-11 * expected[1].max())
