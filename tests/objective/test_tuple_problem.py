"""Loss and gradient of given triplets and pairs: against loops, labels, dense, blocks."""

from dataclasses import replace
from itertools import product
from math import exp, log1p, sqrt

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn import config_context

from skmetric._objective import _edges
from skmetric._objective._constraints import PairConstraints, TripletConstraints
from skmetric._objective._evaluate import evaluate
from skmetric._objective._problem import Problem
from skmetric._objective._supervision import (
    Pairs,
    Triplets,
    compact_indices,
    mean_weights,
    normalize_weights,
)
from skmetric._relations import LabelRelation
from skmetric.losses import contrastive_loss, triplet_loss
from skmetric.mining._sampler import shuffle_strata
from skmetric.mining._strategies import resolve_strategies
from tests.designs import covering

METRICS = ("sqeuclidean", "euclidean", "cosine")
LOSSES = ("hinge", "squared_hinge", "softplus")
KINDS = ("triplets", "pairs")
MARGIN, POS_MARGIN, NEGATIVE_WEIGHT = 0.9, 0.2, 3.0
N, D, K, M = 30, 6, 4, 80
TINY = 1e-4


def different_rows(rng, m, width, n=N):
    return np.array([rng.choice(n, width, replace=False) for _ in range(m)])


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X, W = rng.normal(size=(N, D)), rng.normal(size=(K, D)) / 4
    rows = {"triplets": different_rows(rng, M, 3), "pairs": different_rows(rng, M, 2)}
    return X, W, rows, rng.random(M) < 0.3, rng.uniform(0.1, 3, M)


def given(kind, loss, rows, similar, weights=None):
    """The target and its constraints."""
    weights = normalize_weights(weights, len(rows))
    if kind == "triplets":
        return Triplets(rows, weights, N), TripletConstraints(loss, MARGIN, None, None)
    margins = MARGIN, POS_MARGIN
    constraints = PairConstraints(loss, *margins, NEGATIVE_WEIGHT, None, None)
    return Pairs(rows, weights, N, similar, mean_weights(weights, similar)), constraints


def evaluate_tuples(W, X, tuples, metric):
    target, constraints = tuples
    rows, relation = target.relate()
    return evaluate(W, X[rows], relation, metric, constraints)


def problem_of(X, tuples, W0, metric):
    target, constraints = tuples
    return Problem(X, target, W0, metric, constraints)


def distance(a, b, metric):
    square = sum((p - q) ** 2 for p, q in zip(a, b, strict=True))
    if metric == "cosine":
        lengths = sqrt(sum(p * p for p in a)) * sqrt(sum(q * q for q in b))
        return 1 - sum(p * q for p, q in zip(a, b, strict=True)) / lengths
    return sqrt(square) if metric == "euclidean" else square


def cost(v, loss):
    if loss == "softplus":
        return log1p(exp(v))
    return max(v, 0) ** (2 if loss == "squared_hinge" else 1)


def by_loops(kind, Z, metric, loss, rows, similar, weights):
    """The definition, and the weighted share of active constraints."""
    sums, totals, active = [0, 0], [0, 0], 0
    for t, same, w in zip(rows, similar, weights, strict=True):
        near = distance(Z[t[0]], Z[t[1]], metric)
        if kind == "triplets":
            v, part = near - distance(Z[t[0]], Z[t[2]], metric) + MARGIN, 0
        else:
            v, part = (near - POS_MARGIN, 0) if same else (MARGIN - near, 1)
        sums[part] += w * cost(v, loss)
        totals[part] += w
        active += w * (v > 0)
    means = [s / max(t, 1e-300) for s, t in zip(sums, totals, strict=True)]
    return means[0] + NEGATIVE_WEIGHT * means[1], active / sum(totals)


def central_differences(function, W, step=1e-5):
    gradient = np.empty_like(W)
    for at in np.ndindex(W.shape):
        away = np.zeros_like(W)
        away[at] = step
        gradient[at] = (function(W + away) - function(W - away)) / (2 * step)
    return gradient


def assert_same_gradient(found, expected, rtol):
    scale = np.abs(expected).max()
    assert scale > 1e-3
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * scale)


def assert_same(found, expected, rtol=1e-10):
    assert found.loss == pytest.approx(expected.loss, rel=rtol)
    assert found.active_fraction == pytest.approx(expected.active_fraction, rel=rtol)
    assert_same_gradient(found.gradient, expected.gradient, rtol)


@pytest.mark.parametrize(
    ("kind", "metric", "loss", "weighted"),
    covering(product(KINDS, METRICS, LOSSES, [False, True])),
)
def test_loss_is_the_definition_and_gradient_its_own(data, kind, metric, loss, weighted):
    X, W, rows, similar, weights = data
    tuples = given(kind, loss, rows[kind], similar, weights if weighted else None)
    found = evaluate_tuples(W, X, tuples, metric)
    plain = weights if weighted else np.ones(M)
    value, active = by_loops(kind, X @ W.T, metric, loss, rows[kind], similar, plain)
    assert found.loss == pytest.approx(value, rel=1e-12)
    assert found.active_fraction == pytest.approx(active)
    assert 0 < active < 1
    assert found.n_constraints == M
    expected = central_differences(lambda V: evaluate_tuples(V, X, tuples, metric).loss, W)
    assert_same_gradient(found.gradient, expected, 1e-6)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", KINDS)
