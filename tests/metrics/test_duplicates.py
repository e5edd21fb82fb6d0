"""Pairs within a radius and duplicates of a verifier, against all pairs by hand."""

import tracemalloc
from itertools import combinations, product

import numpy as np
import pytest
from scipy.sparse import csr_array, csr_matrix
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import DBSCAN
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric.metrics import PairVerifier, pairs_within
from skmetric.mining import mine_pairs
from tests.designs import covering

RNG = np.random.default_rng(7)
Y = np.repeat(np.arange(10), 8)
X = RNG.standard_normal((80, 5)) + 3 * RNG.standard_normal((10, 5))[Y]
PAIRS, SIMILAR = mine_pairs(X, Y)
# On a grid all distances are exact, and many are equal to one another.
GRID = RNG.integers(0, 4, (60, 3)).astype(float)


def all_pairs(n, m=None):
    pairs = combinations(range(n), 2) if m is None else product(range(n), range(m))
    return np.array(list(pairs))


def pairs_by_hand(A, B, radius, itself):
    """Pairs and distances in plain loops, in integers where the rows are."""
    found = [
        ((i, j), np.sqrt(((a - b) ** 2).sum()))
        for i, a in enumerate(A)
        for j, b in enumerate(B)
        if (i < j or not itself) and ((a - b) ** 2).sum() <= radius**2
    ]
    pairs, distances = zip(*found, strict=True)
    return np.array(pairs), np.array(distances)


CONTAINERS = {"array": np.asarray, "csr": csr_array, "matrix": csr_matrix, "list": list}
# More columns, of zeros, are searched by products of matrices in place of trees.
DESIGN = covering(
    product(CONTAINERS, [False, True], [1024, 1e-3], [3, 40], [0, 1, 5, 100]), strength=3
)


@pytest.mark.parametrize(("container", "separate", "memory", "width", "square"), DESIGN)
def test_pairs_within_a_radius_ties_included(container, separate, memory, width, square):
    rows, radius = np.pad(GRID, ((0, 0), (0, width - 3))), square**0.5
    others, container = rows[:25] if separate else rows, CONTAINERS[container]
    # Dense beside sparse, too.
    index = (container if radius else np.asarray)(others) if separate else None
    with config_context(working_memory=memory):
        pairs, distances = pairs_within(container(rows), radius, index=index)
    # The root of 5 is rounded, and so is that of a distance.
    expected = pairs_by_hand(rows, others, radius * (1 + 1e-9), not separate)
    np.testing.assert_array_equal(pairs, expected[0])
    np.testing.assert_array_equal(distances, expected[1])


@pytest.mark.parametrize("n_columns", [3, 40])
@pytest.mark.parametrize("change", ["far", "large", "small", "outlier"])
def test_pairs_do_not_depend_on_place_and_scale(change, n_columns):
    rows = np.pad(GRID, ((0, 0), (0, n_columns - 3)))
    expected, distances = pairs_within(rows, 1)
    factor = {"large": 2.0**900, "small": 2.0**-900}.get(change, 1)
    moved = rows * factor + (1e9 if change == "far" else 0)
    if change == "outlier":
        moved = np.vstack([moved, np.full((1, n_columns), 1e12)])
    pairs, found = pairs_within(moved, factor)
    np.testing.assert_array_equal(pairs, expected)
    np.testing.assert_array_equal(found, distances * factor)


def test_a_single_row_has_no_pair():
    pairs, distances = pairs_within([[1.0, 2.0]], 3)
    assert pairs.shape == (0, 2) and distances.shape == (0,)
    verifier = PairVerifier(StandardScaler().fit(X)).fit(PAIRS, SIMILAR, rows=X)
    assert verifier.find_duplicates(X[:1])[0].shape == (0, 2)
    assert verifier.group_duplicates(X[:1]).tolist() == [0]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (([[1.0]], -1), "radius=-1, but expected a finite number >= 0"),
        (([[1.0]], "auto"), "radius='auto', but expected"),
        (([[1.0, np.nan]], 1), "NaN"),
        (([[1.0, 2.0]], 1, [[1.0]]), "2 columns in E and 1 in index"),
    ],
)
def test_what_has_no_pairs_is_refused(arguments, match):
    E, radius, *index = arguments
    with pytest.raises((TypeError, ValueError), match=match):
        pairs_within(E, radius, index=index[0] if index else None)


