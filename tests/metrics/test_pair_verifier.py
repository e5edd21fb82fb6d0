"""PairVerifier against distances by hand, on every container of rows and pairs."""

import pickle

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import isotonic_regression
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric.metrics import PairVerifier, tar_at_far, verification_threshold
from skmetric.mining import mine_pairs

RNG = np.random.default_rng(4)
Y = np.repeat([0, 1, 2, 3], 15)
X = RNG.standard_normal((60, 3)) + 3 * RNG.standard_normal((4, 3))[Y]
PAIRS, SIMILAR = mine_pairs(X, Y, max_pairs=300, random_state=0)


def learners():
    return [
        TripletMetricLearner(random_state=0),
        ContrastiveMetricLearner(metric="cosine", random_state=0),
        StandardScaler(),
        Normalizer(),
        make_pipeline(StandardScaler(), PCA(2)),
        make_pipeline(StandardScaler(), TripletMetricLearner(n_components=2)),
    ]


@pytest.fixture(params=learners(), ids=lambda learner: type(learner).__name__)
def fitted(request):
    return clone(request.param).fit(X, Y)


def distances_by_hand(estimator, A, B):
    difference = estimator.transform(A) - estimator.transform(B)
    squared = (difference**2).sum(axis=1)
    metric = getattr(estimator, "metric", "euclidean")
    return {"sqeuclidean": squared, "cosine": squared / 2}.get(metric, np.sqrt(squared))


@pytest.mark.parametrize("working_memory", [1024, 0.001])
def test_verifier_on_indices_and_on_arrays(fitted, working_memory):
    A, B = X[PAIRS[:, 0]], X[PAIRS[:, 1]]
    distances = distances_by_hand(fitted, A, B)
    by_arrays = PairVerifier(fitted).fit((A, B), SIMILAR)
    with config_context(working_memory=working_memory):
        by_indices = PairVerifier(fitted).fit(PAIRS, SIMILAR, rows=X)
        decisions = by_indices.decision_function(PAIRS, rows=X)
    expected = verification_threshold(distances, SIMILAR)
    assert by_arrays.threshold_ == pytest.approx(expected)
    assert by_indices.threshold_ == pytest.approx(expected)
    np.testing.assert_allclose(decisions, expected - distances, atol=1e-9)
    accepted = distances <= expected
    for pairs, options in (((A, B), {}), (PAIRS, {"rows": X})):
        np.testing.assert_array_equal(by_arrays.predict(pairs, **options), accepted)
        score = by_arrays.score(pairs, SIMILAR, **options)
        assert score == pytest.approx(np.mean(accepted == SIMILAR))
    assert by_arrays.classes_.tolist() == [False, True]


def test_verifier_keeps_a_rate(fitted):
    options = {"criterion": "tpr_at_fpr", "rate": 0.1}
    verifier = PairVerifier(fitted, **options).fit(PAIRS, SIMILAR, rows=X)
    accepted = verifier.predict(PAIRS, rows=X)
    assert accepted[~SIMILAR].mean() <= 0.1
    A, B = X[PAIRS[:, 0]], X[PAIRS[:, 1]]
    expected = tar_at_far(distances_by_hand(fitted, A, B), SIMILAR, 0.1)
    assert accepted[SIMILAR].mean() == pytest.approx(expected)


def test_verifier_leaves_the_estimator_alone(fitted):
    before = pickle.dumps(fitted)
    verifier = PairVerifier(fitted).fit(PAIRS, SIMILAR, rows=X)
    assert verifier.estimator is fitted
    assert pickle.dumps(fitted) == before


def test_verifier_is_an_estimator(fitted):
    verifier = PairVerifier(FrozenEstimator(fitted), criterion="f1")
    copy = clone(verifier).fit(PAIRS, SIMILAR, rows=X)
    assert copy.get_params(deep=False)["criterion"] == "f1"
    again = pickle.loads(pickle.dumps(copy))
    np.testing.assert_array_equal(
        again.decision_function(PAIRS, rows=X), copy.decision_function(PAIRS, rows=X)
    )
    with pytest.raises(NotFittedError):
        clone(copy).predict(PAIRS, rows=X)


def test_verifier_decides_rows_of_equal_distance_alike():
    rows = np.array([[0.0], [1.0], [2.0], [5.0]])
    pairs, similar = [[0, 1], [1, 2], [0, 2], [2, 3]], [True, True, False, False]
    verifier = PairVerifier(FunctionTransformer().fit(rows)).fit(pairs, similar, rows=rows)
    assert verifier.threshold_ == 1.5
    assert verifier.predict(([[7.0], [7.0]], [[8.0], [8.6]])).tolist() == [True, False]
    assert verifier.decision_function(([[7.0]], [[8.5]])).tolist() == [0.0]
    assert verifier.predict(([[7.0]], [[8.5]])).tolist() == [True]


