"""Few edges an anchor: against enumerated tuples, against blocks, with rows left out."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn import config_context

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric._fit import constraints_for, resolve_auto
from skmetric._objective import _evaluate
from skmetric._objective._evaluate import evaluate, mine
from skmetric._relations import EdgeLists, GroupLists, LabelRelation
from skmetric.distances import METRICS
from skmetric.losses import LOSSES, contrastive_loss, triplet_loss
from skmetric.mining import mine_pairs, mine_triplets
from skmetric.mining._strategies import nearest_rows
from tests.designs import covering

FEW = {"positives": "nearest", "negatives": "nearest", "n_neighbors": 2, "n_impostors": 3}
LEARNERS = (TripletMetricLearner, ContrastiveMetricLearner)
# So little memory (MiB) that a block has one row.
TINY = 1e-4


@pytest.fixture(scope="module")
def data():
    """Unbalanced classes, one of a single row and one with a single positive each."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(np.arange(5), [30, 1, 12, 2, 25]))
    X = rng.normal(size=(len(y), 5)) + np.eye(5)[y]
    return X, y, rng.normal(size=(3, 5)) / 3


def constraints_of(learner, metric, loss, **words):
    constraints = constraints_for(
        resolve_auto(learner(metric=metric, loss=loss, **(FEW | words)), False), 3
    )
    if learner is TripletMetricLearner:
        return replace(constraints, margin=0.6)
    return replace(constraints, margin=0.6, pos_margin=0.2, negative_weight=10.0)


def enumerated(learner, X, y, W, metric, loss, **words):
    """Loss, gradient and number of constraints, each on its own."""
    E, words = X @ W.T, FEW | words
    options = {"margin": 0.6, "metric": metric, "loss": loss, "return_gradient": True}
    if learner is TripletMetricLearner:
        tuples = mine_triplets(E, y, metric=metric, **words)
        parts = [(tuples, 1.0, triplet_loss(*(E[at] for at in tuples.T), **options))]
    else:
        tuples, similar = mine_pairs(E, y, metric=metric, **words)
        parts = []
        for kind, weight in ((True, 1.0), (False, 10.0)):
            pairs = tuples[similar == kind]
            given = np.full(len(pairs), kind)
            found = contrastive_loss(
                *(E[at] for at in pairs.T), given, pos_margin=0.2, **options
            )
            parts.append((pairs, weight, found))
    dE, value = np.zeros_like(E), 0.0
    for rows, weight, (loss_of_part, gradients) in parts:
        value += weight * loss_of_part
        for at, gradient in zip(rows.T, gradients, strict=True):
            np.add.at(dE, at, weight * gradient)
    return value, dE.T @ X, len(tuples)


@pytest.mark.parametrize(
    ("learner", "metric", "loss", "make", "working_memory"),
    covering(product(LEARNERS, METRICS, LOSSES, [np.asarray, csr_matrix], [1024, TINY])),
)
def test_edges_against_enumeration(data, learner, metric, loss, make, working_memory):
    X, y, W = data
    constraints = constraints_of(learner, metric, loss)
    value, gradient, n = enumerated(learner, X, y, W, metric, loss)
    with config_context(working_memory=working_memory):
        mined = mine(W, make(X), LabelRelation(y), metric, constraints, None)
        found = evaluate(W, make(X), LabelRelation(y), metric, constraints, mined=mined)
        by_block = evaluate(W, make(X), LabelRelation(y), metric, constraints)
    assert isinstance(mined, EdgeLists)
    for other in (found, by_block):
        assert other.n_constraints == n
        assert other.loss == pytest.approx(value, rel=1e-10)
        np.testing.assert_allclose(other.gradient, gradient, rtol=1e-8, atol=1e-12)
    assert 0 < found.active_fraction == by_block.active_fraction


