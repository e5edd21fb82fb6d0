"""Copies of a row are one row with a weight; byte-equal rows with another label are not."""

import numpy as np
import pytest
from scipy.sparse import csr_array, csr_matrix

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric._objective._constraints import TripletConstraints
from skmetric._objective._evaluate import evaluate, mine
from skmetric._objective._labels import Labels
from skmetric._relations import LabelRelation, first_copies
from skmetric.mining._strategies import resolve_strategies

RNG = np.random.default_rng(0)
Y = RNG.permutation(np.repeat([0, 1, 2], [14, 12, 10]))
X = RNG.normal(size=(len(Y), 4)) + 2 * np.eye(4)[Y]
LEARNERS = (TripletMetricLearner, ContrastiveMetricLearner)


def metric_of(learner, X, y):
    return learner.fit(X, y).get_mahalanobis_matrix()


# Which rows are copies


def first_by_loops(X, y):
    seen, first = {}, []
    for i, (row, label) in enumerate(zip(X.tolist(), y.tolist(), strict=True)):
        first.append(seen.setdefault((*row, label), i))
    return first


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("make", [np.asarray, csr_array, csr_matrix])
def test_first_copies_against_loops(make, dtype):
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 3, (700, 6)).astype(dtype)
    rows[rng.random(rows.shape) < 0.2] = -0.0
    y = rng.integers(0, 3, 700)
    expected = first_by_loops(rows, y)
    assert 100 < len(set(expected)) < 600
    np.testing.assert_array_equal(first_copies(make(rows), y), expected)


def test_first_copies_of_unsorted_and_doubled_entries_which_stay_as_they_are():
    rows = np.array([[1.0, 0.0, 3.0], [0.0, 0.0, 0.0], [1.0, 0.0, 3.0], [3.0, 0.0, 1.0]])
    X = csr_matrix(
        (
            [3.0, 1.0, 0.0, 0.5, 3.0, 0.5, 1.0, 3.0],
            [2, 0, 1, 0, 2, 0, 2, 0],
            [0, 2, 3, 6, 8],
        ),
        shape=(4, 3),
    )
    np.testing.assert_array_equal(X.toarray(), rows)
    before = X.data.copy(), X.indices.copy(), X.indptr.copy()
    np.testing.assert_array_equal(first_copies(X, np.zeros(4, dtype=int)), [0, 1, 0, 3])
    for was, found in zip(before, (X.data, X.indices, X.indptr), strict=True):
        np.testing.assert_array_equal(found, was)


def test_rows_of_one_hash_are_compared(monkeypatch):
    monkeypatch.setattr(
        "skmetric._relations._hash_rows", lambda X: np.zeros(len(X), dtype=np.uint64)
    )
    # The first row of a hash has its copies; those of others are rows of their own.
    rows = np.array([[1.0], [2.0], [1.0], [2.0]])
    np.testing.assert_array_equal(first_copies(rows, np.zeros(4, dtype=int)), [0, 1, 0, 3])


def test_merged_and_taken_rows():
    labels = Labels(np.array([5, 6, 5, 5, 6]), np.array([0, 1, 0, 3, 1]))
    rows, weights = labels.merged(np.array([4, 3, 2, 0, 1]))
    np.testing.assert_array_equal(rows, [4, 3, 2])
    np.testing.assert_allclose(weights, np.array([2, 1, 2]) / (5 / 3))
    np.testing.assert_array_equal(labels.take(np.array([2, 3, 4, 1])).first, [0, 1, 2, 2])
    np.testing.assert_array_equal(labels.copies_of([1, 3]), [1, 3, 4])
    assert labels.n_distinct == 3
    assert labels.n_pairs_of_copies == 4


# What they do to a fit


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"positives": "all", "negatives": "all"},
        {"loss": "softplus", "positives": "hard", "negatives": "all"},
        {"metric": "cosine", "positives": "all", "negatives": "all", "init": "pca"},
        {"metric": "euclidean", "init": "lda", "negatives": "hard"},
        {"positives": "random", "negatives": "random", "n_subsamples": 1},
    ],
    ids=lambda words: "-".join(map(str, words.values())),
)
@pytest.mark.parametrize("order", ["repeat", "tile"])
@pytest.mark.parametrize("Learner", LEARNERS)
def test_every_row_five_times_is_as_once(Learner, order, words):
    rows = np.arange(len(X)).repeat(5) if order == "repeat" else np.tile(range(len(X)), 5)
    learner = Learner(solver="lbfgs", random_state=0, **words)
    once = metric_of(learner, X, Y)
    fraction = learner.active_fraction_
    often = metric_of(learner, X[rows], Y[rows])
    np.testing.assert_allclose(often, once, atol=1e-5 * np.abs(once).max())
    assert learner.active_fraction_ == pytest.approx(fraction)


