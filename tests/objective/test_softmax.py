"""The softmax over negatives: plain loops, differences, limits, given triplets."""

from itertools import product

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn import config_context

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric._objective._constraints import SoftmaxConstraints
from skmetric._objective._evaluate import evaluate, mine
from skmetric._objective._softmax import softmax_cost, softmax_over_negatives
from skmetric._objective._supervision import Triplets, normalize_weights
from skmetric._relations import EdgeLists, LabelRelation
from skmetric.distances import paired_distances
from skmetric.metrics import retrieval_scorer
from skmetric.mining import _ordering, mine_triplets
from skmetric.mining._strategies import resolve_strategies
from tests.designs import covering

METRICS = ("sqeuclidean", "euclidean", "cosine")
POSITIVES = ("all", "nearest", "hard", "random")
NEGATIVES = ("all", "nearest", "semihard", "hard", "random", "distance_weighted")
DTYPES = (np.float64, np.float32)
TEMPERATURES = (1e-3, 0.1, 1.0, 1e3)
# Blocks of one row.
TINY = 1e-4


@pytest.fixture(scope="module")
def data():
    """Unbalanced classes, one of one row, and weights that differ."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(np.arange(4), [9, 1, 5, 3]))
    X = rng.normal(size=(len(y), 5)) + 0.5 * np.eye(5)[y]
    W = rng.normal(size=(3, 5)) / 4
    return X, LabelRelation(y, 0.5 + rng.random(len(y))), W


def constraints_of(positives, negatives, metric, temperature):
    strategies = resolve_strategies(
        positives,
        negatives,
        n_neighbors=2,
        n_impostors=3,
        metric=metric,
        n_components=3,
        pairs=False,
    )
    return SoftmaxConstraints(temperature, *strategies)


def by_loops(distance, groups, temperature):
    """Mean cost, and share of active pairs.

    `groups` are of (anchor, positive, negatives, weight, shares).
    """
    cost = active = total = 0.0
    for a, p, negatives, weight, shares in groups:
        v = np.array([(distance(a, p) - distance(a, n)) / temperature for n in negatives])
        largest = max(v.max(), 0.0)
        terms = np.exp(v - largest) * shares
        cost += weight * (largest + np.log(np.exp(-largest) + terms.sum()))
        active += weight * (v > 0).any()
        total += weight
    return cost / total, active / total


def groups_of(triplets, weights):
    """One for each (anchor, positive), with its negatives."""
    of_pairs = {}
    for a, p, n in triplets:
        of_pairs.setdefault((a, p), []).append(n)
    return [(a, p, ns, weights[a], 1.0) for (a, p), ns in of_pairs.items()]


def distance_in(E, metric):
    return lambda i, j: paired_distances(E[[i]], E[[j]], metric)[0]


def central_differences(function, W, step=1e-6):
    gradient = np.empty_like(W)
    for at in np.ndindex(W.shape):
        away = np.zeros_like(W)
        away[at] = step
        gradient[at] = (function(W + away) - function(W - away)) / (2 * step)
    return gradient


def assert_close(found, expected, rtol):
    scale = np.abs(expected).max()
    assert scale > 0
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * scale)


CASES = [
    case
    for case in product(POSITIVES, NEGATIVES, METRICS, (0.1, 1.0, 1e3), (1024, TINY))
    if not (case[1] == "distance_weighted" and case[2] != "cosine")
]


@pytest.mark.parametrize(
    ("positives", "negatives", "metric", "temperature", "working_memory"),
    covering(CASES, strength=3),
)
def test_every_miner_against_loops_and_differences(
    data, positives, negatives, metric, temperature, working_memory
):
    X, relation, W = data
    constraints = constraints_of(positives, negatives, metric, temperature)

    def loss(V):
        return evaluate(V, X, relation, metric, constraints, mined=mined).loss

    with config_context(working_memory=working_memory):
        mined = mine(W, X, relation, metric, constraints, np.random.RandomState(0))
        found = evaluate(W, X, relation, metric, constraints, mined=mined)
        assert_close(found.gradient, central_differences(loss, W), 1e-6)
        again = evaluate(
            W,
            csr_matrix(X),
            relation,
            metric,
            constraints,
            random_state=np.random.RandomState(0),
        )
    assert again.loss == pytest.approx(found.loss, rel=1e-12)
    assert_close(again.gradient, found.gradient, 1e-11)
    if not {positives, negatives}.intersection(("random", "distance_weighted")):
        E = X @ W.T
        if metric == "cosine":
            E /= np.linalg.norm(E, axis=1, keepdims=True)
        triplets = mine_triplets(
            E,
            relation.codes,
            positives=positives,
            negatives=negatives,
            n_neighbors=2,
            n_impostors=3,
            metric=metric,
        )
        groups = groups_of(triplets, relation.weights)
        expected = by_loops(distance_in(E, metric), groups, temperature)
        assert found.loss == pytest.approx(expected[0], rel=1e-11)
        assert found.active_fraction == pytest.approx(expected[1], rel=1e-12)
        assert found.n_constraints == pytest.approx(sum(group[3] for group in groups))


def test_nearest_negatives_are_evaluated_edge_by_edge_and_in_blocks_alike(data):
    X, relation, W = data
    few = constraints_of("nearest", "nearest", "sqeuclidean", 0.3)
    X, relation = (
        np.tile(X, (4, 1)) + 0.01 * np.arange(len(X) * 4)[:, None],
        LabelRelation(np.tile(relation.codes, 4), np.tile(relation.weights, 4)),
    )
    mined = mine(W, X, relation, "sqeuclidean", few, None)
    assert isinstance(mined, EdgeLists)
    by_edge = evaluate(W, X, relation, "sqeuclidean", few, mined=mined)
    by_block = evaluate(W, X, relation, "sqeuclidean", few)
    assert by_edge.loss == pytest.approx(by_block.loss, rel=1e-12)
    assert by_edge.active_fraction == pytest.approx(by_block.active_fraction, rel=1e-12)
    assert by_edge.n_constraints == pytest.approx(by_block.n_constraints, rel=1e-12)
    assert_close(by_edge.gradient, by_block.gradient, 1e-11)


# Blocks


def block(dtype, seed=0):
    """Distances; the third anchor has no negatives, the last no positives."""
    rng = np.random.default_rng(seed)
    D = rng.gamma(2, size=(7, 20)).astype(dtype)
    kind = rng.integers(0, 3, size=D.shape)
    kind[2][kind[2] == 0] = 1
    kind[-1][kind[-1] == 2] = 1
    anchors, positives = np.nonzero(kind == 2)
    return D, anchors, positives, kind == 0, 0.5 + rng.random(7)


@pytest.mark.parametrize(
    ("dtype", "temperature", "entries"),
    covering(product(DTYPES, TEMPERATURES, (50, 10_000))),
)
def test_blocks_against_loops(dtype, temperature, entries, monkeypatch):
    monkeypatch.setattr(_ordering, "CACHED_ENTRIES", entries)
    D, anchors, positives, is_negative, weights = block(dtype)
    before = D.copy()
    total, G, is_active = softmax_over_negatives(
        D, anchors, positives, is_negative, temperature, weights
    )
    np.testing.assert_array_equal(D, before)
    assert G.dtype == dtype
    D, expected, expected_G = D.astype(np.float64), 0.0, np.zeros(D.shape)
    for pair, (a, p) in enumerate(zip(anchors, positives, strict=True)):
        v = (D[a, p] - D[a]) / temperature
        v[~is_negative[a]] = -np.inf
        largest = max(v.max(), 0)
        terms = np.exp(v - largest)
        below = np.exp(-largest) + terms.sum()
        expected += weights[a] * (largest + np.log(below))
        expected_G[a] -= weights[a] / temperature * terms / below
        expected_G[a, p] += weights[a] / temperature * terms.sum() / below
        assert is_active[pair] == (v > 0).any()
    rtol = 1e-11 if dtype == np.float64 else 1e-5
    # At a low temperature float32 distances are told apart by few digits.
    rtol *= max(1, 0.01 / temperature)
    assert total == pytest.approx(expected, rel=rtol)
    assert_close(G, expected_G, rtol)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("temperature", [1e-3, 1e-30, 1e-36])
def test_a_low_temperature_leaves_the_nearest_negative(dtype, temperature):
    D, anchors, positives, is_negative, weights = block(dtype)
    total, G, _ = softmax_over_negatives(
        D, anchors, positives, is_negative, temperature, weights
    )
    nearest = np.where(is_negative, D, np.inf).min(axis=1).astype(np.float64)
    hinges = np.maximum(D[anchors, positives] - nearest[anchors], 0)
    assert np.isfinite(G).all()
    assert temperature * total == pytest.approx(weights[anchors] @ hinges, rel=1e-2)
    assert temperature * G[anchors, positives] == pytest.approx(
        weights[anchors] * (hinges > 0), abs=1e-2
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("temperature", [1e3, 1e30, 1e300])
def test_a_high_temperature_weighs_all_negatives_alike(dtype, temperature):
    D, anchors, positives, is_negative, weights = block(dtype)
    total, G, _ = softmax_over_negatives(
        D, anchors, positives, is_negative, temperature, weights
    )
    counts = is_negative.sum(axis=1)[anchors]
    assert total == pytest.approx(weights[anchors] @ np.log1p(counts), rel=1e-2)
    expected = weights[anchors] * counts / (1 + counts)
    assert np.isfinite(G).all()
    assert (G == 0).all() or temperature < 1e40 or dtype == np.float64
    if temperature < 1e40:
        assert temperature * G[anchors, positives] == pytest.approx(expected, rel=1e-2)


def test_one_negative_is_a_softplus_of_the_difference():
    rng = np.random.default_rng(1)
    d_pos, d_neg, weights = rng.gamma(2, size=(3, 9))
    total, g_pos, g_neg, _ = softmax_cost(
        d_pos, np.arange(9), d_neg[:, None].copy(), 0.7, weights
    )
    v = (d_pos - d_neg) / 0.7
    assert total == pytest.approx(weights @ np.log1p(np.exp(v)), rel=1e-12)
    np.testing.assert_allclose(g_pos, weights / 0.7 / (1 + np.exp(-v)), rtol=1e-12)
    np.testing.assert_allclose(g_neg[:, 0], -g_pos, rtol=1e-12)


def test_the_same_amount_added_to_all_distances_of_an_anchor_changes_nothing():
    D, anchors, positives, is_negative, weights = block(np.float64)
    one = softmax_over_negatives(D, anchors, positives, is_negative, 0.2, weights)
    moved = D + 2.0 ** np.arange(7)[:, None]
    other = softmax_over_negatives(moved, anchors, positives, is_negative, 0.2, weights)
    assert other[0] == pytest.approx(one[0], rel=1e-11)
    assert_close(other[1], one[1], 1e-11)
    # So the gradient of each anchor sums to 0.
    np.testing.assert_allclose(one[1].sum(axis=1), 0, atol=1e-12)


# Given triplets


def given_triplets(X, seed=3):
    """Groups of 1 to 9 negatives in random order, some triplets twice."""
    rng = np.random.default_rng(seed)
    triplets = []
    for size in (1, 1, 2, 3, 5, 9):
        a, p, *negatives = rng.permutation(len(X))[: 2 + size]
        triplets += [(a, p, n) for n in negatives]
    triplets = np.array(triplets + triplets[3:6])
    weights = 0.1 + rng.random(len(triplets))
    at = rng.permutation(len(triplets))
    return triplets[at], weights[at]


def merged(triplets, weights):
    """Groups with weights, by dicts."""
    of_triplets, of_pairs = {}, {}
    for (a, p, n), weight in zip(triplets.tolist(), weights, strict=True):
        of_triplets[a, p, n] = of_triplets.get((a, p, n), 0) + weight
    for (a, p, n), weight in of_triplets.items():
        of_pairs.setdefault((a, p), {})[n] = weight
    return [
        (a, p, list(ns), max(ns.values()), np.array(list(ns.values())) / max(ns.values()))
        for (a, p), ns in of_pairs.items()
    ]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_given_triplets_against_loops_and_differences(data, metric, temperature):
    X, _, W = data
    triplets, weights = given_triplets(X)
    groups = Triplets(triplets, normalize_weights(weights, len(weights)), len(X)).grouped()
    rows, tables = groups.relate()
    assert len(tables.tables) == 4
    constraints = SoftmaxConstraints(temperature, None, None)

    def evaluated(V):
        return evaluate(V, X[rows], tables, metric, constraints)

    found, E = evaluated(W), X @ W.T
    if metric == "cosine":
        E /= np.linalg.norm(E, axis=1, keepdims=True)
    expected = by_loops(distance_in(E, metric), merged(triplets, weights), temperature)
    assert found.loss == pytest.approx(expected[0], rel=1e-11)
    assert found.active_fraction == pytest.approx(expected[1], rel=1e-12)
    assert found.n_constraints == 6
    assert_close(found.gradient, central_differences(lambda V: evaluated(V).loss, W), 1e-6)


def test_batches_and_held_out_triplets_are_whole_groups(data):
    X, _, W = data
    triplets, weights = given_triplets(X)
    groups = Triplets(triplets, normalize_weights(weights, len(weights)), len(X)).grouped()
    constraints = SoftmaxConstraints(0.3, None, None)
    rows, tables = groups.relate()
    whole = evaluate(W, X[rows], tables, "sqeuclidean", constraints)
    for batch_size in (4, 8, 1):
        loss = 0.0
        batches = groups.batches(batch_size, np.random.RandomState(0))
        assert all(map(len, batches))
        for batch in batches:
            rows, tables = groups.relate(batch)
            part = evaluate(W, X[rows], tables, "sqeuclidean", constraints)
            loss += part.loss * part.n_constraints
        assert loss / 6 == pytest.approx(whole.loss, rel=1e-11)
    kept, held = groups.hold_out(0.34, np.random.RandomState(0))
    assert [len(part.starts) for part in (kept, held)] == [4, 2]
    pairs = [{tuple(t) for t in part.tuples[:, :2].tolist()} for part in (kept, held)]
    assert not pairs[0] & pairs[1]
    assert len(kept) + len(held) == len(groups)


def fitted(X, triplets, weights=None, **settings):
    learner = TripletMetricLearner(loss="softmax", temperature=0.3, **settings)
    return learner.fit_triplets(X, triplets, weights).components_


@pytest.mark.parametrize("solver", ["lbfgs", "adam", "sgd"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_weights_and_order_of_given_triplets(data, solver):
    X, _, _ = data
    triplets, weights = given_triplets(X)
    settings = {"solver": solver, "max_iter": 5, "random_state": 0}
    expected = fitted(X, triplets, weights, **settings)
    found = fitted(X, triplets[::-1], 7 * weights[::-1], **settings)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)
    twice = np.concatenate([triplets, triplets[:4]])
    found = fitted(X, twice, **settings)
    counts = np.r_[np.full(4, 2.0), np.ones(len(triplets) - 4)]
    np.testing.assert_allclose(found, fitted(X, triplets, counts, **settings), rtol=1e-9)


def test_all_triplets_given_are_those_of_labels(data):
    X, relation, _ = data
    triplets = mine_triplets(X, relation.codes, positives="all", negatives="all")
    settings = {"loss": "softmax", "alpha": 1.0, "init": np.eye(5), "solver": "lbfgs"}
    settings |= {"tol": 1e-10, "max_iter": 500}
    given = TripletMetricLearner(**settings).fit_triplets(X, triplets)
    mined = TripletMetricLearner(positives="all", negatives="all", **settings)
    mined.fit(X, relation.codes)
    assert given.loss_ == pytest.approx(mined.loss_, rel=1e-9)
    assert given.active_fraction_ == pytest.approx(mined.active_fraction_, rel=1e-9)
    np.testing.assert_allclose(given.components_, mined.components_, atol=1e-4)


def test_tables_of_uneven_groups_take_memory_in_proportion_to_triplets():
    rng = np.random.default_rng(0)
    few = np.column_stack([np.arange(3000), np.arange(1, 3001), np.arange(2, 3002)])
    many = np.column_stack([np.full((2000, 2), [0, 5]), 6 + rng.permutation(2990)[:2000]])
    triplets = np.concatenate([few, many])
    groups = Triplets(triplets, np.ones(len(triplets)), 3002).grouped()
    _, tables = groups.relate()
    entries = sum(table.negatives.columns.size for table in tables.tables)
    assert entries <= 2 * len(triplets)


# Fits


@pytest.mark.parametrize(
    ("temperature", "solver", "dtype"),
    [
        case
        for case in product([1e-9, 1e-3, 0.1, 1e3, 1e9], ["lbfgs", "adam", "sgd"], DTYPES)
        # The steps of SGD grow with the gradient.
        if case[:2] != (1e-9, "sgd")
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_fit_at_any_temperature_is_finite(data, temperature, solver, dtype):
    X, relation, _ = data
    learner = TripletMetricLearner(
        loss="softmax",
        temperature=temperature,
        negatives="all",
        solver=solver,
        max_iter=5,
        random_state=0,
    )
    learner.fit(X.astype(dtype), relation.codes)
    assert learner.components_.dtype == dtype
    assert np.isfinite(learner.components_).all()
    assert np.isfinite(learner.loss_curve_).all()


@pytest.mark.parametrize("words", [("nearest", "nearest"), ("all", "all")])
def test_every_row_three_times_is_as_once(data, words):
    X, relation, _ = data
    learner = TripletMetricLearner(loss="softmax", solver="lbfgs", alpha=1.0)
    learner.set_params(positives=words[0], negatives=words[1])
    once = learner.fit(X, relation.codes).components_
    often = learner.fit(np.tile(X, (3, 1)), np.tile(relation.codes, 3)).components_
    np.testing.assert_allclose(often, once, atol=1e-6 * np.abs(once).max())


@pytest.mark.parametrize("scoring", [None, retrieval_scorer("map_at_r")])
def test_early_stopping(data, scoring):
    X, relation, _ = data
    X, y = np.concatenate([X, X + 0.1, X - 0.1]), np.tile(relation.codes, 3)
    learner = TripletMetricLearner(
        loss="softmax", early_stopping=True, max_iter=3, scoring=scoring, random_state=0
    )
    learner.set_params(validation_fraction=0.4, tol=1.0)
    assert len(learner.fit(X, y).validation_scores_) == learner.n_iter_
    triplets = mine_triplets(X, y, random_state=0)
    learner.set_params(scoring=None, solver="adam").fit_triplets(X, triplets)
    assert len(learner.validation_scores_) == learner.n_iter_
    assert 0 < max(learner.validation_scores_) <= 1


def test_there_is_no_margin_and_a_change_of_loss_starts_the_state_anew(data):
    X, relation, _ = data
    learner = TripletMetricLearner(solver="adam", random_state=0)
    learner.partial_fit(X, relation.codes)
    assert learner.margin_ == 0.1
    learner.set_params(loss="softmax").partial_fit(X, relation.codes)
    assert learner.margin_ is None
    learner.set_params(loss="hinge", margin=0.5).partial_fit(X, relation.codes)
    assert learner.margin_ == 0.5
    assert learner.n_iter_ == 3


@pytest.mark.parametrize("temperature", [0, -1.0, np.nan, np.inf, 2**2000])
def test_a_temperature_out_of_range(data, temperature):
    X, relation, _ = data
    learner = TripletMetricLearner(loss="softmax", temperature=temperature)
    with pytest.raises(
        ValueError, match=r"^Got temperature=.*expected a finite number > 0"
    ):
        learner.fit(X, relation.codes)


def test_pairs_have_no_softmax(data):
    X, relation, _ = data
    with pytest.raises(ValueError, match="Got loss='softmax', but expected one of"):
        ContrastiveMetricLearner(loss="softmax").fit(X, relation.codes)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"loss": "softmax", "margin": 0.5}, "margin=0.5 without effect: margin is for"),
        ({"temperature": 0.5}, "got temperature=0.5 without effect.*loss='softmax'"),
    ],
)
def test_what_the_loss_does_not_use_is_said(data, settings, sentence):
    X, relation, _ = data
    with pytest.warns(UserWarning, match=sentence):
        TripletMetricLearner(**settings).fit(X, relation.codes)


def test_a_warning_names_the_temperature(data):
    y = np.repeat([0, 1], 10)
    X = np.column_stack([10.0 * y + 1e-3 * np.arange(20) % 7, np.arange(20) % 3 / 50])
    learner = TripletMetricLearner(loss="softmax", temperature=1e-3, init="identity")
    with pytest.warns(UserWarning, match=r"no active .*Raise the temp.*temperature=0.001"):
        learner.fit(X, y)