@pytest.mark.parametrize(
    ("learner", "metric", "loss", "make", "working_memory"),
    covering(product(LEARNERS, METRICS, LOSSES, [np.asarray, csr_matrix], [1024, TINY])),
)
def test_groups_against_enumeration(
    data, learner, metric, loss, make, working_memory, monkeypatch
):
    X, y, W = data
    monkeypatch.setattr(_evaluate, "GROUP_COST", 0)
    constraints = constraints_of(learner, metric, loss, positives="all")
    words = {"n_neighbors": 99} if learner is ContrastiveMetricLearner else {}
    words["positives"] = "nearest" if words else "all"
    value, gradient, n = enumerated(learner, X, y, W, metric, loss, **words)
    with config_context(working_memory=working_memory):
        mined = mine(W, make(X), LabelRelation(y), metric, constraints, None)
        found = evaluate(W, make(X), LabelRelation(y), metric, constraints, mined=mined)
    assert isinstance(mined, GroupLists)
    assert mined.equals(mined)
    assert not mined.equals(EdgeLists(*[mined.negatives] * 2, mined.totals))
    assert found.n_constraints == n
    assert found.loss == pytest.approx(value, rel=1e-10)
    np.testing.assert_allclose(found.gradient, gradient, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("learner", LEARNERS)
def test_trees_find_what_blocks_do(data, learner, metric, monkeypatch):
    X, y, W = data
    relation = LabelRelation(y, 1 + np.arange(len(y)) % 3.0)
    constraints = constraints_of(learner, metric, "hinge")
    by_blocks = mine(W, X, relation, metric, constraints, None)
    monkeypatch.setattr(_evaluate, "TREE_ROWS", 0)
    monkeypatch.setattr(_evaluate, "ROWS_PER_ROOT_OF_GROUPS", 0)
    monkeypatch.setattr(_evaluate, "_mine", None)
    by_trees = mine(W, X, relation, metric, constraints, None)
    np.testing.assert_array_equal(by_trees.totals, by_blocks.totals)
    assert by_trees.equals(by_blocks)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("learner", LEARNERS)
def test_edges_gradient_is_the_slope(data, learner, metric):
    X, y, W = data
    constraints = constraints_of(learner, metric, "softplus")
    mined = mine(W, X, LabelRelation(y), metric, constraints, None)

    def loss(V):
        return evaluate(V, X, LabelRelation(y), metric, constraints, mined=mined).loss

    step, slope = 1e-5, np.zeros_like(W)
    for at in np.ndindex(W.shape):
        away = np.zeros_like(W)
        away[at] = step
        slope[at] = (loss(W + away) - loss(W - away)) / (2 * step)
    gradient = evaluate(W, X, LabelRelation(y), metric, constraints, mined=mined).gradient
    np.testing.assert_allclose(gradient, slope, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("learner", LEARNERS)
def test_edges_keep_float32(data, learner):
    X, y, W = data
    constraints = constraints_of(learner, "sqeuclidean", "hinge")
    mined = mine(W, X, LabelRelation(y), "sqeuclidean", constraints, None)
    exact = evaluate(W, X, LabelRelation(y), "sqeuclidean", constraints, mined=mined)
    single = [a.astype(np.float32) for a in (W, X)]
    found = evaluate(*single, LabelRelation(y), "sqeuclidean", constraints, mined=mined)
    assert found.gradient.dtype == np.float32
    assert found.loss == pytest.approx(exact.loss, rel=1e-5)
    np.testing.assert_allclose(found.gradient, exact.gradient, atol=1e-4)


def test_coincident_rows_give_no_euclidean_slope(data):
    _, y, W = data
    X = np.zeros((len(y), 5))
    constraints = constraints_of(TripletMetricLearner, "euclidean", "softplus")
    mined = mine(W, X, LabelRelation(y), "euclidean", constraints, None)
    assert not evaluate(
        W, X, LabelRelation(y), "euclidean", constraints, mined=mined
    ).gradient.any()


def test_many_edges_stay_blocks(data):
    X, y, W = data
    constraints = constraints_of(
        TripletMetricLearner, "sqeuclidean", "hinge", positives="all"
    )
    mined = mine(W, X, LabelRelation(y), "sqeuclidean", constraints, None)
    assert not isinstance(mined, EdgeLists)
    few = constraints_of(TripletMetricLearner, "sqeuclidean", "hinge")
    other = mine(W, X, LabelRelation(y), "sqeuclidean", few, None)
    assert mined.equals(mined) and other.equals(other)
    assert not mined.equals(other) and not other.equals(mined)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 3])
def test_nearest_in_long_rows_against_sorting(k, dtype):
    # Rows so long that far columns are left out first; many ties; few candidates.
    rng = np.random.default_rng(0)
    distances = rng.integers(0, 50, (40, 700)).astype(dtype)
    candidates = rng.random((40, 700)) < np.linspace(0, 0.2, 40)[:, None]
    candidates[5], candidates[6] = False, True
    anchors, columns = nearest_rows(distances, candidates, None, k)
    expected = [
        (a, n)
        for a in range(40)
        for n in sorted(np.flatnonzero(candidates[a]), key=lambda n: (distances[a, n], n))[
            :k
        ]
    ]
    assert list(zip(anchors, columns, strict=True)) == expected
