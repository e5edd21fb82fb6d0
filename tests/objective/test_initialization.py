"""Directions of the largest variance against an exact decomposition in float64."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from skmetric import TripletMetricLearner
from skmetric._objective import _scatter
from skmetric._objective._initialization import RowsInMemory, pca
from skmetric._objective._labels import Labels
from skmetric._objective._scatter import MAX_SCATTER

MANY = MAX_SCATTER + 76


def exact(X, k):
    """Directions, and the variance along each, of centered rows."""
    X = X.astype(np.float64)
    _, scales, directions = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    return directions[:k], scales[:k] ** 2


def captured(W, X):
    """The sum of squares of centered rows in the span of orthonormal directions."""
    X = X.astype(np.float64)
    return (((X - X.mean(axis=0)) @ W.T) ** 2).sum()


def rows(n, d, seed=0):
    """Rows that spread most along ten directions, ever less, and alike along others."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    return X + 10 * rng.standard_normal((n, 10)) * 0.8 ** np.arange(10) @ np.eye(10, d)


def found(X, k):
    W = pca(X, k, np.random.RandomState(0))
    assert W.shape == (k, X.shape[1])
    np.testing.assert_allclose(W @ W.T, np.eye(k), atol=1e-12)
    return W


@pytest.mark.parametrize(("n", "d"), [(3000, 30), (40, 60), (3, 5)])
def test_few_features_are_decomposed_exactly(n, d):
    k = min(n - 1, d, 8)
    X = rows(n, d)
    W, (expected, _) = found(X, k), exact(X, k)
    np.testing.assert_allclose(np.abs((W * expected).sum(axis=1)), 1, rtol=1e-9)


@pytest.mark.parametrize("d", [40, MANY])
def test_rows_far_from_zero_in_float32_lose_nothing(d):
    X = rows(500, d).astype(np.float32) + np.float32(1e3)
    W, (_, variances) = found(X, 5), exact(X, 5)
    assert captured(W, X) > 0.999 * variances.sum()


@pytest.mark.parametrize("d", [40, MANY])
def test_a_feature_of_another_scale_does_not_hide_the_others(d):
    X = rows(500, d).astype(np.float32)
    X[:, -1] *= 1e5
    W, (expected, variances) = found(X, 5), exact(X, 5)
    assert abs(W[0] @ expected[0]) == pytest.approx(1)
    assert captured(W[1:], X) > 0.999 * variances[1:].sum()


@pytest.mark.parametrize("n", [300, 2500])
def test_many_features_without_a_gap_in_the_spectrum(n):
    X = np.random.default_rng(0).standard_normal((n, MANY), dtype=np.float32)
    assert captured(found(X, 20), X) > 0.96 * exact(X, 20)[1].sum()


@pytest.mark.parametrize("d", [40, MANY])
def test_more_directions_than_the_rank(d):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3)) @ rng.standard_normal((3, d))
    W, (_, variances) = found(X, 6), exact(X, 6)
    assert captured(W[:3], X) == pytest.approx(variances.sum())
    assert captured(W[3:], X) < 1e-10 * variances.sum()


@pytest.mark.parametrize("d", [40, MANY])
def test_all_that_few_rows_have_to_give(d):
    X = rows(25, d)
    W, (_, variances) = found(X, 25), exact(X, 25)
    assert captured(W, X) == pytest.approx(variances.sum())


def by_rows(X, y, k):
    return RowsInMemory(X, Labels.of(X, y)).lda(k)


def by_moments(X, y, k):
    return _scatter.lda(_scatter.moments_of(X), _scatter.class_moments_of(X, y), k)


