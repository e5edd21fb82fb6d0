"""Tuples in scikit-learn's searches, against fits and scores by hand."""

import pickle
import tracemalloc

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    cross_val_score,
    cross_validate,
)

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric.metrics import retrieval_report, retrieval_scorer
from skmetric.mining import mine_pairs, mine_triplets
from skmetric.model_selection import MatchShuffleSplit, TupleLearner

RNG = np.random.default_rng(0)
Y = np.repeat([0, 1, 2, 3], 15)
X = RNG.standard_normal((60, 4)) + 2 * RNG.standard_normal((4, 4))[Y]
TRIPLETS = RNG.permutation(mine_triplets(X, Y, max_triplets=240, random_state=0))
PAIRS, SIMILAR = mine_pairs(X, Y, positives="all", negatives="all", max_pairs=240)
CV = KFold(3, shuffle=True, random_state=0)
GRID = {"learner__margin": [0.01, 3.0]}


def of_triplets(rows=X, **options):
    return TupleLearner(TripletMetricLearner(**options), rows, kind="triplets")


def of_pairs(rows=X, **options):
    learner = ContrastiveMetricLearner(random_state=0, pos_margin=0.0, **options)
    return TupleLearner(learner, rows, kind="pairs")


def score_by_hand(kind, train, test, margin, weights=None):
    """Fit a learner on some tuples, and count tuples in the right order."""
    if kind == "triplets":
        learner = TripletMetricLearner(margin=margin)
        learner.fit_triplets(X, TRIPLETS[train], weights)
        a, p, n = (learner.transform(X)[rows] for rows in TRIPLETS[test].T)
        near, far = ((a - p) ** 2).sum(axis=1), ((a - n) ** 2).sum(axis=1)
        return np.mean(near < far)
    learner = ContrastiveMetricLearner(random_state=0, pos_margin=0.0, margin=margin)
    learner.fit_pairs(X, PAIRS[train], SIMILAR[train], weights)
    a, b = (learner.transform(X)[rows] for rows in PAIRS[test].T)
    return roc_auc_score(SIMILAR[test], -((a - b) ** 2).sum(axis=1))


KINDS = {
    "triplets": (of_triplets, TRIPLETS, None),
    "pairs": (of_pairs, PAIRS, SIMILAR),
}


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_grid_search(kind, n_jobs, routing):
    make, tuples, y = KINDS[kind]
    with config_context(enable_metadata_routing=routing):
        search = GridSearchCV(make(), GRID, cv=CV, n_jobs=n_jobs).fit(tuples, y)
    for i, margin in enumerate(GRID["learner__margin"]):
        for j, (train, test) in enumerate(CV.split(tuples)):
            found = search.cv_results_[f"split{j}_test_score"][i]
            assert found == pytest.approx(score_by_hand(kind, train, test, margin))
    best = search.best_estimator_
    assert best.rows.rows is search.estimator.rows.rows
    assert search.score(tuples, y) == best.score(tuples, y)
    assert best.learner_.margin == search.best_params_["learner__margin"]


@pytest.mark.parametrize("kind", KINDS)
def test_cross_validate(kind):
    make, tuples, y = KINDS[kind]
    found = cross_validate(make(margin=1.0), tuples, y, cv=CV, return_estimator=True)
    expected = [score_by_hand(kind, *parts, 1.0) for parts in CV.split(tuples)]
    np.testing.assert_allclose(found["test_score"], expected)
    assert all(fitted.rows.rows is X for fitted in found["estimator"])


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_split_with_the_tuples(kind, routing):
    make, tuples, y = KINDS[kind]
    weights = np.random.default_rng(1).integers(0, 5, len(tuples)).astype(float)
    with config_context(enable_metadata_routing=routing):
        learner = make(margin=1.0)
        if routing:
            learner.set_fit_request(sample_weight=True)
        params = {"sample_weight": weights}
        found = cross_validate(learner, tuples, y, cv=CV, params=params)
    expected = [
        score_by_hand(kind, train, test, 1.0, weights[train])
        for train, test in CV.split(tuples)
    ]
    np.testing.assert_allclose(found["test_score"], expected)


@pytest.mark.parametrize("kind", KINDS)
def test_halving(kind):
    make, tuples, y = KINDS[kind]
    options = {"cv": CV, "random_state": 0, "min_resources": 60, "factor": 2, "n_jobs": 2}
    search = HalvingGridSearchCV(make(), GRID | {"learner__alpha": [0.1, 1]}, **options)
    search.fit(tuples, y)
    assert search.n_resources_ == [60, 120, 240]
    assert 0.5 < search.best_score_ <= 1


