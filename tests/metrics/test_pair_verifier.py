"""PairVerifier against distances by hand, on every container of rows and pairs."""

import pickle

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn import config_context
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
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
        by_indices = PairVerifier(fitted).fit(PAIRS, SIMILAR, X=X)
        decisions = by_indices.decision_function(PAIRS, X=X)
    expected = verification_threshold(distances, SIMILAR)
    assert by_arrays.threshold_ == pytest.approx(expected)
    assert by_indices.threshold_ == pytest.approx(expected)
    np.testing.assert_allclose(decisions, expected - distances, atol=1e-9)
    accepted = distances <= expected
    for pairs, options in (((A, B), {}), (PAIRS, {"X": X})):
        np.testing.assert_array_equal(by_arrays.predict(pairs, **options), accepted)
        score = by_arrays.score(pairs, SIMILAR, **options)
        assert score == pytest.approx(np.mean(accepted == SIMILAR))
    assert by_arrays.classes_.tolist() == [False, True]


def test_verifier_keeps_a_rate(fitted):
    options = {"criterion": "tpr_at_fpr", "rate": 0.1}
    verifier = PairVerifier(fitted, **options).fit(PAIRS, SIMILAR, X=X)
    accepted = verifier.predict(PAIRS, X=X)
    assert accepted[~SIMILAR].mean() <= 0.1
    A, B = X[PAIRS[:, 0]], X[PAIRS[:, 1]]
    expected = tar_at_far(distances_by_hand(fitted, A, B), SIMILAR, 0.1)
    assert accepted[SIMILAR].mean() == pytest.approx(expected)


def test_verifier_leaves_the_estimator_alone(fitted):
    before = pickle.dumps(fitted)
    verifier = PairVerifier(fitted).fit(PAIRS, SIMILAR, X=X)
    assert verifier.estimator is fitted
    assert pickle.dumps(fitted) == before


def test_verifier_is_an_estimator(fitted):
    verifier = PairVerifier(FrozenEstimator(fitted), criterion="f1")
    copy = clone(verifier).fit(PAIRS, SIMILAR, X=X)
    assert copy.get_params(deep=False)["criterion"] == "f1"
    again = pickle.loads(pickle.dumps(copy))
    np.testing.assert_array_equal(
        again.decision_function(PAIRS, X=X), copy.decision_function(PAIRS, X=X)
    )
    with pytest.raises(NotFittedError):
        clone(copy).predict(PAIRS, X=X)


def test_verifier_decides_rows_of_equal_distance_alike():
    rows = np.array([[0.0], [1.0], [2.0], [5.0]])
    pairs, similar = [[0, 1], [1, 2], [0, 2], [2, 3]], [True, True, False, False]
    verifier = PairVerifier(FunctionTransformer().fit(rows)).fit(pairs, similar, X=rows)
    assert verifier.threshold_ == 1.5
    assert verifier.predict(([[7.0], [7.0]], [[8.0], [8.6]])).tolist() == [True, False]
    assert verifier.decision_function(([[7.0]], [[8.5]])).tolist() == [0.0]
    assert verifier.predict(([[7.0]], [[8.5]])).tolist() == [True]


def test_verifier_on_other_containers():
    pd = pytest.importorskip("pandas")
    learner = TripletMetricLearner(random_state=0).fit(X, Y)
    expected = PairVerifier(learner).fit(PAIRS, SIMILAR, X=X).decision_function(PAIRS, X=X)
    scaler = StandardScaler(with_mean=False).fit(X)
    for model in (learner, make_pipeline(scaler)):
        expected = (
            PairVerifier(model).fit(PAIRS, SIMILAR, X=X).decision_function(PAIRS, X=X)
        )
        for rows in (csr_matrix(X), csr_matrix(X).tocoo(), X.tolist()):
            verifier = PairVerifier(model).fit(PAIRS.tolist(), SIMILAR.tolist(), X=rows)
            found = verifier.decision_function(PAIRS, X=rows)
            np.testing.assert_allclose(found, expected, atol=1e-9)
    frame = pd.DataFrame(X, columns=list("abc"), index=range(200, 260))
    by_name = TripletMetricLearner(random_state=0).fit(frame, Y)
    verifier = PairVerifier(by_name.set_output(transform="pandas"))
    assert verifier.fit(PAIRS, SIMILAR, X=frame).score(PAIRS, SIMILAR, X=frame) > 0.5


