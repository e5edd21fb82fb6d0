"""Several labels a row: relation, scatter, batches and rows held out, against loops."""

from itertools import product

import numpy as np
import pytest
from scipy.sparse import csr_array, csr_matrix
from scipy.sparse.csgraph import connected_components
from sklearn import config_context

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric._fit import constraints_for
from skmetric._objective._evaluate import evaluate, mine
from skmetric._objective._labels import Labels, SetsOfLabels, draw_labels
from skmetric._relations import LabelRelation, RankRelation, SharedLabelRelation
from skmetric.distances import METRICS
from skmetric.losses import LOSSES
from tests.designs import covering

LEARNERS = (TripletMetricLearner, ContrastiveMetricLearner)
RNG = np.random.default_rng(0)
N, N_LABELS = 40, 6
Y = RNG.random((N, N_LABELS)) < [0.4, 0.2, 0.2, 0.1, 0.1, 0.0]
Y[~Y.any(axis=1), 1] = True
Y[:, 5] = np.arange(N) == 3  # A label of a single row.
X = RNG.normal(size=(N, 4)) + Y @ RNG.normal(size=(N_LABELS, 4))
WEIGHTS = 1 + np.arange(N) % 3.0
# Blocks of one row.
TINY = 1e-4


def sets_of(Y, X=X):
    return SetsOfLabels.of(X, csr_array(Y))


class MasksByLoops:
    """The same relation, pair by pair."""

    layout, weights = "masks", WEIGHTS

    def __init__(self):
        share = np.array(
            [[bool(set(a.nonzero()[0]) & set(b.nonzero()[0])) for b in Y] for a in Y]
        )
        self.is_positive, self.is_negative = share & ~np.eye(N, dtype=bool), ~share

    def masks(self, rows):
        return self.is_positive[rows].copy(), self.is_negative[rows].copy()

    def groups(self):
        return None

    def max_per_anchor(self):
        return self.is_positive.sum(axis=1).max(), self.is_negative.sum(axis=1).max()


def test_masks_against_loops():
    relation, expected = SharedLabelRelation(csr_array(Y)), MasksByLoops()
    for rows in (slice(0, N), slice(7, 19), slice(N - 1, N)):
        for found, mask in zip(relation.masks(rows), expected.masks(rows), strict=True):
            np.testing.assert_array_equal(found, mask)
    most = zip(relation.max_per_anchor(), expected.max_per_anchor(), strict=True)
    assert all(N > bound >= exact for bound, exact in most)


@pytest.mark.parametrize(
    ("learner", "positives", "negatives", "metric", "loss", "memory"),
    covering(
        case
        for case in product(
            LEARNERS,
            ["all", "nearest", "hard", "random"],
            ["all", "nearest", "semihard", "hard", "random", "distance_weighted"],
            METRICS,
            [*LOSSES, "softmax"],
            [1024, TINY],
        )
        if case[2] != "semihard" or case[0] is TripletMetricLearner
        if case[2] != "distance_weighted" or case[3] == "cosine"
        if case[4] != "softmax" or case[0] is TripletMetricLearner
    ),
)
def test_every_word_against_masks_by_loops(
    learner, positives, negatives, metric, loss, memory
):
    words = {"positives": positives, "negatives": negatives}
    margins = {"pos_margin": 0.2} if learner is ContrastiveMetricLearner else {}
    parameters = learner(
        metric=metric,
        loss=loss,
        margin=0.6,
        n_neighbors=2,
        n_impostors=3,
        **words,
        **margins,
    )
    constraints = constraints_for(parameters, 3)
    W = RNG.normal(size=(3, 4)) / 3
    expected = evaluate(
        W, X, MasksByLoops(), metric, constraints, random_state=np.random.RandomState(0)
    )
    relation = SharedLabelRelation(csr_array(Y), WEIGHTS)
    with config_context(working_memory=memory):
        rng = np.random.RandomState(0)
        mined = mine(W, X, relation, metric, constraints, rng)
        found = evaluate(W, X, relation, metric, constraints, mined=mined)
    assert 0 < expected.active_fraction <= 1
    assert found.n_constraints == pytest.approx(expected.n_constraints)
    assert found.loss == pytest.approx(expected.loss, rel=1e-9)
    np.testing.assert_allclose(found.gradient, expected.gradient, rtol=1e-8, atol=1e-10)


def test_relations_without_groups_are_mined_by_blocks_or_edges():
    """All positives and listed negatives, for which classes would be groups."""
    W, rng = np.eye(4), np.random.RandomState(0)
    parameters = TripletMetricLearner(
        positives="all", negatives="nearest", n_neighbors=4, loss="hinge"
    )
    constraints = constraints_for(parameters, 4)
    for relation in (
        RankRelation(X[:, 0], np.ones(N)),
        SharedLabelRelation(csr_array(Y)),
    ):
        given = W, X, relation, "sqeuclidean", constraints
        mined = mine(*given, rng)
        expected = evaluate(*given, random_state=rng)
        assert evaluate(*given, mined=mined).loss == pytest.approx(expected.loss)