def classes(dtype):
    """Rows of four classes, of six features on scales from 1e-3 to 1e3."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, size=200)
    X = rng.standard_normal((200, 6)) + 3 * rng.standard_normal((4, 6))[y]
    return (X * 10.0 ** np.arange(-3, 3)).astype(dtype), y


@pytest.mark.parametrize("lda", [by_rows, by_moments])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lda_takes_no_notice_of_what_is_left_of_dead_features(lda, dtype):
    X, y = classes(dtype)
    noise = 6e-8 * np.random.default_rng(1).integers(-1, 2, size=(len(X), 2))
    full = np.hstack([noise[:, :1], X, noise[:, 1:]]).astype(dtype)
    W, expected = lda(full, y, 3), lda(X, y, 3)
    assert W.shape == (3, 8)
    assert not W[:, [0, -1]].any()
    np.testing.assert_allclose(W[:, 1:-1], expected, rtol=1e-6)
    # Features on whatever scale are no noise.
    assert np.abs(W[:, 1:-1]).min() > 0


@pytest.mark.parametrize("lda", [by_rows, by_moments])
def test_lda_has_no_more_directions_than_live_features(lda):
    X, y = classes(np.float64)
    X[:, 2:] = 0.5
    W = lda(X, y, 3)
    assert W.shape == (2, 6)
    np.testing.assert_allclose(W[:, :2], lda(X[:, :2], y, 2), rtol=1e-9)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_dead_feature_does_not_undo_what_lda_knows():
    X, y = classes(np.float32)
    X /= X.std(axis=0)
    dead = np.zeros((len(X), 1), dtype=np.float32)
    dead[3::17] = 6e-8
    learner = TripletMetricLearner(init="lda", solver="adam", max_iter=20, random_state=0)
    expected = learner.fit(X, y).transform(X)
    found = learner.fit(np.hstack([X, dead]), y).transform(np.hstack([X, dead]))
    # Steps are by the root mean square of all entries, and zeros are some of them.
    np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(expected).max())


@pytest.mark.parametrize("lda", [by_rows, by_moments])
@pytest.mark.parametrize("X", [np.ones((20, 3)), np.eye(4).repeat(5, axis=0)])
def test_lda_refuses_classes_without_spread(lda, X):
    with pytest.raises(ValueError, match=r"do not differ.*'identity' or 'pca'"):
        lda(X, np.repeat(np.arange(4), 5), 1)


@pytest.mark.parametrize("init", ["identity", "pca", "lda", "random"])
@pytest.mark.parametrize("factor", [1e-30, 1e-20, 1e20, 1e30])
def test_rows_whose_squares_float32_cannot_hold_are_refused(init, factor):
    rng = np.random.default_rng(0)
    X = (factor * rng.standard_normal((40, 3))).astype(np.float32)
    learner = TripletMetricLearner(init=init, random_state=0)
    with pytest.raises(ValueError, match=r"Got X of float32 whose rows are .* apart"):
        learner.fit(X, np.arange(40) % 4)
    assert not hasattr(learner, "components_")
    # They are rows like others where the dtype can.
    W = learner.fit(X.astype(np.float64), np.arange(40) % 4).components_
    np.testing.assert_allclose(
        learner.fit(X.astype(np.float64) / factor, np.arange(40) % 4).components_,
        W * factor,
        rtol=1e-6,
        atol=1e-6,
    )


@pytest.mark.parametrize("init", ["identity", "pca", "lda", "random"])
@pytest.mark.parametrize("factor", [1e-300, 1e-170, 1e-162, 1e-155, 1e152, 1e200, 1e306])
@pytest.mark.parametrize("kind", [np.asarray, csr_matrix])
def test_rows_whose_squares_float64_cannot_hold_are_refused(init, factor, kind):
    if init == "lda" and kind is csr_matrix:
        pytest.skip("LDA needs dense rows")
    rng = np.random.default_rng(0)
    X = factor * rng.standard_normal((40, 3))
    learner = TripletMetricLearner(init=init, n_components=2, random_state=0)
    with pytest.raises(
        ValueError, match=r"Got X of float64 whose rows are .* apart"
    ) as got:
        learner.fit(kind(X), np.arange(40) % 4)
    # The distance named is the one there is: about that of the features.
    named = float(str(got.value).split("rows are ")[1].split(" apart")[0])
    assert factor / 10 < named < factor * 20


def test_a_small_feature_beside_a_constant_one_is_seen():
    small = 1e-170 * np.random.default_rng(0).standard_normal(40)
    X = np.column_stack([np.ones(40), small])
    for init in ("identity", "pca"):
        with pytest.raises(ValueError, match=r"rows are \d.*e-(169|170) apart"):
            TripletMetricLearner(init=init, random_state=0).fit(X, np.arange(40) % 4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e-170, 1e-155, 1e155, 1e200])
def test_a_map_whose_squares_cannot_be_held_is_refused(dtype, size):
    X, y = classes(dtype)
    before = size * np.eye(6)
    learner = TripletMetricLearner(init=before)
    # float32 knows these numbers as 0 or infinity.
    with pytest.raises(ValueError, match=r"init .*(largest entry|of zeros only|infinity)"):
        learner.fit(X, y)
    assert vars(learner) == vars(TripletMetricLearner(init=before))


@pytest.mark.parametrize("size", [1e-100, 1e100])
def test_a_map_may_undo_the_scale_of_rows(size):
    X, y = classes(np.float64)
    learner = TripletMetricLearner(init=size * np.eye(6), solver="adam", random_state=0)
    expected = TripletMetricLearner(init=np.eye(6), solver="adam", random_state=0)
    expected = expected.fit(X, y).transform(X)
    np.testing.assert_allclose(
        learner.fit(X / size, y).transform(X / size),
        expected,
        atol=1e-9 * np.abs(expected).max(),
    )
    with pytest.raises(ValueError, match=r"rows are .* apart under the map given as init"):
        learner.fit(X * size**0.7, y)


@pytest.mark.parametrize("value", [0, 0.1, 1, 1e8])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_sparse_rows_that_are_all_alike_have_any_directions(value, k):
    X = csr_matrix(np.full((30, 4), value))
    W = RowsInMemory(X, None).pca(k, np.random.RandomState(0))
    np.testing.assert_array_equal(W @ W.T, np.eye(k))


@pytest.mark.parametrize("n_components", [None, 1])
def test_a_single_sparse_feature(n_components):
    X, y = classes(np.float64)
    learner = TripletMetricLearner(n_components, init="pca", random_state=0)
    dense = learner.fit(X[:, :1], y).components_
    np.testing.assert_allclose(learner.fit(csr_matrix(X[:, :1]), y).components_, dense)


@pytest.mark.filterwarnings("ignore:.*learnt next to nothing")
def test_sparse_rows_that_differ_by_rounding_have_directions_or_are_refused():
    X = np.ones((30, 4))
    X[0, 0] += np.finfo(float).eps
    learner = TripletMetricLearner(2, init="pca", random_state=0)
    try:
        learner.fit(csr_matrix(X), np.arange(30) % 3)
    except ValueError as error:
        # Some versions of ARPACK find none.
        assert "Got init='pca' with sparse X whose features vary by 2.22e-16" in str(error)
        assert not hasattr(learner, "components_")
    else:
        assert np.linalg.matrix_rank(learner.components_) == 2


@pytest.mark.parametrize("lda", [by_rows, by_moments])
@pytest.mark.parametrize("separate", [False, True])
def test_lda_refuses_classes_of_one_mean(lda, separate):
    X = np.array([[1.0, 0.5], [-1.0, 0.25], [3.0, 1.0], [-3.0, -0.25]] * 2)
    X[4:] *= -1
    X[:4] -= X[:4].mean(axis=0)
    X[4:] -= X[4:].mean(axis=0)
    if separate:
        # Where the means differ, rows of a class do not.
        X = np.column_stack([X, np.repeat([0.0, 1.0], 4)])
    with pytest.raises(ValueError, match=r"means of the classes do not differ.*'pca'"):
        lda(X, np.repeat([0, 1], 4), 1)


@pytest.mark.parametrize("find", ["pca", "lda"])
@pytest.mark.parametrize("factor", [1e-155, 1e155, 1e200])
def test_moments_that_float64_cannot_hold_are_refused(find, factor):
    X, y = classes(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        moments = _scatter.moments_of(factor * X)
        given = {"pca": (2,), "lda": (_scatter.class_moments_of(factor * X, y), 2)}[find]
        with pytest.raises(ValueError, match=r"Got X of float64 whose rows are .* apart"):
            getattr(_scatter, find)(moments, *given)


@pytest.mark.parametrize("init", [[[1.0, 2.0], [1.0]], 5, None, {}, [1.0, 2.0]])
def test_what_is_no_map_to_start_from_is_named(init):
    X, y = np.random.default_rng(0).normal(size=(20, 2)), np.arange(20) % 2
    with pytest.raises(ValueError, match=r"^Got init=.*'lda'.*\(n_components, 2\)"):
        TripletMetricLearner(init=init).fit(X, y)