def test_verifier_on_other_containers():
    pd = pytest.importorskip("pandas")
    learner = TripletMetricLearner(random_state=0).fit(X, Y)
    expected = (
        PairVerifier(learner).fit(PAIRS, SIMILAR, rows=X).decision_function(PAIRS, rows=X)
    )
    scaler = StandardScaler(with_mean=False).fit(X)
    for model in (learner, make_pipeline(scaler)):
        expected = (
            PairVerifier(model).fit(PAIRS, SIMILAR, rows=X).decision_function(PAIRS, rows=X)
        )
        for rows in (csr_matrix(X), csr_matrix(X).tocoo(), X.tolist()):
            verifier = PairVerifier(model).fit(PAIRS.tolist(), SIMILAR.tolist(), rows=rows)
            found = verifier.decision_function(PAIRS, rows=rows)
            np.testing.assert_allclose(found, expected, atol=1e-9)
    frame = pd.DataFrame(X, columns=list("abc"), index=range(200, 260))
    by_name = TripletMetricLearner(random_state=0).fit(frame, Y)
    verifier = PairVerifier(by_name.set_output(transform="pandas"))
    assert verifier.fit(PAIRS, SIMILAR, rows=frame).score(PAIRS, SIMILAR, rows=frame) > 0.5


def test_verifier_takes_columns_of_indices():
    pd = pytest.importorskip("pandas")
    verifier = PairVerifier(StandardScaler().fit(X)).fit(PAIRS, SIMILAR, rows=X)
    expected = verifier.decision_function(PAIRS, rows=X)
    for pairs in (tuple(PAIRS.T), pd.MultiIndex.from_arrays(PAIRS.T)):
        np.testing.assert_array_equal(verifier.decision_function(pairs, rows=X), expected)


@pytest.mark.parametrize(
    ("pairs", "rows", "error", "match"),
    [
        (PAIRS, None, ValueError, r"shape \(300, 2\) without rows"),
        ([[0, 1]], None, ValueError, "list without rows"),
        ((X, X, X), None, ValueError, "tuple without rows"),
        ((X, X[:5]), None, ValueError, "inconsistent numbers"),
        ((X, None), None, TypeError, "Got B=None, but expected an array"),
        ((X[:0], X[:0]), None, ValueError, "Got no rows in A"),
        (PAIRS + 0.5, X, TypeError, "float64, but expected integers"),
        (PAIRS - 60, X, ValueError, "row indices from -"),
        (PAIRS + 10, X, ValueError, "from 0 to 59"),
        (PAIRS[:, 0], X, ValueError, r"shape \(300,\)"),
        (np.empty((0, 2), dtype=int), X, ValueError, "at least one"),
        ((X, X), X, ValueError, "leave rows out"),
        (None, X, ValueError, r"Got pairs=None, but .* \(n_pairs, 2\)"),
        ([[0, 1], [2]], X, ValueError, r"Got pairs=\[\[0, 1\], \[2\]\], but expected"),
        (PAIRS, [], ValueError, "Got no rows in rows"),
        (PAIRS, X[:0], ValueError, "Got no rows in rows"),
        (PAIRS, {}, TypeError, r"Got rows=\{\}, but expected an array"),
        (PAIRS, {"a": X}, TypeError, "Got rows={'a': array"),
        (
            PAIRS,
            np.array(3.0),
            TypeError,
            r"Got rows=array\(3\.?0?\), but expected an array",
        ),
        (PAIRS, 3.0, TypeError, r"Got rows=3\.0, but expected an array"),
        (PAIRS, "rows" * 99, TypeError, r"Got rows='rows.{,90}, but expected an array"),
        (PAIRS, iter(X), TypeError, "Got rows=<.*, but expected an array"),
    ],
)
def test_bad_pairs(pairs, rows, error, match):
    verifier = PairVerifier(StandardScaler().fit(X))
    with pytest.raises(error, match=match):
        verifier.fit(pairs, SIMILAR, rows=rows)
    assert not hasattr(verifier, "threshold_")


def test_bad_estimators():
    with pytest.raises(NotFittedError):
        PairVerifier(TripletMetricLearner()).fit(PAIRS, SIMILAR, rows=X)
    with pytest.raises(NotFittedError):
        PairVerifier(make_pipeline(StandardScaler(), PCA())).fit(PAIRS, SIMILAR, rows=X)
    for estimator in (None, "pca", StandardScaler):
        with pytest.raises(TypeError, match="Got estimator="):
            PairVerifier(estimator).fit(PAIRS, SIMILAR, rows=X)
    with pytest.raises(ValueError, match="4 values in similar"):
        PairVerifier(StandardScaler().fit(X)).fit(PAIRS, [True] * 4, rows=X)
    with pytest.raises(ValueError, match="similar pairs only"):
        PairVerifier(StandardScaler().fit(X)).fit(PAIRS, np.ones(300, dtype=bool), rows=X)