@pytest.mark.parametrize("learner", LEARNERS)
def test_one_label_a_row_is_its_class(learner):
    y = np.argmax(Y, axis=1)
    options = {"n_subsamples": 1, "init": "identity", "alpha": 0.1}
    by_class, by_sets = (
        learner(**options).fit(X, labels).components_ for labels in (y, np.eye(6)[y])
    )
    np.testing.assert_allclose(by_sets, by_class, rtol=1e-7, atol=1e-9)


def scatter_by_loops(X, Y):
    """An anchor, one of its labels that another row has, another row with that label."""
    within, n_anchors = np.zeros((X.shape[1],) * 2), 0
    for a in range(len(X)):
        labels = [label for label in Y[a].nonzero()[0] if Y[:, label].sum() > 1]
        n_anchors += bool(labels)
        for label in labels:
            others = [p for p in Y[:, label].nonzero()[0] if p != a]
            for p in others:
                apart = X[a] - X[p]
                within += np.outer(apart, apart) / len(labels) / len(others)
    shares = csr_matrix(Y.astype(int) @ Y.T.astype(int))
    n_degrees = len(X) - connected_components(shares)[0]
    return within / (2 * n_anchors), np.cov(X.T, bias=True), n_degrees


@pytest.mark.parametrize("far", [0.0, 1e6])
@pytest.mark.parametrize("entries", [2**20, 28])
def test_scatter_against_loops(far, entries, monkeypatch):
    monkeypatch.setattr("skmetric._objective._labels.PART_ENTRIES", entries)
    shifted = X + far
    found = sets_of(Y, shifted).scatters(shifted.__getitem__)
    for matrix, expected in zip(found, scatter_by_loops(X, Y), strict=True):
        np.testing.assert_allclose(matrix, expected, atol=1e-8, rtol=1e-8)


def test_scatter_of_classes_of_one_size_is_that_of_labels():
    y = np.arange(N) % 8
    found = sets_of(np.eye(8)[y] > 0).scatters(X.__getitem__)
    expected = Labels.of(X, y).scatters(X.__getitem__)
    for of_sets, of_labels in zip(found, expected, strict=True):
        np.testing.assert_allclose(of_sets, of_labels, atol=1e-12)


def test_copies_with_the_same_labels_are_one_row():
    at = np.concatenate([np.arange(N), [3, 3, 8]])
    other = Y[[8]] ^ (np.arange(N_LABELS) == 0)
    target = sets_of(np.vstack([Y[at], other]), X[[*at, 8]])
    np.testing.assert_array_equal(target.first, [*at, N + 3])
    rows, relation = target.relate()
    np.testing.assert_array_equal(rows, [*range(N), N + 3])
    np.testing.assert_allclose(relation.weights[[3, 8, 0]] / relation.weights[0], [3, 2, 1])
    for once, repeated in zip(
        sets_of(Y).scatters(X.__getitem__),
        sets_of(Y[at], X[at]).scatters(X[at].__getitem__),
        strict=True,
    ):
        np.testing.assert_allclose(once, repeated)


def test_labels_are_drawn_by_their_rarity():
    one = np.zeros((8, 3), dtype=bool)
    one[:, 0], one[:2, 1], one[7, 2] = True, True, True
    rng, n_draws = np.random.RandomState(0), 3000
    drawn = np.array([draw_labels(csr_array(one), rng) for _ in range(n_draws)])
    assert (drawn[:, 2:7] == 0).all()
    # Odds of 1/2 to 1/8, and of 1 to 1/8; five standard errors.
    for row, label, share in ((0, 1, 0.8), (1, 1, 0.8), (7, 2, 8 / 9)):
        error = (share * (1 - share) / n_draws) ** 0.5
        assert abs((drawn[:, row] == label).mean() - share) < 5 * error


def test_batches_hold_every_row_and_have_both_kinds():
    target, rng = sets_of(Y), np.random.RandomState(0)
    for _ in range(3):
        batches = target.batches(12, rng)
        np.testing.assert_array_equal(np.unique(np.concatenate(batches)), np.arange(N))
        for batch in batches:
            _, relation = target.relate(batch)
            is_positive, is_negative = relation.masks(slice(0, len(batch)))
            assert is_positive.any()
            assert is_negative.any()


def test_rows_held_out_are_judged_by_a_label_in_common():
    kept, held = sets_of(Y).hold_out(0.25, np.random.RandomState(0))
    np.testing.assert_array_equal(
        np.sort(np.concatenate([kept.rows, held.rows])), np.arange(N)
    )
    W = RNG.normal(size=(2, 4))
    right = []
    for row in held.rows:
        distances = np.linalg.norm((X[kept.rows] - X[row]) @ W.T, axis=1)
        right.append((Y[kept.rows[distances.argmin()]] & Y[row]).any())
    score = held.judge(kept, X, "sqeuclidean", np.random.RandomState(0))
    assert 0 < np.mean(right) < 1
    assert score(W) == pytest.approx(np.mean(right))
    np.testing.assert_array_equal(held.y.toarray(), Y[held.rows])


def test_one_label_relation_is_that_of_labels():
    y = np.argmax(Y, axis=1)
    shared, plain = SharedLabelRelation(csr_array(np.eye(6)[y] > 0)), LabelRelation(y)
    for a, b in zip(shared.masks(slice(3, 30)), plain.masks(slice(3, 30)), strict=True):
        np.testing.assert_array_equal(a, b)