def test_clones_share_the_rows():
    learner = of_triplets()
    copied = clone(learner)
    assert copied.rows is learner.rows and copied.rows.rows is X
    other = X[:30]
    assert clone(copied.set_params(rows=other)).rows.rows is other


class Recorder(TupleLearner):
    """Scores 1 where its rows are the map of a file, as in a worker, and 0 elsewhere."""

    def __init__(self, rows, number=0):
        self.rows = rows
        self.number = number

    def fit(self, tuples, y=None):
        values = getattr(self.rows.rows, "data", None)
        values = values if isinstance(values, np.ndarray) else self.rows.rows
        self.is_mapped_ = isinstance(values, np.memmap) or not values.flags.writeable
        return self

    def score(self, tuples, y=None):
        return float(self.is_mapped_)


@pytest.mark.parametrize("container", [np.asarray, csr_matrix])
def test_searches_do_not_copy_large_rows(container):
    rows = container(np.ones((50_000, 4)))  # 1.6 MB; joblib maps arrays from 1 MB on.
    grid = {"number": [1, 2, 3]}
    in_workers = GridSearchCV(Recorder(rows), grid, cv=2, n_jobs=2).fit(TRIPLETS)
    assert in_workers.cv_results_["mean_test_score"].tolist() == [1, 1, 1]
    tracemalloc.start()
    here = GridSearchCV(Recorder(rows), grid, cv=2).fit(TRIPLETS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert here.cv_results_["mean_test_score"].tolist() == [0, 0, 0]
    assert peak < 2**20


def test_a_learner_fits_rows_that_are_mapped():
    rows = np.zeros((50_000, 4))
    rows[:60] = X
    expected = cross_val_score(of_triplets(rows), TRIPLETS, cv=CV)
    found = cross_val_score(of_triplets(rows), TRIPLETS, cv=CV, n_jobs=2)
    np.testing.assert_allclose(found, expected)


def test_splits_of_matches_as_cv():
    found = cross_val_score(
        of_pairs(), PAIRS, SIMILAR, cv=MatchShuffleSplit(2, random_state=0)
    )
    assert (found > 0.5).all()


class Averager(BaseEstimator):
    """A learner from matches, as far as `TupleLearner` knows one."""

    def fit_matches(self, queries, documents, matches, sample_weight=None, side="both"):
        self.given_ = queries, documents, np.asarray(matches), sample_weight
        return self

    def score_matches(self, queries, documents, matches):
        assert queries is self.given_[0] and documents is self.given_[1]
        return len(matches) / 10


def test_matches():
    learner = TupleLearner(Averager(), X, X[:7], kind="matches")
    matches = np.array([[0, 1], [9, 6], [3, 0]])
    learner.fit(matches, sample_weight=np.arange(3))
    queries, documents, given, weights = learner.learner_.given_
    assert queries is X
    np.testing.assert_array_equal(documents, X[:7])
    np.testing.assert_array_equal(given, matches)
    assert weights.tolist() == [0, 1, 2]
    assert learner.score(matches[:2]) == 0.2
    copied = clone(learner)
    assert copied.documents is learner.documents


class Scaler(Averager):
    """A learner from matches that maps rows, or queries only."""

    def fit_matches(self, queries, documents, matches, sample_weight=None, side="both"):
        self.side_ = side
        self.scale_ = len(matches)
        return self

    def transform(self, X):
        return self.scale_ * X


@pytest.mark.parametrize("side", ["both", "queries"])
@pytest.mark.parametrize("table", ["other", "same"])
def test_retrieval_scorers_of_matches(side, table):
    documents = X[:20] + RNG.standard_normal((20, 4)) if table == "other" else None
    matches = np.column_stack([np.repeat(np.arange(20, 50), 2), np.arange(60) % 20])
    learner = TupleLearner(Scaler(), X, documents, kind="matches", side=side)
    cv, scores = MatchShuffleSplit(3, random_state=0), ["recall_at_5", "mrr"]
    found = cross_validate(learner, matches, cv=cv, scoring=retrieval_scorer(scores))
    for i, (train, test) in enumerate(cv.split(matches)):
        index = documents
        if index is not None and side == "both":
            index = len(train) * index
        report = retrieval_report(
            len(train) * X, scores=scores, index=index, relevant=matches[test]
        )
        assert report.n_left_out == 60 - len(set(matches[test, 0]))
        assert {name: found[f"test_{name}"][i] for name in scores} == dict(report)


@pytest.mark.parametrize("side", ["both", "queries"])
def test_sides_of_matches_in_searches(side):
    documents = X[:20] + RNG.standard_normal((20, 4))
    matches = np.column_stack([np.arange(60), np.arange(60) % 20])
    grid = {"learner__alpha": [0.1, 10.0]}
    learner = TupleLearner(TripletMetricLearner(), X, documents, kind="matches", side=side)
    search = GridSearchCV(learner, grid, cv=CV, n_jobs=2).fit(matches)
    found = cross_validate(learner, matches, cv=CV, return_estimator=True)
    assert {fitted.learner_.side_ for fitted in found["estimator"]} == {side}
    assert search.best_estimator_.learner_.side_ == side
    for j, (train, test) in enumerate(CV.split(matches)):
        for alpha, scores in (
            ("auto", found["test_score"]),
            (0.1, search.cv_results_[f"split{j}_test_score"][[0] * 3]),
            (10.0, search.cv_results_[f"split{j}_test_score"][[1] * 3]),
        ):
            by_hand = TripletMetricLearner(alpha=alpha)
            by_hand.fit_matches(X, documents, matches[train], side=side)
            expected = by_hand.score_matches(X, documents, matches[test])
            assert scores[j] == pytest.approx(expected)


def test_a_search_finds_the_side():
    """Queries are 3 times as long as their documents, which only one map each can undo."""
    documents = RNG.standard_normal((20, 4))
    matches = np.column_stack([np.arange(60), np.arange(60) % 20])
    queries = 3 * documents[matches[:, 1]] + 0.1 * RNG.standard_normal((60, 4))
    learner = TupleLearner(TripletMetricLearner(), queries, documents, kind="matches")
    search = GridSearchCV(learner, {"side": ["both", "queries"]}, cv=CV).fit(matches)
    assert search.best_params_ == {"side": "queries"}
    assert search.best_estimator_.learner_.side_ == "queries"


def test_only_matches_are_embedded():
    with pytest.raises(TypeError, match="without transform, TupleLearner"):
        retrieval_scorer("mrr")(of_triplets().fit(TRIPLETS), TRIPLETS, None)


def test_forms_of_rows_and_tuples():
    pd = pytest.importorskip("pandas")
    expected = of_triplets().fit(TRIPLETS).score(TRIPLETS)
    for rows in (X.tolist(), pd.DataFrame(X)):
        for triplets in (TRIPLETS.tolist(), pd.DataFrame(TRIPLETS)):
            assert of_triplets(rows).fit(triplets).score(triplets) == expected
    frame, similar = pd.DataFrame(PAIRS), pd.Series(SIMILAR)
    found = cross_val_score(of_pairs(), frame, similar, cv=CV)
    np.testing.assert_array_equal(found, cross_val_score(of_pairs(), PAIRS, SIMILAR, cv=CV))


def test_pickle_and_repr():
    learner = of_triplets().fit(TRIPLETS)
    again = pickle.loads(pickle.dumps(learner))
    assert again.score(TRIPLETS) == learner.score(TRIPLETS)
    assert "rows=<ndarray of shape (60, 4)>" in repr(learner)
    assert "rows=<list>" in repr(of_triplets(X.tolist()))
    assert not hasattr(learner.rows, "__len__")


@pytest.mark.parametrize(
    ("learner", "tuples", "y", "match"),
    [
        (TupleLearner(TripletMetricLearner(), X, kind="pair"), PAIRS, None, "'pairs'"),
        (
            TupleLearner(TripletMetricLearner(), X, kind="pairs"),
            PAIRS,
            None,
            "no fit_pairs",
        ),
        (
            TupleLearner(ContrastiveMetricLearner(), X, kind="triplets"),
            TRIPLETS,
            None,
            "ContrastiveMetricLearner, which has no fit_triplets",
        ),
        (
            TupleLearner(TripletMetricLearner(), X, X, kind="triplets"),
            TRIPLETS,
            None,
            "None",
        ),
        (
            TupleLearner(TripletMetricLearner(), X, kind="triplets", side="queries"),
            TRIPLETS,
            None,
            "'both': only matches",
        ),
        (
            TupleLearner(TripletMetricLearner(), X, X, kind="matches", side="query"),
            PAIRS,
            None,
            "side='query'",
        ),
        (of_pairs(), PAIRS, None, "similar=None"),
        (of_triplets(), PAIRS, None, r"shape \(240, 2\)"),
        (of_triplets(X[:50]), TRIPLETS, None, "from 0 to 49"),
    ],
)
def test_bad_input(learner, tuples, y, match):
    with pytest.raises(ValueError, match=match):
        learner.fit(tuples, y)
    assert not hasattr(learner, "learner_")


def test_bad_scores():
    with pytest.raises(NotFittedError):
        of_pairs().score(PAIRS, SIMILAR)
    learner = of_pairs().fit(PAIRS, SIMILAR)
    with pytest.raises(ValueError, match="similar pairs only"):
        learner.score(PAIRS[SIMILAR], SIMILAR[SIMILAR])
