"""How strongly classes shape W₀: by classes that lie in one subspace, or in none."""

import numpy as np
import pytest

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric._objective import _strength
from skmetric._objective._labels import Labels
from skmetric._objective._scatter import decompose, discriminant_map, in_discriminant_axes
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


@pytest.mark.parametrize("n_classes", [5, 12, 60])
def test_classes_in_one_subspace_shape_it_in_full(n_classes):
    assert found(*in_a_subspace(n_classes)) >= 2


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
    parts = decompose(Labels.of(X, y).scatters(X.__getitem__), 5, share=0.1)
    for strength in STRENGTHS:
        Z = X @ discriminant_map(*parts, strength)[0].T
        E = in_discriminant_axes(X, *parts, strength)
        np.testing.assert_allclose(E @ E.T, Z @ Z.T, atol=1e-10)


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


def test_the_penalty_is_stronger_with_few_classes():
    assert [default_alpha(n) for n in (2, 3, 4, 7, 25, 1000)] == [0.1, 0.1, 1, 1, 0.1, 0.1]
    between = [default_alpha(n) for n in range(7, 26)]
    assert between == sorted(between, reverse=True)


@pytest.mark.parametrize("Learner", [TripletMetricLearner, ContrastiveMetricLearner])
@pytest.mark.parametrize("n_classes", [3, 5, 12])
def test_the_default_alpha_is_that_of_the_number_of_classes(Learner, n_classes):
    X, y = in_a_subspace(n_classes)
    expected = Learner(alpha=default_alpha(n_classes), random_state=0).fit(X, y)
    learner = Learner(random_state=0).fit(X, y)
    np.testing.assert_array_equal(learner.components_, expected.components_)
    other = Learner(alpha=10.0, random_state=0).fit(X, y)
    assert not np.allclose(other.components_, expected.components_)
