"""A power of two changes no order, ratio or direction, whatever the rows' scale."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.sparse import csr_array, csr_matrix
from sklearn.datasets import make_blobs

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric._scales import in_units, rows_to_scale, to_scale
from skmetric.distances import grad_by_square, paired_distances
from skmetric.losses import contrastive_loss, triplet_loss
from skmetric.metrics import retrieval_report
from skmetric.mining import mine_pairs, mine_triplets

X, Y = make_blobs([12, 10, 8], n_features=4, cluster_std=4, random_state=0)
# Squares overflow, or leave nothing; at 2**-1010 the entries are nearly subnormal.
POWERS = [-1010, -540, -400, 505, 600, 1015]
POWERS_OF_32 = [-115, -80, 70, 120]
METRICS = ["sqeuclidean", "euclidean", "cosine"]
TRIPLETS = mine_triplets(X, Y)
KINDS = {"dense": np.asarray, "matrix": csr_matrix, "array": csr_array}


@pytest.fixture(scope="module")
def maps():
    """A fitted learner for each metric."""
    learners = [TripletMetricLearner(2, metric=m, random_state=0) for m in METRICS]
    return {learner.metric: learner.fit(X, Y) for learner in learners}


@pytest.mark.parametrize("kind", KINDS)
def test_ordinary_rows_are_left_alone(kind):
    A, B = KINDS[kind](X), KINDS[kind](1e-100 * X)
    same, others, exponent = to_scale(A, B)
    assert same is A
    assert others is B
    assert exponent == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("power", POWERS)
def test_no_digit_is_lost_to_scale(kind, power):
    given = KINDS[kind](np.ldexp(X, power))
    before = given.copy()
    scaled, exponent = to_scale(given)
    S = scaled.toarray() if kind != "dense" else scaled
    np.testing.assert_array_equal(np.ldexp(S, exponent), np.ldexp(X, power))
    assert np.isfinite(S**2).all()
    assert (S**2).min() >= np.finfo(np.float64).tiny
    assert (abs(given - before)).max() == 0


def test_one_power_serves_all_arrays():
    A, B, exponent = to_scale(np.ldexp(X, 700), X)
    np.testing.assert_array_equal(np.ldexp(A, exponent - 700), X)
    np.testing.assert_array_equal(np.ldexp(B, exponent), X)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_row_to_its_own_scale(kind, dtype):
    powers = np.arange(-120, 120, 8)
    given = np.ldexp(X.astype(dtype), powers[:, None])
    given[3] = 0
    S, exponents = rows_to_scale(KINDS[kind](given))
    assert S.dtype == dtype
    S = S.toarray() if kind != "dense" else S
    np.testing.assert_array_equal(np.ldexp(S, exponents[:, None]), given)
    largest = np.delete(np.abs(S).max(axis=1), 3)
    assert (largest < 1).all()
    assert (largest >= 0.5).all()


@pytest.mark.parametrize(
    ("distance", "exponent", "dtype"),
    [(1.0, 1024, np.float64), (1.0, -1074, np.float64), (1e39, 0, np.float32)],
)
def test_distances_that_no_unit_holds_are_refused(distance, exponent, dtype):
    with pytest.raises(ValueError, match=r"Got X of float.* apart, but expected more than"):
        in_units(np.array([0.0, distance]), exponent, dtype)
    np.testing.assert_array_equal(in_units(np.zeros(2), exponent, dtype), 0)


@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize(
    ("positives", "negatives", "metric"),
    [
        ("nearest", "nearest", "sqeuclidean"),
        ("hard", "hard", "euclidean"),
        ("all", "semihard", "sqeuclidean"),
        ("all", "semihard", "euclidean"),
        ("random", "distance_weighted", "cosine"),
        ("nearest", "semihard", "cosine"),
    ],
)
def test_mining_at_any_scale(power, positives, negatives, metric):
    options = {"metric": metric, "random_state": 0, "positives": positives}
    options["negatives"] = negatives
    expected = mine_triplets(X, Y, **options)
    np.testing.assert_array_equal(mine_triplets(np.ldexp(X, power), Y, **options), expected)
    if negatives != "semihard":
        pairs, _ = mine_pairs(X, Y, **options)
        found, _ = mine_pairs(np.ldexp(X, power), Y, **options)
        np.testing.assert_array_equal(found, pairs)


@pytest.mark.parametrize("power", [-500, -300, 300, 500])
@pytest.mark.parametrize("metric", METRICS)
def test_callables_get_distances_in_units(power, metric):
    seen = []

    def positives(distances, candidates, random_state):
        seen.append(distances.copy())
        return np.nonzero(candidates)

    for rows in (X, np.ldexp(X, power)):
        mine_triplets(rows, Y, positives=positives, metric=metric)
    power = {"sqeuclidean": 2 * power, "euclidean": power, "cosine": 0}[metric]
    np.testing.assert_array_equal(seen[1], np.ldexp(seen[0], power))


@pytest.mark.parametrize("factor", [1e-200, 1e200])
def test_callables_are_spared_distances_that_are_none(factor):
    with pytest.raises(ValueError, match=r"Got E of float64 whose rows are .* apart"):
        mine_pairs(factor * X, Y, positives=lambda distances, candidates, rng: None)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", [*METRICS, "manhattan"])
@pytest.mark.parametrize("power", POWERS)
def test_retrieval_scores_at_any_scale(kind, metric, power):
    scores = ["map", "mrr", "map_at_r"]
    rows = KINDS[kind](np.ldexp(X, power))
    expected = retrieval_report(KINDS[kind](X), Y, scores=scores, metric=metric)
    assert dict(retrieval_report(rows, Y, scores=scores, metric=metric)) == expected
    index = {"index": KINDS[kind](X[10:]), "index_labels": Y[10:]}
    expected = retrieval_report(KINDS[kind](X[:10]), Y[:10], metric=metric, **index)
    index["index"] = rows[10:]
    assert dict(retrieval_report(rows[:10], Y[:10], metric=metric, **index)) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_only_directions_count_by_cosine(kind):
    powers = np.resize([-1010, 0, 1015, 300, -600], len(X))[:, None]
    scores = {"scores": ["map", "mrr"], "metric": "cosine"}
    expected = dict(retrieval_report(KINDS[kind](X), Y, **scores))
    rows = KINDS[kind](np.ldexp(X, powers))
    assert dict(retrieval_report(rows, Y, **scores)) == expected


def squared_exactly(E):
    rows = [[Fraction(value) for value in row] for row in E.tolist()]

    def squared(p, q):
        return sum((a - b) ** 2 for a, b in zip(p, q, strict=True))

    return [[squared(p, q) for q in rows] for p in rows]


def hardest_by_loops(D, y):
    """The farthest positive and the nearest negative of each anchor."""
    triplets = []
    for a, distances in enumerate(D):
        same = [i for i in range(len(y)) if y[i] == y[a] and i != a]
        others = [i for i in range(len(y)) if y[i] != y[a]]
        far = max(same, key=lambda i: (distances[i], -i))
        triplets.append([a, far, min(others, key=lambda i: (distances[i], i))])
    return triplets


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("spread", [1.0, 1e4, 1e6])
@pytest.mark.parametrize("clump", [1e-3, 1e-1])
@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean"])
def test_near_rows_are_told_apart_however_far_others_are(dtype, spread, clump, metric):
    rng = np.random.default_rng(0)
    centers = rng.uniform(-spread, spread, (5, 3)) * (np.arange(5) > 0)[:, None]
    E = centers[np.arange(40) % 5] + clump * rng.standard_normal((40, 3))
    E, y = E.astype(dtype), rng.integers(0, 3, 40)
    words = {"positives": "hard", "negatives": "hard", "metric": metric}
    expected = hardest_by_loops(squared_exactly(E), y)
    np.testing.assert_array_equal(mine_triplets(E, y, **words), expected)


@pytest.mark.parametrize("factor", [1e20, 1e200])
def test_a_row_far_out_does_not_hide_the_others(factor):
    E = X.copy()
    E[3] *= factor
    D, others = squared_exactly(E), np.delete(np.arange(len(X)), 3)
    expected = np.array(hardest_by_loops(D, Y))[others]
    found = mine_triplets(E, Y, positives="hard", negatives="hard")
    np.testing.assert_array_equal(found[others], expected)
    # Each row is its own class, so that scores tell whether a row finds itself.
    names = np.arange(len(X)).astype(str)
    for kind in KINDS.values():
        index = {"index": kind(E), "index_labels": names}
        for score in ("precision_at_1", "mrr"):
            report = retrieval_report(
                kind(E[others]), names[others], scores=[score], **index
            )
            assert report[score] == 1
    triplets = TRIPLETS[(TRIPLETS != 3).all(axis=1)]
    learner = TripletMetricLearner(random_state=0).fit(X, Y)
    assert learner.score_triplets(E, triplets) == learner.score_triplets(X, triplets)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("power", POWERS)
def test_score_triplets_at_any_scale(maps, kind, metric, power):
    rows = KINDS[kind](np.ldexp(X, power))
    expected = maps[metric].score_triplets(KINDS[kind](X), TRIPLETS)
    assert maps[metric].score_triplets(rows, TRIPLETS) == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_directions_at_any_scale(maps, kind, dtype):
    learner, rows = maps["cosine"], X.astype(dtype)
    expected = learner.transform(KINDS[kind](rows))
    distances = learner.pair_distances(KINDS[kind](rows), KINDS[kind](rows[::-1]))
    for power in POWERS if dtype == np.float64 else POWERS_OF_32:
        scaled = np.ldexp(rows, power)
        E = learner.transform(KINDS[kind](scaled))
        assert E.dtype == dtype
        np.testing.assert_allclose(E, expected, atol=200 * np.finfo(dtype).eps)
        # Rows of several scales at once, one of them without a direction.
        mixed = np.where(np.arange(30)[:, None] % 2, scaled, rows)
        mixed[4] = 0
        E = learner.transform(KINDS[kind](mixed))
        assert not E[4].any()
        np.testing.assert_allclose(
            np.delete(E, 4, axis=0),
            np.delete(expected, 4, axis=0),
            atol=200 * np.finfo(dtype).eps,
        )
        found = learner.pair_distances(KINDS[kind](scaled), KINDS[kind](rows[::-1]))
        np.testing.assert_allclose(found, distances, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("unit", "power"), [(1e-100, 900), (1e100, -900)])
def test_orders_and_directions_under_maps_of_any_scale(kind, unit, power):
    rows = KINDS[kind](np.ldexp(X, power))
    learner = TripletMetricLearner(2, random_state=0).fit(unit * X, Y)
    expected = learner.score_triplets(unit * X, TRIPLETS)
    assert learner.score_triplets(rows, TRIPLETS) == expected
    learner.set_params(metric="cosine")
    expected = learner.transform(KINDS[kind](X))
    np.testing.assert_allclose(learner.transform(rows), expected, rtol=1e-13)


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean"])
def test_pairs_and_triplets_far_from_zero(maps, metric):
    # On a grid that float64 holds at both places.
    near = np.round(8 * X) / 8
    far, learner = near + 2.0**48, maps[metric]
    assert learner.score_triplets(far, TRIPLETS) == learner.score_triplets(near, TRIPLETS)
    np.testing.assert_array_equal(
        learner.pair_distances(far, far[::-1]), learner.pair_distances(near, near[::-1])
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("power", POWERS)
def test_distances_of_pairs_are_exact_or_refused(maps, kind, power):
    A, B = KINDS[kind](X[:8]), KINDS[kind](X[8:16])
    far, near = KINDS[kind](np.ldexp(X[:8], power)), KINDS[kind](np.ldexp(X[8:16], power))
    learner = maps["euclidean"]
    np.testing.assert_allclose(
        learner.pair_distances(far, near),
        np.ldexp(learner.pair_distances(A, B), power),
        rtol=1e-13,
    )
    learner = maps["sqeuclidean"]
    with np.errstate(over="ignore"):
        expected = np.ldexp(learner.pair_distances(A, B), 2 * power)
    if np.finfo(np.float64).tiny < expected.max() < np.inf:
        np.testing.assert_array_equal(learner.pair_distances(far, near), expected)
    else:
        with pytest.raises(ValueError, match=r"Got A and B of float64.* under the map"):
            learner.pair_distances(far, near)
    assert not learner.pair_distances(far, far).any()


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("offset", [0, 2**12, 2**20])
def test_distances_of_float32_pairs_far_from_zero(maps, metric, kind, offset):
    learner = maps[metric]
    # On a grid that float32 holds also far out.
    A, B = (np.round(rows * 8) / 8 + offset for rows in (X[:8], X[8:16]))
    single = [KINDS[kind](rows.astype(np.float32)) for rows in (A, B)]
    found = learner.pair_distances(*single)
    assert found.dtype == np.float32
    squared = (((A - B) @ learner.components_.T) ** 2).sum(axis=1)
    expected = np.sqrt(squared) if metric == "euclidean" else squared
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    # One of the two may be sparse, and of another precision.
    np.testing.assert_allclose(learner.pair_distances(single[0], B), expected, rtol=1e-6)
    shifted = KINDS[kind](np.vstack([A, B]).astype(np.float32))
    triplets = np.array([[0, 8, 9], [3, 4, 12], [1, 2, 15], [5, 7, 10]])
    centered = np.vstack([A, B]) - offset
    assert learner.score_triplets(shifted, triplets) == learner.score_triplets(
        centered, triplets
    )


def test_a_map_out_of_the_range_of_a_dtype_is_refused(maps):
    learner = TripletMetricLearner(random_state=0).fit(1e-100 * X, Y)
    assert np.isfinite(learner.transform(X)).all()
    with pytest.raises(ValueError, match="Got X of float64 whose rows are inf apart under"):
        learner.transform(1e250 * X)
    with pytest.raises(ValueError, match="Got X of float32 whose rows are inf apart under"):
        learner.transform(X.astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", ["hinge", "squared_hinge", "softplus"])
def test_losses_of_directions_at_any_scale(dtype, loss):
    rows = X.astype(dtype)
    options = {"normalize": True, "loss": loss, "return_gradient": True}
    similar = np.arange(10) % 2 == 0
    expected, (slope, *_) = triplet_loss(rows[:10], rows[10:20], rows[20:], **options)
    contrast, _ = contrastive_loss(rows[:10], rows[10:20], similar, **options)
    for power in [-540, 600] if dtype == np.float64 else [-80, 100]:
        anchors = np.ldexp(rows[:10], power)
        value, gradients = triplet_loss(anchors, rows[10:20], rows[20:], **options)
        assert value == expected
        np.testing.assert_array_equal(np.ldexp(gradients[0], power), slope)
        assert contrastive_loss(anchors, rows[10:20], similar, **options)[0] == contrast


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_slope_of_a_small_distance_is_a_direction(dtype):
    A, B = X[:8].astype(dtype), X[8:16].astype(dtype)
    options = {"loss": "hinge", "return_gradient": True}
    for power in [-1000, -600] if dtype == np.float64 else [-115, -80]:
        small = np.ldexp(A, power), np.ldexp(B, power)
        np.testing.assert_array_equal(
            paired_distances(*small, "euclidean"),
            np.ldexp(paired_distances(A, B, "euclidean"), power),
        )
        _, (slope, _) = contrastive_loss(*small, np.ones(8, dtype=bool), **options)
        lengths = np.linalg.norm(A - B, axis=1, keepdims=True)
        np.testing.assert_allclose(slope, (A - B) / lengths / 8, rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distances_with_no_inverse_have_no_slope(dtype):
    tiny = np.finfo(dtype).smallest_subnormal
    D = np.array([[0, tiny, 2]], dtype=dtype)
    np.testing.assert_array_equal(
        grad_by_square(np.ones_like(D), D, "euclidean"), [[0, 0, 0.25]]
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", ["hinge", "squared_hinge", "softplus"])
@pytest.mark.parametrize("return_gradient", [False, True])
def test_losses_beyond_a_dtype_are_refused(dtype, loss, return_gradient):
    rows = X.astype(dtype)
    huge = 1e25 if dtype == np.float32 else 1e200
    options = {"loss": loss, "return_gradient": return_gradient, "metric": "sqeuclidean"}
    similar = np.arange(10) % 2 == 0
    message = f"loss or its gradient is beyond {np.dtype(dtype)}.*one scale"
    with pytest.raises(ValueError, match=message):
        triplet_loss(huge * rows[:10], rows[10:20], rows[20:], **options)
    with pytest.raises(ValueError, match=message):
        contrastive_loss(huge * rows[:10], rows[10:20], similar, **options)
    options.update(loss="squared_hinge", margin=huge)
    with pytest.raises(ValueError, match=message):
        triplet_loss(rows[:10], rows[10:20], rows[20:], **options)


@pytest.mark.parametrize("learner", [TripletMetricLearner, ContrastiveMetricLearner])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "options",
    [
        {"solver": "lbfgs", "loss": "squared_hinge", "margin": 1e200},
        {"solver": "adam", "loss": "squared_hinge", "margin": 1e200},
        {"solver": "sgd", "learning_rate_init": 1e300},
        {"solver": "adam", "learning_rate_init": 1e300},
        {"solver": "lbfgs", "margin": 1e308, "alpha": 1e308},
    ],
)
def test_what_overflows_in_a_fit_is_refused_in_words(learner, dtype, options):
    estimator = learner(random_state=0, **options)
    before = dict(vars(estimator))
    with pytest.raises(ValueError, match=r"not finite.*lower|not finite.*Lower"):
        estimator.fit(X.astype(dtype), Y)
    assert vars(estimator) == before


@pytest.mark.parametrize("learner", [TripletMetricLearner, ContrastiveMetricLearner])
def test_what_overflows_in_a_chunk_is_refused_in_words(learner):
    estimator = learner(random_state=0, loss="squared_hinge", margin=1e200)
    before = dict(vars(estimator))
    with pytest.raises(ValueError, match=r"not finite.*Lower learning_rate_init, and m"):
        estimator.partial_fit(X, Y)
    assert vars(estimator) == before


@pytest.mark.parametrize("factor", [1e-300, 1e-160, 1e160, 1e300])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_chunks_out_of_the_scale_of_the_map_are_refused(factor, dtype):
    learner = TripletMetricLearner(random_state=0).partial_fit(X.astype(dtype), Y)
    before = learner.components_
    with pytest.raises(ValueError, match=r"Got X of float.* apart under the map|infinity"):
        learner.partial_fit(factor * X, Y)
    assert learner.components_ is before
    # Rows that are all alike are copies, from which nothing can be learnt.
    with pytest.raises(ValueError, match="copies of a row are one row"):
        learner.partial_fit(np.ones_like(X), Y)
    assert learner.components_ is before


def test_entries_whose_sum_overflows_are_finite():
    signs = np.where(X > 0, 1.0, -1.0)
    rows = np.ldexp(signs, 1023)
    learner = TripletMetricLearner(random_state=0).fit(signs, Y)
    expected = learner.score_triplets(signs, TRIPLETS)
    assert learner.score_triplets(rows, TRIPLETS) == expected
    assert dict(retrieval_report(rows, Y)) == dict(retrieval_report(signs, Y))
    np.testing.assert_array_equal(mine_triplets(rows, Y), mine_triplets(signs, Y))


def test_a_metric_that_no_dtype_holds_is_refused():
    learner = TripletMetricLearner(random_state=0).fit(X, Y)
    M = learner.get_mahalanobis_matrix()
    learner.components_ = 1e100 * learner.components_
    np.testing.assert_allclose(learner.get_mahalanobis_matrix(), 1e200 * M)
    learner.components_ = 1e100 * learner.components_
    with pytest.raises(ValueError, match=r"map with entries of up to .*float64 can hold"):
        learner.get_mahalanobis_matrix()
