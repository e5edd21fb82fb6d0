"""How strongly classes shape W₀: by classes that lie in one subspace, or in none."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric._objective import _strength
from skmetric._objective._labels import Labels
from skmetric._objective._scatter import discriminant, discriminants
from skmetric._objective._strength import (
    STRENGTHS,
    default_alpha,
    r_precision,
    some_of_each_class,
    strength_of,
)
from skmetric.metrics import r_precision as mean_r_precision

RNG = np.random.default_rng(0)


def in_a_subspace(n_classes, per_class=6, seed=0):
    """Classes that two of ten directions tell apart; the others vary ten times as much."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(n_classes), per_class)
    told = rng.normal(size=(n_classes, 2))[y] + 0.1 * rng.normal(size=(len(y), 2))
    return np.hstack([told, 10 * rng.normal(size=(len(y), 8))]), y


def each_by_its_own(n_classes, per_class=30, seed=0):
    """Classes each of which differs from the others by a feature of its own."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(n_classes), per_class)
    return rng.normal(size=(len(y), n_classes)) + 4 * np.eye(n_classes)[y], y


def found(X, y):
    return strength_of(Labels.of(X, y), X.__getitem__, X.shape[1])


@pytest.mark.parametrize(("n_classes", "per_class"), [(12, 20), (60, 6)])
def test_classes_in_one_subspace_shape_it_in_full(n_classes, per_class):
    assert found(*in_a_subspace(n_classes, per_class)) == 2


@pytest.mark.parametrize("n_classes", [6, 12])
def test_classes_that_say_nothing_of_others_shape_it_less(n_classes):
    X, y = each_by_its_own(n_classes)
    assert found(X, y) <= 0.5


def test_labels_that_mean_nothing_leave_it_as_it_is():
    X, y = each_by_its_own(12)
    assert found(X, np.random.default_rng(1).permutation(y)) == 1


@pytest.mark.parametrize("n_classes", [2, 3])
def test_two_or_three_classes_cannot_be_left_out(n_classes):
    assert found(*in_a_subspace(n_classes)) == 1


def test_many_features_are_not_looked_at(monkeypatch):
    monkeypatch.setattr(_strength, "MAX_FEATURES", 9)
    assert found(*in_a_subspace(12)) == 1


def test_classes_of_one_row_cannot_be_retrieved():
    X = RNG.normal(size=(20, 3))
    assert found(X, np.arange(20)) == 1


def test_units_order_and_copies_of_rows_change_nothing():
    X, y = each_by_its_own(8, seed=2)
    order = RNG.permutation(len(y))
    expected = found(X, y)
    assert found(1000 * X[order], y[order]) == expected
    assert found(X + 1e9, y) == expected
    assert found(np.repeat(X, 2, axis=0), np.repeat(y, 2)) == expected


def test_r_precision_is_that_of_each_class():
    X, y = RNG.normal(size=(60, 4)), RNG.integers(0, 7, 60)
    y[0] = 7  # The only row of its class.
    expected = [
        np.mean(
            [
                np.mean(y[nearest_others(X, row)[: np.sum(y == label) - 1]] == label)
                for row in np.flatnonzero(y == label)
            ]
        )
        for label in range(7)
    ]
    np.testing.assert_allclose(r_precision(X, y), expected)
    sizes = np.bincount(y)[:7]
    total = np.average(r_precision(X, y), weights=sizes)
    assert mean_r_precision(X, y) == pytest.approx(total)


def nearest_others(X, row):
    order = np.argsort(((X - X[row]) ** 2).sum(axis=1))
    return order[order != row]


def test_rows_in_the_axes_of_a_map_are_as_far_apart_as_mapped_rows():
    X, y = each_by_its_own(5)
    for found in discriminants(Labels.of(X, y).scatters(X.__getitem__), 5, STRENGTHS):
        Z = X @ found.as_array().T
        E = found.along_axes(X @ found.vectors)
        np.testing.assert_allclose(E @ E.T, Z @ Z.T, atol=1e-10)


def test_maps_of_several_strengths_are_those_of_each():
    X, y = each_by_its_own(5, per_class=200)  # so many that strength 2 is shrunk less
    scatters = Labels.of(X, y).scatters(X.__getitem__)
    for strength, found in zip(
        STRENGTHS, discriminants(scatters, 5, STRENGTHS), strict=True
    ):
        W, scale = discriminant(scatters, 5, strength)
        np.testing.assert_allclose(found.as_array(), W, atol=1e-12)
        assert found.scale == scale


@pytest.mark.parametrize(
    ("loss", "spread", "expected"),
    [(0.005, 0, 1), (0.02, 0, 0.5), (0.02, 0.2, 1), (-0.02, 0, 1)],
)
def test_a_loss_counts_beyond_a_hundredth_and_a_standard_error(loss, spread, expected):
    # By strength, the nearest to 1 first; that of a half is the best but in the last case.
    scores = np.full((len(STRENGTHS), 4), 0.5)
    scores[STRENGTHS.index(0.5)] = 0.8
    scores[STRENGTHS.index(1)] = 0.8 - loss * 0.8 + spread * np.array([1, -1, 1, -1])
    assert _strength._nearest_to_1(scores) == expected


def test_some_rows_are_as_many_of_each_class_and_in_order():
    codes = RNG.permutation(np.repeat(np.arange(4), [3, 50, 100, 500]))
    rows = some_of_each_class(codes, 100)
    np.testing.assert_array_equal(np.bincount(codes[rows]), [3, 25, 25, 25])
    assert (np.diff(rows) > 0).all()
    among = codes != 3
    rows = some_of_each_class(codes, 100, among, 2)
    np.testing.assert_array_equal(np.unique(codes[rows]), [0, 2])
    np.testing.assert_array_equal(some_of_each_class(codes, 1000), np.arange(653))


@pytest.mark.parametrize("per_class", [2, 3])
def test_of_too_many_classes_some_are_taken(per_class):
    codes = RNG.permutation(np.repeat(np.arange(90), per_class))
    rows = some_of_each_class(codes, 100)
    assert np.bincount(np.bincount(codes[rows])).tolist() == [40, 0, 50]


def test_the_penalty_is_stronger_with_few_rows():
    rows = 2, 100, 101, 250, 499, 500, 10**6
    found = [default_alpha(n, 1) for n in rows]
    np.testing.assert_allclose(found, [0.5, 0.5, 50 / 101, 0.2, 50 / 499, 0.1, 0.1])
    assert [default_alpha(n, 2) for n in rows] == found
    assert {default_alpha(n, strength) for n in rows for strength in (0, 0.25, 0.5)} == {1}


@pytest.mark.parametrize("Learner", [TripletMetricLearner, ContrastiveMetricLearner])
@pytest.mark.parametrize(
    ("make", "alpha"),
    [(in_a_subspace, 50 / 240), (each_by_its_own, 1)],
    ids=["many", "own"],
)
def test_the_penalty_is_stronger_where_classes_say_nothing_of_others(Learner, make, alpha):
    X, y = make(12, per_class=20)
    learner = Learner(random_state=0).fit(X, y)
    assert learner.alpha_ == pytest.approx(alpha)
    expected = Learner(alpha=learner.alpha_, random_state=0).fit(X, y)
    np.testing.assert_array_equal(learner.components_, expected.components_)
    other = Learner(alpha=10.0, random_state=0).fit(X, y)
    assert other.alpha_ == 10
    assert not np.allclose(other.components_, expected.components_)


@pytest.mark.parametrize("init", ["identity", "pca", np.eye(12)], ids=str)
def test_a_start_without_classes_has_the_penalty_of_its_rows(init):
    X, y = each_by_its_own(12, per_class=25)
    learner = TripletMetricLearner(init=init)
    assert learner.fit(X, y).alpha_ == pytest.approx(50 / 300)
    assert learner.fit(csr_array(X), y).alpha_ == pytest.approx(50 / 300)
    copies = np.repeat(X, 2, axis=0), np.repeat(y, 2)
    assert learner.fit(*copies).alpha_ == pytest.approx(50 / 300)


def test_chunks_have_the_penalty_of_the_first():
    own, y_own = each_by_its_own(12, per_class=50)
    X, y = in_a_subspace(12, per_class=50)
    X = np.hstack([X, X[:, :2]])  # as many columns
    learner = TripletMetricLearner(random_state=0)
    assert learner.partial_fit(own, y_own).alpha_ == 1
    assert learner.partial_fit(X, y).alpha_ == 1
    assert learner.fit(X, y).alpha_ == 0.1
    assert learner.partial_fit(own, y_own).alpha_ == 0.1
    assert learner.set_params(alpha=3.0).partial_fit(X, y).alpha_ == 0.1
    assert learner.fit(X, y).set_params(alpha=2.0).partial_fit(X, y).alpha_ == 2


def test_what_has_no_classes_has_the_penalty_of_its_kind():
    X, y = each_by_its_own(4)
    learner = TripletMetricLearner()
    assert learner.fit(X, y + 0.5).alpha_ == 0.1
    assert (
        learner.fit(X, np.eye(4, dtype=int)[y] + np.eye(4, dtype=int)[y - 1]).alpha_ == 0.1
    )
    assert learner.fit_triplets(X, [[0, 1, 40], [50, 51, 2]]).alpha_ == 0.1
    for side in ("both", "queries"):
        matches = [[0, 1], [30, 31], [60, 61]]
        assert learner.fit_matches(X, X, matches, side=side).alpha_ == 1