def test_against_the_losses_on_rows(data, kind, metric, loss):
    X, W, rows, similar, _ = data
    Z, rows = X @ W.T, rows[kind]
    options = {"margin": MARGIN, "metric": metric, "loss": loss, "return_gradient": True}
    if kind == "triplets":
        value, gradients = triplet_loss(*(Z[at] for at in rows.T), **options)
    else:
        # Three dissimilar pairs for a similar one, and a NEGATIVE_WEIGHT of 3: all count
        # the same.
        similar = np.arange(M) % 4 == 0
        options["pos_margin"] = POS_MARGIN
        value, gradients = contrastive_loss(*(Z[at] for at in rows.T), similar, **options)
    dZ = np.zeros_like(Z)
    for at, gradient in zip(rows.T, gradients, strict=True):
        np.add.at(dZ, at, gradient)
    tuples = given(kind, loss, rows, similar)
    share = 1 if kind == "triplets" else 0.25
    found = evaluate_tuples(W, X, tuples, metric)
    assert share * found.loss == pytest.approx(value, rel=1e-12)
    assert_same_gradient(share * found.gradient, dZ.T @ X, 1e-10)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_weight_is_a_repetition(data, kind, metric):
    X, W, rows, similar, _ = data
    times = np.random.default_rng(1).integers(1, 5, M)
    repeated = given(
        kind, "softplus", np.repeat(rows[kind], times, axis=0), np.repeat(similar, times)
    )
    expected = evaluate_tuples(W, X, repeated, metric)
    for scale in (1.0, 1e-200, 1e300):
        weighted = given(kind, "softplus", rows[kind], similar, scale * times)
        assert_same(evaluate_tuples(W, X, weighted, metric), expected, 1e-12)
    plain = evaluate_tuples(W, X, given(kind, "softplus", rows[kind], similar), metric)
    assert abs(plain.loss - expected.loss) > 1e-3 * plain.loss


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("metric", METRICS)
def test_all_triplets_of_labels(data, metric, loss):
    X, W, *_ = data
    y = np.arange(N) % 4
    a, p, n = (at.ravel() for at in np.meshgrid(*[np.arange(N)] * 3, indexing="ij"))
    right = (y[a] == y[p]) & (a != p) & (y[a] != y[n])
    tuples = given("triplets", loss, np.column_stack([a, p, n])[right], None)
    words = resolve_strategies(
        "all",
        "all",
        n_neighbors=1,
        n_impostors=1,
        metric=metric,
        n_components=K,
        pairs=False,
    )
    expected = evaluate(
        W, X, LabelRelation(y), metric, TripletConstraints(loss, MARGIN, *words)
    )
    assert expected.n_constraints == len(tuples[0])
    assert_same(evaluate_tuples(W, X, tuples, metric), expected)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", KINDS)
def test_sparse_rows_and_small_blocks(data, kind, metric):
    X, W, rows, similar, weights = data
    X = np.where(np.abs(X) > 0.4, X, 0)
    tuples = given(kind, "squared_hinge", rows[kind], similar, weights)
    dense = evaluate_tuples(W, X, tuples, metric)
    sparse = evaluate_tuples(W, csr_matrix(X), tuples, metric)
    assert type(sparse.gradient) is np.ndarray
    assert sparse.gradient.flags.c_contiguous
    assert_same(sparse, dense)
    with config_context(working_memory=TINY):
        edges = tuples[0].relate()[1][:2]
        n_blocks = max(len(side.anchors) for side in edges)
        assert len(list(_edges._blocks(edges, K))) == n_blocks > M / 2
        assert_same(evaluate_tuples(W, X, tuples, metric), dense)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", KINDS)
def test_float32_stays_and_is_near(data, kind, metric, loss):
    X, W, rows, similar, weights = data
    tuples = given(kind, loss, rows[kind], similar, weights)
    expected = evaluate_tuples(W, X, tuples, metric)
    X, W = X.astype(np.float32), W.astype(np.float32)
    found = evaluate_tuples(W, X, tuples, metric)
    assert found.gradient.dtype == np.float32
    assert_same(found, expected, 1e-4)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", KINDS)
