"""Learning from matches of queries and documents: relations, losses, both sides."""

from copy import copy
from itertools import product

import numpy as np
import pytest
from scipy.sparse import csr_array, csr_matrix
from sklearn.base import clone

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric._fit import constraints_for, resolve_auto
from skmetric._objective._evaluate import evaluate
from skmetric._objective._supervision import Matches, MatchLog
from skmetric.distances import METRICS
from skmetric.metrics import PairVerifier
from tests.designs import covering

LEARNERS = (TripletMetricLearner, ContrastiveMetricLearner)
SIDES = ("both", "queries")
SOLVERS = ("lbfgs", "adam", "sgd")


@pytest.fixture(scope="module")
def log():
    """Documents in six directions of which three are noise to the queries; 40 of 60 are
    matched, each with two queries."""
    rng = np.random.default_rng(0)
    documents = rng.normal(size=(60, 6))
    answered = np.repeat(np.arange(40), 2)
    noise = rng.normal(size=(80, 6)) * [0.2, 0.2, 0.2, 2, 2, 2]
    queries = documents[answered] + noise
    return queries, documents, np.column_stack([np.arange(80), answered])


def short(Learner, solver="lbfgs", **options):
    return Learner(solver=solver, max_iter=20, tol=1e-2, random_state=0, **options)


def related(queries, documents, matches, weights=None, **options):
    """Rows of anchors and candidates, and the relation."""
    weights = None if weights is None else np.asarray(weights, dtype=float)
    log = MatchLog.of(queries, documents, np.asarray(matches), weights)
    target = Matches.of(log, "both", **options)
    rows, relation, candidates = target.relate()
    return log.X[rows], log.X[candidates], relation


# Who belongs with whom


def masks_by_loops(A, B, queries, documents, matches, weights):
    """By rows: positives have the weight of the anchor, negatives no match with it."""
    totals = {}
    for (q, d), weight in zip(matches, weights, strict=True):
        key = tuple(queries[q]), tuple(documents[d])
        totals[key] = totals.get(key, 0) + weight
    anchors = sorted({(q, w) for (q, _), w in totals.items() if w}, key=str)
    found = []
    for q, weight in anchors:
        given = [totals.get((q, tuple(b)), 0) for b in B]
        kind = [1 if w == weight else -1 if not w else 0 for w in given]
        found.append((q, weight, tuple(kind)))
    return found


def test_masks_against_loops():
    rng = np.random.default_rng(0)
    queries = rng.integers(3, size=(12, 2)).astype(float)  # With copies.
    documents = rng.integers(4, size=(15, 2)).astype(float)
    matches = np.column_stack([rng.integers(12, size=25), rng.integers(15, size=25)])
    weights = rng.integers(3, size=25)
    A, B, relation = related(queries, documents, matches, weights)
    assert len(np.unique(B, axis=0)) == len(B)
    is_positive, is_negative = relation.masks(slice(0, len(A)))
    assert (is_positive.sum(axis=1) > 0).all()
    scale = relation.weights.min()
    found = [
        (tuple(a), round(float(w / scale), 6), tuple(p.astype(int) - n))
        for a, w, p, n in zip(A, relation.weights, is_positive, is_negative, strict=True)
    ]
    expected = masks_by_loops(A, B, queries, documents, matches, weights)
    least = min(weight for _, weight, _ in expected)
    expected = [(a, round(float(w / least), 6), kind) for a, w, kind in expected]
    assert sorted(found) == sorted(expected)
    n_positives, n_negatives = relation.max_per_anchor()
    assert n_positives == is_positive.sum(axis=1).max()
    assert n_negatives == is_negative.sum(axis=1).max()


