"""Retrieval scorers wherever scikit-learn takes a scorer."""

import pickle

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_score,
    cross_validate,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmetric import TripletMetricLearner
from skmetric.metrics import (
    mean_average_precision_at_r,
    mean_reciprocal_rank,
    precision_at_k,
    retrieval_report,
    retrieval_scorer,
)
from skmetric.model_selection import ClassDisjointShuffleSplit

X, Y = make_blobs([12, 10, 8, 9, 6, 11], n_features=4, cluster_std=4, random_state=0)
WORDS = [
    "map_at_r",
    "precision_at_1",
    "success_at_3",
    "recall_at_3",
    "ndcg_at_5",
    "r_precision",
    "map",
    "mrr",
]


def learner():
    return TripletMetricLearner(n_components=2)


def pipeline():
    return make_pipeline(StandardScaler(), PCA(3), learner())


@pytest.mark.parametrize("word", WORDS)
def test_a_scorer_is_the_score_of_the_embedding(word):
    fitted = learner().fit(X, Y)
    E = fitted.transform(X)
    expected = retrieval_report(E, Y, scores=[word])[word]
    scorer = retrieval_scorer(word)
    assert scorer(fitted, X, Y) == expected
    assert scorer.score_embedding(E, Y) == expected
    assert isinstance(scorer(fitted, X, Y), float)
    against = {"index": E[20:], "index_labels": Y[20:]}
    expected = retrieval_report(E[:20], Y[:20], scores=[word], **against)[word]
    assert scorer.score_embedding(E[:20], Y[:20], **against) == expected


def test_several_scores_are_a_dict():
    fitted = learner().fit(X, Y)
    found = retrieval_scorer(WORDS)(fitted, X, Y)
    assert found == dict(retrieval_report(fitted.transform(X), Y, scores=WORDS))
    assert type(found) is dict


def test_metric():
    fitted = PCA().fit(X)
    found = retrieval_scorer("map_at_r", metric="cosine")(fitted, X, Y)
    assert found == mean_average_precision_at_r(fitted.transform(X), Y, metric="cosine")
    assert found != mean_average_precision_at_r(fitted.transform(X), Y)


@pytest.mark.parametrize("make", [learner, pipeline])
def test_cross_validation_is_leave_one_out_within_the_fold(make):
    cv = StratifiedKFold(3, shuffle=True, random_state=0)
    found = cross_val_score(make(), X, Y, cv=cv, scoring=retrieval_scorer("mrr"))
    expected = [
        mean_reciprocal_rank(make().fit(X[train], Y[train]).transform(X[test]), Y[test])
        for train, test in cv.split(X, Y)
    ]
    np.testing.assert_allclose(found, expected)


def test_cross_validate_with_several():
    found = cross_validate(learner(), X, Y, cv=3, scoring=retrieval_scorer(WORDS))
    assert {f"test_{word}" for word in WORDS} <= set(found)
    named = {word: retrieval_scorer(word) for word in WORDS}
    one_by_one = cross_validate(learner(), X, Y, cv=3, scoring=named)
    for word in WORDS:
        np.testing.assert_allclose(found[f"test_{word}"], one_by_one[f"test_{word}"])


@pytest.mark.parametrize(
    "cv", [GroupKFold(3), ClassDisjointShuffleSplit(3, random_state=0)]
)
@pytest.mark.parametrize("make", [learner, pipeline])
def test_class_disjoint(make, cv):
    names = np.array(list("abcdef"))[Y]
    scorer = retrieval_scorer("precision_at_1")
    found = cross_val_score(make(), X, names, groups=names, cv=cv, scoring=scorer)
    expected = []
    for train, test in cv.split(X, names, groups=names):
        assert not set(Y[train]) & set(Y[test])
        model = make().fit(X[train], Y[train])
        expected.append(precision_at_k(model.transform(X[test]), Y[test], 1))
    np.testing.assert_allclose(found, expected)


def test_searches():
    grid = {"tripletmetriclearner__margin": [0.05, 0.5]}
    options = {"cv": GroupKFold(2), "n_jobs": 2}
    scorer = retrieval_scorer("map_at_r")
    search = GridSearchCV(pipeline(), grid, scoring=scorer, **options).fit(X, Y, groups=Y)
    for i, parameters in enumerate(search.cv_results_["params"]):
        model = pipeline().set_params(**parameters)
        scores = cross_val_score(model, X, Y, groups=Y, cv=GroupKFold(2), scoring=scorer)
        assert search.cv_results_["mean_test_score"][i] == pytest.approx(scores.mean())
    assert search.score(X, Y) == scorer(search.best_estimator_, X, Y)
    options |= {"n_iter": 1, "random_state": 0, "refit": "mrr"}
    several = RandomizedSearchCV(
        pipeline(), grid, scoring=retrieval_scorer(WORDS), **options
    )
    several.fit(X, Y, groups=Y)
    assert several.best_score_ == several.cv_results_["mean_test_mrr"][0]


@pytest.mark.parametrize("scores", ["map_at_r", ["mrr", "precision_at_2"]])
def test_pickle_and_repr(scores):
    scorer = retrieval_scorer(scores, metric="cosine")
    again = pickle.loads(pickle.dumps(scorer))
    assert again == scorer
    assert repr(scorer) == f"retrieval_scorer({scores!r}, metric='cosine')"
    assert repr(retrieval_scorer(scores)) == f"retrieval_scorer({scores!r})"
    fitted = PCA().fit(X)
    value = scorer(fitted, X, Y)
    copied = pickle.loads(pickle.dumps(value))
    assert copied == value
    if scores == "map_at_r":
        assert dict(copied) == {"map_at_r": float(value)}
        assert repr(value) == repr(float(value))


@pytest.mark.parametrize(
    "scoring",
    [
        retrieval_scorer("map_at_r"),
        retrieval_scorer(["map_at_r", "mrr"]),
        {"map_at_r": retrieval_scorer("map_at_r")},
    ],
    ids=["one", "several", "dict"],
)
def test_scoring_monitor(scoring):
    callback = pytest.importorskip("sklearn.callback")
    if not hasattr(callback, "ScoringMonitor"):
        pytest.skip("scikit-learn has no ScoringMonitor yet")
    monitor = callback.ScoringMonitor(scoring=scoring)
    fitted = learner().set_callbacks(monitor).fit(X, Y)
    logged = [row["map_at_r"] for row in monitor.get_logs().data]
    assert len(logged) > 1
    assert mean_average_precision_at_r(fitted.transform(X), Y) in logged


@pytest.mark.parametrize(
    ("scores", "match"),
    [
        ("map@r", r"expected one of .*'map_at_r', 'mrr', .*mean 'map_at_r'"),
        ("precision_at_k", "number for k"),
        ("recall_at_0", "k=0"),
        (["mrr", "accuracy"], "Got score='accuracy'"),
        ([], "at least one word"),
        (None, "Got scores=None, but expected a sequence"),
        (3, "Got scores=3, but expected a sequence"),
        ([["mrr"]], r"Got score=\['mrr'\]"),
    ],
)
def test_unknown_words(scores, match):
    with pytest.raises(ValueError, match=match):
        retrieval_scorer(scores)


def test_unknown_metric():
    with pytest.raises(ValueError, match="metric='hamming'"):
        retrieval_scorer("mrr", metric="hamming")


def test_an_estimator_without_transform():
    model = make_pipeline(StandardScaler(), KNeighborsClassifier()).fit(X, Y)
    with pytest.raises(TypeError, match=r"without transform, Pipeline.*classifier"):
        retrieval_scorer("mrr")(model, X, Y)