# In scikit-learn's searches

FROZEN = FrozenEstimator(StandardScaler().fit(X))
CV = KFold(3, shuffle=True, random_state=0)


def by_hand(criterion, rate, train, test):
    """Share of the test pairs that a threshold from the training pairs decides."""
    distances = distances_by_hand(FROZEN, X[PAIRS[:, 0]], X[PAIRS[:, 1]])
    threshold = verification_threshold(distances[train], SIMILAR[train], criterion, rate)
    return np.mean((distances[test] <= threshold) == SIMILAR[test])


@pytest.fixture(params=[False, True], ids=["plain", "routing"])
def routing(request):
    with config_context(enable_metadata_routing=request.param):
        yield request.param


def test_cross_validate(routing):
    verifier = PairVerifier(FROZEN, rows=X)
    scoring = ["accuracy", "roc_auc", "average_precision", "neg_brier_score", "f1"]
    # scikit-learn 1.6 with routing takes no None as params.
    options = {"cv": CV, "params": {}}
    found = cross_validate(
        verifier, PAIRS, SIMILAR, scoring=scoring, return_estimator=True, **options
    )
    expected = [by_hand("accuracy", None, *parts) for parts in CV.split(PAIRS)]
    np.testing.assert_allclose(found["test_accuracy"], expected)
    assert all(0.5 < score <= 1 for score in found["test_roc_auc"])
    assert all(copied.rows is verifier.rows for copied in found["estimator"])
    by_default = cross_validate(verifier, PAIRS, SIMILAR, **options)["test_score"]
    np.testing.assert_allclose(by_default, expected)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_grid_search(routing, n_jobs):
    grid = [
        {"criterion": ["accuracy", "f1", "eer"]},
        {"criterion": ["tnr_at_tpr"], "rate": [0.2, 0.9]},
    ]
    verifier = PairVerifier(FROZEN, rows=X)
    search = GridSearchCV(verifier, grid, cv=CV, n_jobs=n_jobs).fit(PAIRS, SIMILAR)
    for i, params in enumerate(search.cv_results_["params"]):
        criterion, rate = params["criterion"], params.get("rate")
        for j, parts in enumerate(CV.split(PAIRS)):
            found = search.cv_results_[f"split{j}_test_score"][i]
            assert found == pytest.approx(by_hand(criterion, rate, *parts))
    assert search.best_estimator_.rows.rows is X
    assert search.predict(PAIRS).shape == (300,)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibrated_classifier(routing, method):
    verifier = PairVerifier(FROZEN, rows=X)
    model = CalibratedClassifierCV(verifier, method=method, cv=CV).fit(PAIRS, SIMILAR)
    probabilities = model.predict_proba(PAIRS)
    assert model.classes_.tolist() == [False, True]
    assert abs(probabilities[:, 1].mean() - SIMILAR.mean()) < 0.05
    order = np.argsort(distances_by_hand(FROZEN, *(X[rows] for rows in PAIRS.T)))
    assert (np.diff(probabilities[order, 1]) <= 1e-12).all()


def test_probabilities_are_shares_of_similar_pairs():
    A, B = X[PAIRS[:, 0]], X[PAIRS[:, 1]]
    distances = distances_by_hand(FROZEN, A, B)
    verifier = PairVerifier(FROZEN, rows=X).fit(PAIRS, SIMILAR)
    order = np.argsort(distances)
    expected = np.empty(len(PAIRS))
    expected[order] = isotonic_regression(SIMILAR[order].astype(float), increasing=False)
    found = verifier.predict_proba(PAIRS)
    np.testing.assert_allclose(found, np.column_stack([1 - expected, expected]), atol=1e-9)
    # What is more likely than not is the most accurate decision.
    accuracy = np.mean((found[:, 1] > 0.5) == SIMILAR)
    assert accuracy == pytest.approx(verifier.score(PAIRS, SIMILAR))
    beyond = verifier.predict_proba((np.zeros((1, 3)), np.full((1, 3), 1e6)))
    np.testing.assert_allclose(beyond[0, 1], expected.min())


def test_other_rows_than_those_of_the_constructor():
    verifier = PairVerifier(FROZEN, rows=X).fit(PAIRS, SIMILAR)
    expected = verifier.decision_function(PAIRS)
    moved = np.roll(X, 7, axis=0)
    found = verifier.decision_function((PAIRS + 7) % 60, rows=moved)
    np.testing.assert_array_equal(found, expected)
    A, B = X[PAIRS[:, 0]], X[PAIRS[:, 1]]
    np.testing.assert_allclose(verifier.decision_function((A, B)), expected)
    np.testing.assert_array_equal(verifier.decision_function(tuple(PAIRS.T)), expected)