@pytest.mark.parametrize("Learner", LEARNERS)
def test_auto_counts_distinct_rows(Learner, monkeypatch):
    monkeypatch.setattr("skmetric._fit.AUTO_FEW_ROWS", len(X))
    monkeypatch.setattr("skmetric._fit.AUTO_SUBSAMPLED_ROWS", len(X))
    learner = Learner(loss="softplus", random_state=0)
    once, often = (metric_of(learner, np.tile(X, (n, 1)), np.tile(Y, n)) for n in (1, 3))
    np.testing.assert_allclose(often, once, atol=1e-8)
    assert learner.fit(np.vstack([X, X + 0.1]), np.tile(Y, 2)).solver_ == "adam"


@pytest.mark.parametrize("metric", ["sqeuclidean", "cosine"])
@pytest.mark.parametrize("loss", ["hinge", "squared_hinge", "softplus", "softmax"])
@pytest.mark.parametrize(
    ("positives", "negatives"),
    [("all", "all"), ("nearest", "nearest"), ("all", "semihard")],
)
def test_a_weight_counts_the_triplets_of_an_anchor(metric, loss, positives, negatives):
    """Against the sum over the single anchors."""
    strategies = resolve_strategies(
        positives,
        negatives,
        n_neighbors=2,
        n_impostors=3,
        metric=metric,
        n_components=4,
        pairs=False,
    )
    learner = TripletMetricLearner(loss=loss, margin=0.6, temperature=0.6)
    constraints = TripletConstraints.of(learner, strategies)
    weights = np.random.default_rng(2).uniform(0.2, 3, len(X))
    W = np.eye(4)
    given = W, X, LabelRelation(Y, weights), metric, constraints
    found = evaluate(*given, mined=mine(*given, None))
    losses, counts, gradients = [], [], []
    for anchor in range(len(X)):
        only = np.zeros(len(X))
        only[anchor] = 1.0
        part = evaluate(W, X, LabelRelation(Y, only), metric, constraints)
        losses.append(part.loss), counts.append(part.n_constraints)
        gradients.append(part.gradient)
    share = weights * counts / np.dot(weights, counts)
    assert found.n_constraints == pytest.approx(np.dot(weights, counts))
    assert found.loss == pytest.approx(np.dot(share, losses))
    np.testing.assert_allclose(
        found.gradient, np.tensordot(share, gradients, 1), atol=1e-12
    )


@pytest.mark.parametrize("Learner", LEARNERS)
def test_copies_of_a_class_make_it_count_for_more(Learner):
    rows = np.concatenate([np.arange(len(X)), np.flatnonzero(Y == 2).repeat(20)])
    learner = Learner(solver="lbfgs", n_subsamples=1, random_state=0)
    plain = metric_of(learner, X, Y)
    weighted = metric_of(learner, X[rows], Y[rows])
    assert np.linalg.norm(weighted - plain) > 0.02 * np.linalg.norm(plain)


@pytest.mark.parametrize("Learner", LEARNERS)
def test_copies_with_another_label_stay_negatives(Learner):
    twins, labels = np.vstack([X, X[:3]]), np.append(Y, (Y[:3] + 1) % 3)
    assert Labels.of(twins, labels).n_distinct == len(twins)
    # Each of the six is the nearest negative of its twin, at distance 0 under any map.
    learner = Learner(solver="lbfgs", n_subsamples=1, n_impostors=1, alpha=1.0)
    assert np.isfinite(metric_of(learner, twins, labels)).all()
    D = np.linalg.norm(twins[:, None] - twins, axis=2)
    assert (D == 0).sum() == len(twins) + 6
    assert learner.active_fraction_ * len(twins) >= 6 / 4


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("Learner", LEARNERS)
def test_a_class_of_copies_alone_has_no_positives(Learner, method):
    with pytest.raises(ValueError, match="copies of a row are one row"):
        getattr(Learner(), method)(X[[0, 0, 0, 1, 1]], [0, 0, 0, 1, 1])
    rows = np.append(np.arange(len(X)), [0, 0])
    y = np.append(Y, [7, 7])
    learner = getattr(Learner(random_state=0), method)(X[rows], y)
    assert np.isfinite(learner.components_).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("Learner", LEARNERS)
def test_copies_within_a_batch_are_merged(Learner, solver):
    """One batch of all rows, so that the order of rows does not matter."""
    learner = Learner(solver=solver, batch_size=1000, max_iter=30, random_state=0)
    once = metric_of(learner.set_params(tol=0), X, Y)
    often = metric_of(learner, np.tile(X, (5, 1)), np.tile(Y, 5))
    np.testing.assert_allclose(often, once, atol=1e-6 * np.abs(once).max())


@pytest.mark.parametrize("Learner", LEARNERS)
def test_a_row_is_held_out_with_its_copies(Learner):
    seen = []

    def scoring(learner, X_held, y_held):
        seen.append(X_held)
        return 0.0

    learner = Learner(solver="adam", max_iter=2, early_stopping=True, scoring=scoring)
    learner.set_params(validation_fraction=0.3, random_state=0)
    learner.fit(np.tile(X, (4, 1)), np.tile(Y, 4))
    copied = [tuple(row) for row in seen[0]]
    learner.fit(X, Y)
    assert len(set(copied)) == len(copied)
    assert set(copied) == {tuple(row) for row in seen[-1]}
