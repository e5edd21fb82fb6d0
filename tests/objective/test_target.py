"""A continuous target, and weights of classes: against loops, and what they leave alike."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import make_friedman1
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import StandardScaler

from skmetric import ContrastiveMetricLearner, TripletMetricLearner, _relations
from skmetric._objective._labels import ContinuousTarget, Labels, strata_of
from skmetric._relations import LabelRelation, RankRelation
from tests.designs import covering
from tests.maps import metric_of

LEARNERS = [TripletMetricLearner, ContrastiveMetricLearner]
SOLVERS = ["lbfgs", "adam", "sgd"]
METRICS = ["sqeuclidean", "euclidean", "cosine"]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
# Some values are equal.
VALUES = np.round(X[:, 0] + 0.3 * RNG.normal(size=60), 1)
Y = np.repeat([0, 1, 2], [30, 20, 10])


@pytest.fixture(params=LEARNERS)
def learner(request):
    return request.param(solver="lbfgs", n_subsamples=1, random_state=0)


def fitted(learner, *data, **settings):
    return learner.set_params(**settings).fit(*data).get_mahalanobis_matrix()


def rank_of(values, value):
    """The mean rank of those that are equal, from 1."""
    below = sum(other < value for other in values)
    return below + (sum(other == value for other in values) + 1) / 2


# The relation


@pytest.mark.parametrize("n", [3, 4, 9, 60])
def test_masks_against_loops(n):
    values = VALUES[:n]
    relation = RankRelation(values, np.ones(n))
    near = max(_relations.NEAR * n, 1)
    far = max(_relations.FAR * n, near)
    ranks = [rank_of(values, value) for value in values]
    expected = np.zeros((2, n, n), dtype=bool)
    for i, j in np.ndindex(n, n):
        apart = abs(ranks[i] - ranks[j])
        expected[:, i, j] = i != j and apart <= near, apart > far
    for rows in (slice(0, n), slice(1, 3)):
        np.testing.assert_array_equal(relation.masks(rows), expected[:, rows])
    assert relation.max_per_anchor() == tuple(expected.sum(axis=2).max(axis=1))


@pytest.mark.parametrize(
    "values",
    [
        [0.0, 0.5, 1.0],
        [0.5, 0.5, 1.0],
        [0.0] * 50 + [1.0],
        [0.0] + [0.5] * 50 + [1.0],
        np.arange(300.0),
        np.arange(300) // 2 + 0.5,
    ],
    ids=len,
)
def test_some_rows_are_near_and_some_are_far(values):
    is_positive, is_negative = RankRelation(np.array(values), np.ones(len(values))).masks(
        slice(0, len(values))
    )
    assert is_positive.any() and is_negative.any()
    assert not (is_positive & is_negative).any()
    for mask in (is_positive, is_negative):
        np.testing.assert_array_equal(mask, mask.T)


def test_strata_hold_equal_values_and_as_many_rows():
    for n in (3, 7, 40, 403):
        strata = strata_of(RNG.permutation(n) + 0.5)
        sizes = np.bincount(strata)
        assert len(sizes) == min(10, max(2, n // 2))
        assert np.ptp(sizes) <= 1
    strata = strata_of(VALUES)
    for value in VALUES:
        assert len(set(strata[value == VALUES])) == 1
    assert len(set(strata_of(np.array([0.0] * 50 + [1.0])))) == 2


def test_copies_have_one_value():
    rows, values = X[[0, 0, 0, 1, 1, 2]], np.array([0.5, 0.5, 1.0, 2.0, 2.0, 3.0])
    target = ContinuousTarget.of(rows, values)
    np.testing.assert_array_equal(target.first, [0, 0, 2, 3, 3, 5])
    at, relation = target.relate()
    np.testing.assert_array_equal(relation.values, values[at])
    np.testing.assert_allclose(relation.weights, np.array([2, 1, 2, 1]) / 1.5)


def test_what_is_taken_keeps_its_values():
    target = ContinuousTarget.of(X, VALUES)
    rng = np.random.RandomState(0)
    kept, held = target.hold_out(0.3, rng)
    for part in (kept, held, target.half(rng), kept.half(rng)):
        np.testing.assert_array_equal(part.values, VALUES[part.rows])
    assert len(kept) + len(held) == len(X)
    for batch in target.batches(20, rng):
        rows, relation = target.relate(batch)
        np.testing.assert_array_equal(relation.values, VALUES[rows])


def test_judged_by_r2_of_the_nearest_neighbor():
    target = ContinuousTarget.of(X, 1e3 + 1e5 * VALUES)
    kept, held = target.hold_out(0.3, np.random.RandomState(0))
    held = held.take(np.flatnonzero(abs(held.values - 1e3) < abs(kept.values - 1e3).max()))
    W = np.diag([1.0, 0.5, 0.1, 0.1])
    knn = KNeighborsRegressor(1).fit(X[kept.rows] @ W.T, kept.values)
    errors = knn.predict(X[held.rows] @ W.T) - np.clip(
        held.values, kept.values.min(), kept.values.max()
    )
    expected = 1 - (errors**2).mean() / kept.values.var()
    score = held.judge(kept, X, "sqeuclidean", np.random.RandomState(0))(W)
    assert score == pytest.approx(expected)


# Fits to it


@pytest.mark.parametrize(
    ("Learner", "solver", "metric", "negatives"),
    covering(
        [
            (Learner, solver, metric, negatives)
            for Learner in LEARNERS
            for solver in SOLVERS
            for metric in METRICS
            for negatives in ("nearest", "all", "hard", "random")
        ]
    ),
)
def test_only_the_order_of_the_target_matters(Learner, solver, metric, negatives):
    settings = {"solver": solver, "metric": metric, "negatives": negatives}
    learner = Learner(**settings, max_iter=4, n_subsamples=1, batch_size=30, random_state=0)
    learner.set_params(batch_size=None if solver == "lbfgs" else 30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        W = fitted(learner, X, VALUES)
        np.testing.assert_array_equal(W, fitted(learner, X, np.exp(VALUES)))
        order = fitted(learner, X, 1e300 * VALUES, target="continuous")
    np.testing.assert_array_equal(W, order)
    assert not np.allclose(W, metric_of(learner.initial_components_))


def test_it_is_as_near_backwards(learner):
    # Deciles, which the discriminant start takes, are not quite mirrored.
    learner.set_params(init="identity")
    W, mirrored = fitted(learner, X, VALUES), fitted(learner, X, -VALUES)
    np.testing.assert_allclose(mirrored, W, rtol=1e-6, atol=1e-8)


def test_copies_count_as_weights(learner):
    once = fitted(learner, X, VALUES)
    often = fitted(learner, np.tile(X, (3, 1)), np.tile(VALUES, 3))
    np.testing.assert_allclose(often, once, atol=1e-5 * np.abs(once).max())


def test_auto_takes_fractional_floats_only(learner):
    continuous = fitted(learner, X, VALUES)
    named = fitted(learner, X, VALUES, target="continuous")
    np.testing.assert_array_equal(named, continuous)
    ranks = np.unique(VALUES, return_inverse=True)[1]
    np.testing.assert_array_equal(fitted(learner, X, ranks), continuous)
    classes = fitted(learner, X, ranks, target="auto")
    np.testing.assert_array_equal(fitted(learner, X, ranks, target="classes"), classes)
    assert not np.allclose(classes, continuous)
    with pytest.warns(UserWarning, match="target='continuous'.*target='classes'"):
        fitted(learner, X, ranks.astype(float), target="auto")
    np.testing.assert_array_equal(learner.get_mahalanobis_matrix(), classes)
    np.testing.assert_array_equal(
        fitted(learner, X, ranks.astype(float), target="classes"), classes
    )


@pytest.mark.parametrize("solver", ["auto", "adam"])
@pytest.mark.parametrize("Learner", LEARNERS)
def test_neighbors_predict_better(Learner, solver):
    rows, y = make_friedman1(500, 10, noise=1.0, random_state=1)
    rows = StandardScaler().fit_transform(rows)
    learner = Learner(solver=solver, random_state=0).fit(rows[:300], y[:300])

    def r2(train, test):
        return KNeighborsRegressor(10).fit(train, y[:300]).score(test, y[300:])

    Z = learner.transform(rows)
    assert r2(Z[:300], Z[300:]) > r2(rows[:300], rows[300:]) + 0.05


def test_early_stopping_and_scorers_see_the_numbers(learner):
    settings = {"solver": "adam", "early_stopping": True, "validation_fraction": 0.3}
    learner.set_params(**settings).fit(X, VALUES)
    assert len(learner.validation_scores_) == learner.n_iter_
    assert max(learner.validation_scores_) <= 1
    seen = []

    def scoring(model, rows, y):
        seen.append((rows, y))
        return 0.0

    learner.set_params(scoring=scoring, max_iter=2).fit(X, VALUES)
    for rows, y in seen:
        at = [int(np.flatnonzero((row == X).all(axis=1))[0]) for row in rows]
        np.testing.assert_array_equal(y, VALUES[at])


def test_chunks(learner):
    learner.set_params(solver="adam")
    for rows in np.split(np.arange(60), 3):
        learner.partial_fit(X[rows], VALUES[rows])
    assert learner.n_iter_ == 3
    assert not np.allclose(learner.components_, learner.initial_components_)


def test_lda_is_of_deciles(learner):
    strata = strata_of(VALUES)
    learner.set_params(init="lda").fit(X, VALUES)
    W0 = learner.initial_components_
    np.testing.assert_allclose(learner.fit(X, strata).initial_components_, W0)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (np.where(np.arange(60) < 2, np.nan, VALUES), "y contains NaN"),
        (np.where(np.arange(60) < 2, np.inf, VALUES), "y contains infinity"),
        (np.column_stack([VALUES, VALUES]), r"shape \(60, 2\).*one label for each row"),
        (np.full(60, 0.5), "0.5 everywhere, but expected different"),
        (VALUES.astype(str), "expected numbers"),
        ([*VALUES.tolist()[:-1], None], "y contains NaN, None"),
        (VALUES + 1j, "Complex data not supported"),
        ([10**400] * 60, "y contains infinity"),
    ],
    ids=["NaN", "infinity", "two", "one value", "strings", "None", "complex", "huge"],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_what_is_no_target_gets_a_sentence(learner, method, y, words):
    learner.set_params(target="continuous", solver="adam")
    before = dict(vars(learner))
    with pytest.raises(ValueError, match=words):
        getattr(learner, method)(X, y)
    assert vars(learner) == before


def test_two_rows_are_too_few(learner):
    rows, y = X[[0, 1, 1]], [0.5, 1.5, 1.5]
    with pytest.raises(ValueError, match=r"Got 2 rows .* expected at least 3"):
        learner.fit(rows, y)
    learner.fit(X[:3], y)
    assert np.isfinite(learner.components_).all()


def test_numbers_as_objects_are_numbers(learner):
    W = fitted(learner, X, VALUES, target="continuous")
    np.testing.assert_array_equal(fitted(learner, X, VALUES.astype(object)), W)
    np.testing.assert_array_equal(fitted(learner, X, VALUES.tolist()), W)


# Weights of classes


def test_balanced_classes_weigh_the_same_with_copies():
    rows = np.r_[np.arange(60), np.zeros(25, dtype=int), 50, 51]
    learner = TripletMetricLearner(class_weight="balanced")
    (_, target, _) = learner._checked(X[rows], Y[rows], reset=True)
    _, relation = target.relate()
    assert isinstance(relation, LabelRelation)
    totals = np.bincount(relation.codes, relation.weights)
    np.testing.assert_allclose(totals, totals.mean())


@pytest.mark.parametrize("solver", SOLVERS)
def test_balanced_is_the_formula_as_a_dict(learner, solver):
    balanced = fitted(learner, X, Y, solver=solver, class_weight="balanced")
    given = {label: 60 / (3 * (label == Y).sum()) for label in range(3)}
    named = fitted(learner, X, Y, class_weight=given)
    np.testing.assert_allclose(named, balanced, rtol=1e-6, atol=1e-8)
    plain = fitted(learner, X, Y, class_weight=None)
    assert not np.allclose(plain, balanced)
    names = np.array(["a", "b", "c"])[Y]
    by_name = fitted(
        learner, X, names, class_weight=dict(zip("abc", given.values(), strict=True))
    )
    np.testing.assert_array_equal(by_name, named)


@pytest.mark.parametrize("solver", SOLVERS)
def test_only_proportions_of_weights_matter(learner, solver):
    W = fitted(learner, X, Y, solver=solver, class_weight={0: 2, 1: 1})
    scaled = fitted(learner, X, Y, class_weight={0: 2e200, 1: 1e200, 2: 1e200})
    np.testing.assert_allclose(scaled, W, rtol=1e-6, atol=1e-8)
    alike = fitted(learner, X, Y, class_weight={0: 5, 1: 5, 2: 5})
    plain = fitted(learner, X, Y, class_weight=None)
    np.testing.assert_allclose(alike, plain, rtol=1e-6, atol=1e-8)


def test_weights_are_those_of_the_whole_table_in_batches_and_parts():
    weights = np.array([3.0, 1.0, 0.5])
    rows, relation = Labels.of(X, Y, weights).relate()
    np.testing.assert_array_equal(relation.weights, weights[Y])
    labels = Labels.of(X, Y, weights)
    sums = np.zeros(60)
    for batch in labels.batches(40, np.random.RandomState(0)):
        rows, relation = labels.relate(batch)
        assert len(set(rows)) == len(rows)
        counts = (batch[:, None] == rows).sum(axis=0)
        ratios = relation.weights / counts
        np.testing.assert_allclose(ratios, ratios[0])
        sums += np.bincount(batch, minlength=60)
    # Whole passes over the class of weight 3, half of the rows of that of weight 1/2.
    np.testing.assert_array_equal(sums, np.where(Y == 0, 3, np.where(Y == 1, 1, sums)))
    assert sums[Y == 2].sum() == 5 and sums[Y == 2].max() == 1
    for part in Labels.of(X, Y, weights).hold_out(0.3, np.random.RandomState(0)):
        rows, relation = part.relate()
        np.testing.assert_array_equal(relation.weights, weights[Y[rows]])


@pytest.mark.parametrize("negatives", ["nearest", "all", "hard"])
def test_a_class_of_weight_two_is_as_one_given_twice(learner, negatives):
    twice = np.r_[np.arange(60), np.flatnonzero(Y == 1)]
    # Other maps would be scaled by the distances of more rows.
    learner.set_params(init=0.4 * np.eye(4), negatives=negatives)
    copied = fitted(learner, X[twice], Y[twice])
    weighted = fitted(learner, X, Y, class_weight={1: 2})
    np.testing.assert_allclose(weighted, copied, rtol=1e-5, atol=1e-7)
    assert not np.allclose(fitted(learner, X, Y, class_weight=None), weighted)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({3: 1.0}, r"class_weight for the labels \[3\].*expected some of \[0, 1, 2\]"),
        ({0: 0}, r"Got class_weight\[0\]=0, but expected a finite number > 0"),
        ({0: -1}, r"Got class_weight\[0\]=-1"),
        ({0: np.nan}, r"Got class_weight\[0\]=nan"),
        ("auto", "Got class_weight='auto', but expected None, 'balanced' or a dict"),
        ([1, 2, 3], r"Got class_weight=\[1, 2, 3\], but expected None"),
    ],
)
def test_weights_that_are_none_get_a_sentence(learner, value, words):
    with pytest.raises(ValueError, match=words):
        learner.set_params(class_weight=value).fit(X, Y)


def test_draws_that_are_rounded_up_weigh_less():
    """A class of weight next to 0 comes twice in an epoch, with that weight in all."""
    weights = np.array([2.0, 1e-6, 1e-9])
    labels = Labels.of(X, Y, weights)
    (batch,) = labels.batches(200, np.random.RandomState(0))
    relation = labels.relate(batch)[1]
    np.testing.assert_array_equal(np.bincount(Y[batch]), [60, 2, 2])
    totals = np.bincount(relation.codes, relation.weights)
    np.testing.assert_allclose(
        totals / totals.sum(), np.bincount(Y) * weights / 60.00002, 1e-5
    )


def test_chunks_may_lack_classes(learner):
    learner.set_params(solver="adam", class_weight={0: 1, 1: 2, 2: 3})
    learner.partial_fit(X[:50], Y[:50]).partial_fit(X, Y)
    assert np.isfinite(learner.components_).all()


def test_weights_of_classes_are_for_classes(learner):
    learner.set_params(class_weight="balanced")
    with pytest.warns(
        UserWarning, match="class_weight='balanced' without effect: .*labels"
    ):
        learner.fit(X, VALUES)
    np.testing.assert_array_equal(
        learner.get_mahalanobis_matrix(), fitted(learner, X, VALUES, class_weight=None)
    )
    if isinstance(learner, TripletMetricLearner):
        learner.set_params(class_weight="balanced", margin=50.0)
        with pytest.warns(UserWarning, match="class_weight='balanced' without effect"):
            learner.fit_triplets(X, [[0, 1, 2], [3, 4, 5]])