# The verifier


class Rounding(TransformerMixin, BaseEstimator):
    """Rows in half precision: many ties."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return np.round(X).astype(np.float16)


MODELS = {
    "sqeuclidean": TripletMetricLearner(alpha=1.0, random_state=0),
    "euclidean": ContrastiveMetricLearner(metric="euclidean", alpha=1.0, random_state=0),
    "cosine": TripletMetricLearner(3, metric="cosine", alpha=1.0, random_state=0),
    "frozen": FrozenEstimator(ContrastiveMetricLearner(random_state=0).fit(X, Y)),
    "pipeline": make_pipeline(StandardScaler(), PCA(2)),
    "learner in a pipeline": make_pipeline(StandardScaler(), TripletMetricLearner()),
    "half": Rounding(),
}


@pytest.fixture(scope="module")
def models():
    return {name: model.fit(X, Y) for name, model in MODELS.items()}


DESIGN = covering(
    product(MODELS, ["f8", "f4"], [False, True], [0.002, 0.02, 0.5], [1024, 0.005])
)


@pytest.mark.parametrize(("model", "dtype", "separate", "rate", "memory"), DESIGN)
def test_duplicates_are_the_pairs_that_are_predicted_similar(
    models, model, dtype, separate, rate, memory
):
    rows = X.astype(dtype)
    verifier = PairVerifier(models[model], criterion="tpr_at_fpr", rate=rate)
    verifier.fit(PAIRS, SIMILAR, rows=rows)
    # A threshold that is the distance of pairs itself.
    threshold, verifier.threshold_ = verifier.threshold_, 0.0
    distances = -verifier.decision_function(PAIRS, rows=rows)
    verifier.threshold_ = distances[distances <= threshold].max()
    index = rows[::-1] if separate else None
    n_index = None if index is None else len(index)
    pairs = all_pairs(len(rows), n_index)
    others = rows if index is None else index
    similar = verifier.predict((rows[pairs[:, 0]], others[pairs[:, 1]]))
    with config_context(working_memory=memory):
        found, distances = verifier.find_duplicates(rows, index)
    np.testing.assert_array_equal(found, pairs[similar])
    assert distances.max() == verifier.threshold_
    by_radius, _ = pairs_within(
        verifier.estimator.transform(rows),
        verifier.radius_ * (1 + {"f4": 1e-5, "f8": 1e-10}[dtype]),
        index=None if index is None else verifier.estimator.transform(index),
    )
    np.testing.assert_array_equal(by_radius, found)


@pytest.mark.parametrize("model", ["sqeuclidean", "cosine", "euclidean", "pipeline"])
def test_the_radius_is_the_distance_of_a_pair_at_the_threshold(models, model):
    verifier = PairVerifier(models[model]).fit(PAIRS, SIMILAR, rows=X)
    A, B = (X[rows] for rows in PAIRS.T)
    verifier.threshold_ = 0.0
    distances = -verifier.decision_function((A, B))
    Z = verifier.estimator.transform(A) - verifier.estimator.transform(B)
    for distance, z in zip(distances[::50], Z[::50], strict=True):
        verifier.threshold_ = distance
        assert verifier.radius_ == pytest.approx(np.sqrt((z**2).sum()))


def test_duplicates_far_from_zero(models):
    verifier = PairVerifier(models["sqeuclidean"]).fit(PAIRS, SIMILAR, rows=X)
    grid = np.round(64 * X) / 64
    expected, distances = verifier.find_duplicates(grid)
    found, moved = verifier.find_duplicates(grid + 2.0**40)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(moved, distances)


def test_duplicates_in_other_containers(models):
    pd = pytest.importorskip("pandas")
    verifier = PairVerifier(models["sqeuclidean"], rows=X).fit(PAIRS, SIMILAR)
    expected, distances = verifier.find_duplicates()
    groups = verifier.group_duplicates()
    for rows in (csr_matrix(X), csr_matrix(X).tocoo(), X.tolist(), X):
        pairs, found = verifier.find_duplicates(rows)
        np.testing.assert_array_equal(pairs, expected)
        np.testing.assert_allclose(found, distances)
        np.testing.assert_array_equal(verifier.group_duplicates(rows), groups)
    frame = pd.DataFrame(X, columns=list("abcde"), index=range(200, 280))
    by_name = TripletMetricLearner(random_state=0).fit(frame, Y)
    for model in (by_name, make_pipeline(by_name.set_output(transform="pandas"))):
        verifier = PairVerifier(model).fit(PAIRS, SIMILAR, rows=frame)
        pairs = all_pairs(80)
        similar = verifier.predict(pairs, rows=frame)
        np.testing.assert_array_equal(verifier.find_duplicates(frame)[0], pairs[similar])


def groups_by_hand(pairs, n_rows):
    """Each row takes the smallest number of its group, until none changes."""
    labels = list(range(n_rows))
    for _ in range(n_rows):
        for i, j in pairs:
            labels[i] = labels[j] = min(labels[i], labels[j])
    numbers = {label: i for i, label in enumerate(sorted(set(labels)))}
    return [numbers[label] for label in labels]


@pytest.mark.parametrize("working_memory", [1024, 0.005])
@pytest.mark.parametrize("rate", [0.002, 0.01, 1.0])
def test_groups_are_connected_by_duplicates(models, working_memory, rate):
    verifier = PairVerifier(models["pipeline"], criterion="tpr_at_fpr", rate=rate)
    verifier.fit(PAIRS, SIMILAR, rows=X)
    with config_context(working_memory=working_memory):
        labels = verifier.group_duplicates(X)
    pairs, _ = verifier.find_duplicates(X)
    assert labels.tolist() == groups_by_hand(pairs, len(X))
    Z = verifier.estimator.transform(X)
    alike = DBSCAN(eps=verifier.radius_, min_samples=1).fit_predict(Z)
    np.testing.assert_array_equal(labels, alike)


def test_a_threshold_below_zero_finds_nothing():
    rows = np.array([[0.0], [0.0], [1.0], [2.0]])
    pairs, similar = [[0, 1], [2, 3]], [False, True]
    verifier = PairVerifier(FunctionTransformer().fit(rows), criterion="tnr_at_tpr", rate=0)
    verifier.fit(pairs, similar, rows=rows)
    assert verifier.threshold_ < 0 and verifier.radius_ < 0
    assert verifier.find_duplicates(rows)[0].shape == (0, 2)
    assert verifier.group_duplicates(rows).tolist() == [0, 1, 2, 3]


def test_groups_need_no_list_of_pairs():
    rows = np.zeros((4000, 2))
    verifier = PairVerifier(Normalizer().fit(X[:, :2]))
    verifier.fit(PAIRS, SIMILAR, rows=X[:, :2])
    with config_context(working_memory=4):
        tracemalloc.start()
        labels = verifier.group_duplicates(rows)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert not labels.any()
    assert peak < 0.1 * 24 * 4000 * 3999 / 2


def test_what_has_no_duplicates_is_refused(models):
    verifier = PairVerifier(models["sqeuclidean"])
    with pytest.raises(NotFittedError):
        verifier.find_duplicates(X)
    assert not hasattr(verifier, "radius_")
    verifier.fit(PAIRS, SIMILAR, rows=X)
    with pytest.raises(TypeError, match="Got X=None, but expected an array"):
        verifier.find_duplicates()
    with pytest.raises(ValueError, match="is expecting 5 features"):
        verifier.find_duplicates(X, X[:, :3])
    with pytest.raises(ValueError, match="Got no rows in index"):
        verifier.find_duplicates(X, X[:0])
    plain = PairVerifier(FunctionTransformer().fit(X)).fit(PAIRS, SIMILAR, rows=X)
    with pytest.raises(ValueError, match="5 columns in E and 3 in index"):
        plain.find_duplicates(X, X[:, :3])


def test_distances_of_others_are_refused():
    class Other(FunctionTransformer):
        def pair_distances(self, A, B):
            return np.abs(A - B).sum(axis=1)

    verifier = PairVerifier(Other().fit(X)).fit(PAIRS, SIMILAR, rows=X)
    with pytest.raises(TypeError, match="Got Other, but expected a learner of skmetric"):
        verifier.find_duplicates(X)