def test_finite_where_rows_coincide_or_are_zero(data, kind, metric):
    X, W, rows, similar, _ = data
    X = X.copy()
    X[4:20] = X[3]
    X[20:25] = 0
    tuples = given(kind, "softplus", rows[kind], similar)
    for V in (W, np.zeros_like(W)):
        found = evaluate_tuples(V, X, tuples, metric)
        assert np.isfinite(found.loss)
        assert np.isfinite(found.gradient).all()
    assert (found.gradient == 0).all()


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int64, np.uint64])
def test_integers_of_any_type(data, dtype):
    X, W, rows, _, _ = data
    tuples = given("triplets", "hinge", rows["triplets"], None)
    target, constraints = tuples
    typed = replace(target, tuples=target.tuples.astype(dtype)), constraints
    assert_same(
        evaluate_tuples(W, X, typed, "cosine"), evaluate_tuples(W, X, tuples, "cosine")
    )


# The problem


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", KINDS)
def test_problem_gradient_and_penalty(data, kind, metric):
    X, W, rows, similar, weights = data
    # Fewer places than rows, so that some rows are not named.
    tuples = given(kind, "softplus", rows[kind][:9], similar[:9], weights[:9])
    W0 = np.eye(K, D) + 0.1
    problem = problem_of(X, tuples, W0, metric)
    problem.penalty = 0.3
    named = problem.related_rows()
    assert len(named.X) == len(np.unique(tuples[0].tuples)) < N
    mined = problem.mine(W, named, None)
    assert mined.equals(problem.mine(W, named, None))

    def loss(V):
        return problem.objective(V, named, mined).loss

    penalty = 0.3 / 2 * ((W - W0) ** 2).sum() / (W0**2).sum()
    plain = evaluate_tuples(W, X, tuples, metric).loss
    assert loss(W) == pytest.approx(plain + penalty, rel=1e-12)
    found = problem.objective(W, named, mined).gradient
    assert_same_gradient(found, central_differences(loss, W), 1e-6)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", KINDS)
def test_batches_hold_each_tuple_once_and_average_to_the_whole(data, kind, metric):
    X, W, rows, similar, weights = data
    tuples = given(kind, "softplus", rows[kind], similar, weights)
    problem = problem_of(X, tuples, np.eye(K, D), metric)
    problem.penalty = 0.1
    batches = problem.batches(7, np.random.RandomState(0))
    assert len(batches) == round(M / 7)
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(M))
    assert not np.array_equal(np.concatenate(batches), np.arange(M))
    if kind == "pairs":
        shares = [similar[batch].sum() for batch in batches]
        assert max(shares) - min(shares) <= 2
    parts = [problem.batch_objective(W, batch, None) for batch in batches]
    share = np.array([len(batch) for batch in batches]) / M
    whole = problem.batch_objective(W, np.arange(M), None)
    assert share @ [part.loss for part in parts] == pytest.approx(whole.loss)
    gradient = sum(s * part.gradient for s, part in zip(share, parts, strict=True))
    assert_same_gradient(gradient, whole.gradient, 1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_hold_out_by_kind_and_score(data, kind):
    X, W, rows, similar, weights = data
    tuples = given(kind, "hinge", rows[kind], similar, weights)
    problem = problem_of(X, tuples, np.eye(K, D), "sqeuclidean")
    problem.penalty = 0.1
    kept, score = problem.hold_out(0.25, np.random.RandomState(0))
    again, held = tuples[0].hold_out(0.25, np.random.RandomState(0))
    np.testing.assert_array_equal(again.tuples, kept.target.tuples)
    both = np.concatenate([kept.target.tuples, held.tuples])
    assert sorted(both.tolist()) == sorted(rows[kind].tolist())
    if kind == "pairs":
        assert held.similar.sum() == int(0.25 * similar.sum())
    Z = X @ W.T
    edges = [[((Z[t[0]] - Z[j]) ** 2).sum() for j in t[1:]] for t in held.tuples]
    d = np.array(edges)
    if kind == "triplets":
        right, w = d[:, 0] < d[:, 1], held.weights
    else:
        near, far = held.similar, ~held.similar
        right = d[near] < d[far].T
        w = held.weights[near][:, None] * held.weights[far]
    expected = (w * right).sum() / w.sum()
    assert score(W) == pytest.approx(expected)
    with pytest.raises(ValueError, match="Raise validation_fraction"):
        problem.hold_out(0.01, np.random.RandomState(0))


# The small ones


def test_named_rows():
    tuples = np.array([[7, 2], [2, 900]])
    rows, places = compact_indices(tuples, 1000)
    assert rows.tolist() == [2, 7, 900]
    np.testing.assert_array_equal(rows[places], tuples)
    everything, same = compact_indices(np.array([[0, 2], [2, 1]]), 4)
    assert everything == slice(None)
    assert same.tolist() == [[0, 2], [2, 1]]


def test_shuffled_strata_spread_what_is_rare():
    order = shuffle_strata([np.arange(4), np.arange(4, 100)], np.random.RandomState(0))
    places = np.flatnonzero(order < 4)
    assert sorted(order) == list(range(100))
    assert (np.diff(places) == 25).all() or np.ptp(np.diff(places)) <= 2


def test_equal_weights_take_no_memory():
    weights = normalize_weights(None, 10**12)
    assert weights.shape == (10**12,)
    assert weights.strides == (0,)