def test_verifier_takes_columns_of_indices():
    pd = pytest.importorskip("pandas")
    verifier = PairVerifier(StandardScaler().fit(X)).fit(PAIRS, SIMILAR, X=X)
    expected = verifier.decision_function(PAIRS, X=X)
    for pairs in (tuple(PAIRS.T), pd.MultiIndex.from_arrays(PAIRS.T)):
        np.testing.assert_array_equal(verifier.decision_function(pairs, X=X), expected)


@pytest.mark.parametrize(
    ("pairs", "rows", "error", "match"),
    [
        (PAIRS, None, ValueError, r"shape \(300, 2\) without X"),
        ([[0, 1]], None, ValueError, "list without X"),
        ((X, X, X), None, ValueError, "tuple without X"),
        ((X, X[:5]), None, ValueError, "inconsistent numbers"),
        ((X, None), None, TypeError, "Got B=None, but expected an array"),
        ((X[:0], X[:0]), None, ValueError, "Got no rows in A"),
        (PAIRS + 0.5, X, TypeError, "float64, but expected integers"),
        (PAIRS - 60, X, ValueError, "row indices from -"),
        (PAIRS + 10, X, ValueError, "from 0 to 59"),
        (PAIRS[:, 0], X, ValueError, r"shape \(300,\)"),
        (np.empty((0, 2), dtype=int), X, ValueError, "at least one"),
        ((X, X), X, ValueError, "leave X out"),
        (None, X, ValueError, r"Got pairs=None, but .* \(n_pairs, 2\)"),
        ([[0, 1], [2]], X, ValueError, r"Got pairs=\[\[0, 1\], \[2\]\], but expected"),
        (PAIRS, [], ValueError, "Got no rows in X"),
        (PAIRS, X[:0], ValueError, "Got no rows in X"),
        (PAIRS, {}, TypeError, r"Got X=\{\}, but expected an array"),
        (PAIRS, {"a": X}, TypeError, "Got X={'a': array"),
        (PAIRS, np.array(3.0), TypeError, r"Got X=array\(3\.?0?\), but expected an array"),
        (PAIRS, 3.0, TypeError, r"Got X=3\.0, but expected an array"),
        (PAIRS, "rows" * 99, TypeError, r"Got X='rows.{,90}, but expected an array"),
        (PAIRS, iter(X), TypeError, "Got X=<.*, but expected an array"),
    ],
)
def test_bad_pairs(pairs, rows, error, match):
    verifier = PairVerifier(StandardScaler().fit(X))
    with pytest.raises(error, match=match):
        verifier.fit(pairs, SIMILAR, X=rows)
    assert not hasattr(verifier, "threshold_")


def test_bad_estimators():
    with pytest.raises(NotFittedError):
        PairVerifier(TripletMetricLearner()).fit(PAIRS, SIMILAR, X=X)
    with pytest.raises(NotFittedError):
        PairVerifier(make_pipeline(StandardScaler(), PCA())).fit(PAIRS, SIMILAR, X=X)
    for estimator in (None, "pca", StandardScaler):
        with pytest.raises(TypeError, match="Got estimator="):
            PairVerifier(estimator).fit(PAIRS, SIMILAR, X=X)
    with pytest.raises(ValueError, match="4 values in similar"):
        PairVerifier(StandardScaler().fit(X)).fit(PAIRS, [True] * 4, X=X)
    with pytest.raises(ValueError, match="similar pairs only"):
        PairVerifier(StandardScaler().fit(X)).fit(PAIRS, np.ones(300, dtype=bool), X=X)