def test_one_table_leaves_out_the_row_itself_and_matches_that_have_it():
    X = np.arange(8.0)[:, None] ** 2
    matches = [[0, 1], [1, 2], [3, 4], [5, 0]]
    A, B, relation = related(X, None, matches)
    is_positive, is_negative = relation.masks(slice(0, 4))
    np.testing.assert_array_equal(A, X[[0, 1, 3, 5]])
    np.testing.assert_array_equal(B, X[[0, 1, 2, 4]])
    by_hand = [[0, 1, -1, -1], [0, 0, 1, -1], [-1, -1, -1, 1], [1, -1, -1, -1]]
    np.testing.assert_array_equal(is_positive.astype(int) - is_negative, by_hand)


def test_all_documents_are_candidates_only_if_asked(log):
    _, few, _ = related(*log)
    log = MatchLog.of(*log, None, in_batch=False)
    target = Matches.of(log, "both", in_batch=False)
    assert len(few) == 40 and len(target.relate()[2]) == 60
    assert len(target.relate(np.arange(3))[2]) == 60


def test_candidates_of_a_batch_are_its_own(log):
    target = Matches.of(MatchLog.of(*log, None), "both")
    batches = target.batches(16, np.random.RandomState(0))
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(80))
    for batch in batches:
        rows, relation, candidates = target.relate(batch)
        assert len(candidates) == len({int(b) // 2 for b in batch})
        is_positive, is_negative = relation.masks(slice(0, len(rows)))
        np.testing.assert_array_equal(is_positive, ~is_negative)
        np.testing.assert_array_equal(is_positive.sum(axis=1), 1)


# The loss


@pytest.mark.parametrize(
    ("Learner", "metric", "words", "make"),
    covering(
        product(
            LEARNERS,
            METRICS,
            [("all", "all"), ("nearest", "nearest"), ("all", "hard")],
            [np.asarray, csr_matrix],
        )
    ),
)
def test_gradient_with_candidates_as_they_are(log, Learner, metric, words, make):
    A, B, relation = related(*log)
    margins = {"pos_margin": 0.2} if Learner is ContrastiveMetricLearner else {}
    loss = "softplus" if margins else "softmax"
    positives, negatives = words
    learner = Learner(
        metric=metric,
        loss=loss,
        margin=0.9,
        positives=positives,
        negatives=negatives,
        **margins,
    )
    constraints = constraints_for(resolve_auto(learner, True), 6)
    rng = np.random.default_rng(1)
    W = np.eye(6) + 0.1 * rng.normal(size=(6, 6))

    def at(W):
        return evaluate(
            W,
            make(A),
            relation,
            metric,
            constraints,
            random_state=np.random.RandomState(0),
            candidates=make(B),
            side="queries",
        )

    step = 1e-6 * rng.normal(size=(6, 6))
    slope = (at(W + step).loss - at(W - step).loss) / 2
    assert slope == pytest.approx(np.vdot(at(W).gradient, step), rel=1e-5)


@pytest.mark.parametrize("side", SIDES)
def test_softmax_against_loops(log, side):
    A, B, relation = related(*log)
    learner = TripletMetricLearner(loss="softmax", positives="all", negatives="all")
    W, total = np.diag([1.0, 2, 1, 0.5, 0.5, 0.5]), 0.0
    others = B @ W.T if side == "both" else B
    is_positive, is_negative = relation.masks(slice(0, len(A)))
    for a, positives, negatives in zip(A @ W.T, is_positive, is_negative, strict=True):
        d = ((a - others) ** 2).sum(axis=1) / learner.temperature
        for p in np.flatnonzero(positives):
            total += np.logaddexp(0, d[p] + np.logaddexp.reduce(-d[negatives]))
    found = evaluate(
        W,
        A,
        relation,
        "sqeuclidean",
        constraints_for(resolve_auto(learner, True), 6),
        candidates=B,
        side=side,
    )
    assert found.loss == pytest.approx(total / is_positive.sum())


# Fits


@pytest.mark.parametrize(
    ("Learner", "metric", "side", "solver", "make", "dtype"),
    covering(
        product(
            LEARNERS,
            METRICS,
            SIDES,
            SOLVERS,
            [np.asarray, csr_matrix],
            [np.float64, np.float32],
        )
    ),
)
def test_fits_find_answers_for_new_queries(log, Learner, metric, side, solver, make, dtype):
    rng, documents = np.random.default_rng(1), log[1]
    matches = np.column_stack([np.arange(240), np.repeat(np.arange(60), 4)])
    noise = rng.normal(size=(240, 6)) * [0.2, 0.2, 0.2, 2, 2, 2]
    queries = documents[matches[:, 1]] + noise
    learner = Learner(metric=metric, solver=solver, random_state=0)
    tables = make(queries.astype(dtype)), make(documents.astype(dtype))
    learner.fit_matches(*tables, matches[::2], side=side)
    assert learner.components_.dtype == dtype and learner.side_ == side
    unmapped = copy(learner)
    unmapped.components_ = np.eye(6)
    before, after = (
        each.score_matches(*tables, matches[1::2]) for each in (unmapped, learner)
    )
    assert after > before + 0.03


@pytest.mark.filterwarnings("ignore:.*did not converge")
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("solver", SOLVERS)
def test_sparse_tables_give_the_same(log, solver, side):
    queries, documents, matches = log
    expected = short(TripletMetricLearner, solver, metric="cosine", init="identity")
    expected.fit_matches(*log, side=side)
    for tables in (
        (csr_matrix(queries), csr_matrix(documents)),
        (queries, csr_matrix(documents)),
    ):
        found = clone(expected).fit_matches(*tables, matches, side=side)
        np.testing.assert_allclose(found.components_, expected.components_, rtol=1e-6)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("Learner", LEARNERS)
def test_a_weight_of_2_is_a_match_given_twice(log, Learner, side):
    queries, documents, matches = log
    weights = 1.0 + (np.arange(80) % 4 == 0)
    weights[5] = 0
    twice = np.repeat(matches, weights.astype(int), axis=0)
    expected = short(Learner).fit_matches(queries, documents, twice, side=side)
    found = short(Learner).fit_matches(queries, documents, matches, 7 * weights, side)
    np.testing.assert_allclose(found.components_, expected.components_, rtol=1e-6)


@pytest.mark.parametrize("side", SIDES)
def test_copies_and_the_order_of_documents_change_nothing(log, side):
    queries, documents, matches = log
    expected = short(TripletMetricLearner).fit_matches(*log, side=side)
    order = np.random.default_rng(0).permutation(120)
    moved = np.argsort(order)
    copied = matches.copy()
    copied[:, 1] = moved[matches[:, 1] + 60 * (np.arange(80) % 2)]
    found = short(TripletMetricLearner).fit_matches(
        queries, np.concatenate([documents, documents])[order], copied, side=side
    )
    np.testing.assert_allclose(
        found.components_, expected.components_, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("metric", METRICS)
def test_queries_only_does_not_depend_on_the_unit(log, metric):
    queries, documents, matches = log
    learner = short(TripletMetricLearner, metric=metric)
    expected = learner.fit_matches(*log, side="queries").components_
    found = learner.fit_matches(64 * queries, 64 * documents, matches, side="queries")
    np.testing.assert_allclose(found.components_, expected, rtol=1e-9, atol=1e-12)


def test_margins_are_in_units_of_the_distance_of_queries_and_documents(log):
    units = MatchLog.of(*log, None).in_units_of_distances()
    A, B = units.X[np.unique(units.queries)], units.X[units.candidates]
    squares = [((a - b) ** 2).sum() for a, b in product(A, B)]
    assert len(squares) == 80 * 40
    assert np.mean(squares) == pytest.approx(1)


@pytest.mark.parametrize("metric", METRICS)
def test_queries_only_maps_queries_only(log, metric):
    queries, documents, _ = log
    learner = short(TripletMetricLearner, metric=metric)
    learner.fit_matches(*log, side="queries")
    np.testing.assert_array_equal(learner.initial_components_, np.eye(6))
    A, B = learner.transform(queries[:60]), documents
    if metric == "cosine":
        B = B / np.linalg.norm(B, axis=1, keepdims=True)
    distances = np.linalg.norm(A - B, axis=1)
    if metric != "euclidean":
        distances = distances**2 / (2 if metric == "cosine" else 1)
    found = learner.pair_distances(queries[:60], documents)
    np.testing.assert_allclose(found, distances, rtol=1e-9)
    sparse = learner.pair_distances(csr_matrix(queries[:60]), csr_matrix(documents))
    np.testing.assert_allclose(sparse, distances, rtol=1e-9)


def test_what_makes_no_sense_for_queries_only_is_refused(log):
    queries, y = log[0], np.arange(80) % 2
    learner = short(TripletMetricLearner, "adam").fit_matches(*log, side="queries")
    before = learner.components_
    calls = [
        lambda: learner.get_mahalanobis_matrix(),
        lambda: learner.score_triplets(queries, [[0, 1, 2]]),
        lambda: learner.partial_fit(queries, y),
        lambda: learner.partial_fit_triplets(queries, [[0, 1, 2]]),
        lambda: learner.partial_fit_matches(*log),
        lambda: clone(learner).set_params(init="pca").fit_matches(*log, side="queries"),
        lambda: clone(learner).set_params(n_components=2).fit_matches(*log, side="queries"),
        lambda: PairVerifier(learner).fit([[0, 1], [0, 2]], [True, False], rows=queries),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"side='?"):
            call()
    learner.set_params(warm_start=True)
    for call in (lambda: learner.fit(queries, y), lambda: learner.fit_matches(*log)):
        with pytest.raises(ValueError, match="side='queries' to go on from"):
            call()
    assert learner.components_ is before
    learner.fit_matches(*log, side="queries").partial_fit_matches(*log, side="queries")
    learner.set_params(warm_start=False).fit(queries, y)
    assert learner.side_ == "both"
    learner.get_mahalanobis_matrix()


# Scores


@pytest.mark.parametrize("side", SIDES)
def test_score_against_loops(log, side):
    rng = np.random.default_rng(2)
    queries, documents = rng.integers(4, size=(2, 30, 6)).astype(float)  # With ties.
    documents = np.unique(documents, axis=0)
    matches = np.column_stack(
        [rng.integers(30, size=50), rng.integers(len(documents), size=50)]
    )
    learner = short(TripletMetricLearner).fit_matches(*log, side=side)
    learner.components_ = np.diag([1.0, 2, 1, 1, 1, 0])
    A = queries @ learner.components_
    B = documents @ learner.components_ if side == "both" else documents
    ranks = []
    for q in np.unique(matches[:, 0]):
        own = np.isin(np.arange(len(B)), matches[matches[:, 0] == q, 1])
        d = ((A[q] - B) ** 2).sum(axis=1)
        best = d[own].min()
        ranks.append(1 + (d[~own] < best).sum() + (d[~own] == best).sum() / 2)
    score = learner.score_matches(queries, documents, matches)
    assert len(np.unique(queries, axis=0)) == 30
    assert score == pytest.approx(np.mean(1 / np.array(ranks)))


def test_a_query_does_not_find_itself(log):
    X = np.array([[0.0], [1.0], [5.0], [6.5]])
    learner = TripletMetricLearner().fit_matches(X, None, [[0, 1], [2, 3]])
    assert learner.score_matches(X, None, [[0, 1], [2, 3]]) == 1
    assert learner.score_matches(X, None, [[0, 2]]) == 0.5


# Streams, early stopping, warm start


@pytest.mark.parametrize("side", SIDES)
def test_chunks(log, side):
    learner = TripletMetricLearner(random_state=0)
    for _ in range(30):
        learner.partial_fit_matches(*log, side=side)
    start = clone(learner).partial_fit_matches(*log, side=side)
    assert learner.n_iter_ == 30 and learner.side_ == side
    assert learner.score_matches(*log) > start.score_matches(*log)


def test_early_stopping_holds_out_queries(log):
    queries, documents, matches = log
    target = Matches.of(MatchLog.of(*log, 1.0 + np.arange(80) % 2), "both")
    kept, held = target.hold_out(0.25, np.random.RandomState(0))
    assert len(held) == 20 and not set(kept.rows) & set(held.rows)
    assert len(held.candidates) == 40
    learner = short(TripletMetricLearner, "adam", early_stopping=True)
    learner.fit_matches(*log)
    assert len(learner.validation_scores_) == learner.n_iter_
    assert 0 < max(learner.validation_scores_) <= 1
    with pytest.raises(ValueError, match="2 queries are too few"):
        learner.fit_matches(queries, documents, matches[[0, 2]])
    learner.set_params(scoring=lambda learner, X, y: 0.0)
    with pytest.raises(ValueError, match="scorer needs labels"):
        learner.fit_matches(*log)


@pytest.mark.parametrize("side", SIDES)
def test_warm_start_goes_on(log, side):
    learner = short(TripletMetricLearner, warm_start=True).fit_matches(*log, side=side)
    loss = learner.loss_
    assert learner.fit_matches(*log, side=side).loss_ <= loss * (1 + 1e-6)


def test_dask_says_where_to_go():
    pytest.importorskip("dask")
    from skmetric.dask import DaskTripletMetricLearner

    for name in ("fit_matches", "partial_fit_matches"):
        with pytest.raises(AttributeError, match=rf"to_local\(\)\.{name}"):
            getattr(DaskTripletMetricLearner(), name)


# Messages


@pytest.mark.parametrize(
    ("matches", "error", "message"),
    [
        ([[0, 60]], ValueError, "to 59: documents has 60 rows"),
        ([[80, 0]], ValueError, "to 79: queries has 80 rows"),
        ([[0, -1]], ValueError, "-1 into documents.*get_indexer.*Leave out"),
        ([["a", "b"]], TypeError, "rows of queries.*Index.*get_indexer"),
        ([[0.0, 1.0]], TypeError, "dtype=int"),
        ([[0, 1, 2]], ValueError, r"expected \(n_matches, 2\)"),
        ([], ValueError, "Got no matches"),
        ([[0, 0]], ValueError, "nothing to push away"),
        (np.eye(80, 60), ValueError, r"column for each document.*clicks.nonzero\(\)"),
        (csr_array(np.eye(80, 60)), ValueError, r"column for each document.*nonzero"),
    ],
)
def test_matches_that_are_none(log, matches, error, message):
    queries, documents, _ = log
    with pytest.raises(error, match=message):
        TripletMetricLearner().fit_matches(queries, documents, matches)


def test_other_messages(log):
    queries, documents, matches = log
    learner = TripletMetricLearner()
    with pytest.raises(ValueError, match="Got side='document'"):
        learner.fit_matches(*log, side="document")
    with pytest.raises(ValueError, match="Got candidates='al'"):
        learner.fit_matches(*log, candidates="al")
    with pytest.raises(ValueError, match="one weight for each of the matches"):
        learner.fit_matches(*log, sample_weight=[1])
    with pytest.raises(ValueError, match="init='lda' without labels"):
        TripletMetricLearner(init="lda").fit_matches(*log)
    with pytest.raises(ValueError, match="themselves or with equal rows only"):
        learner.fit_matches(queries, None, [[0, 0], [1, 1]])
    with pytest.raises(ValueError, match=r"similar pairs only.*fit_matches"):
        ContrastiveMetricLearner().fit_pairs(queries, [[0, 1]], [True])
    with pytest.raises(ValueError, match="5 features"):
        learner.fit_matches(queries, documents[:, :5], matches)
    assert not hasattr(learner, "components_")
