"""What serves a learnt map elsewhere finds what scikit-learn finds."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from skmetric import TripletMetricLearner

X, Y = load_digits(return_X_y=True)
X = X.astype(np.float32)
METRICS = ["sqeuclidean", "cosine"]


@pytest.fixture(scope="module", params=METRICS)
def learner(request):
    learner = TripletMetricLearner(16, metric=request.param, random_state=0)
    return learner.fit(X[:900], Y[:900])


@pytest.fixture(scope="module")
def vectors(learner):
    """Vectors to index, and queries."""
    return learner.transform(X[:900]), learner.transform(X[900:])


def test_numpy_alone_maps_the_same(learner, vectors):
    Z = X[900:] @ learner.components_.T
    if learner.metric == "cosine":
        Z /= np.linalg.norm(Z, axis=1, keepdims=True)
    np.testing.assert_allclose(Z, vectors[1], rtol=1e-5, atol=1e-6)


def neighbors_agree(vectors, found, k=10):
    """Whether neighbors are as near as those that scikit-learn finds."""
    indexed, queries = vectors
    expected, _ = NearestNeighbors(n_neighbors=k).fit(indexed).kneighbors(queries)
    apart = queries[:, None] - indexed[found]
    np.testing.assert_allclose(np.linalg.norm(apart, axis=2), expected, atol=1e-5)


def test_rows_are_what_indexes_take(vectors):
    for rows in vectors:
        assert rows.dtype == np.float32 and rows.flags.c_contiguous


def test_faiss(learner, vectors):
    faiss = pytest.importorskip("faiss")
    indexed, queries = vectors
    kind = faiss.IndexFlatIP if learner.metric == "cosine" else faiss.IndexFlatL2
    index = kind(indexed.shape[1])
    index.add(indexed)
    _, found = index.search(queries, 10)
    neighbors_agree(vectors, found)


def test_usearch(learner, vectors):
    usearch = pytest.importorskip("usearch.index")
    indexed, queries = vectors
    metric = "ip" if learner.metric == "cosine" else "l2sq"
    index = usearch.Index(ndim=indexed.shape[1], metric=metric, dtype="f32")
    index.add(np.arange(len(indexed)), indexed)
    found = index.search(queries, 10, exact=True).keys
    neighbors_agree(vectors, found.astype(np.intp))


def test_a_fixed_index_is_searched_by_mapped_queries():
    # Documents stay as they are; queries are turned away from them by a fixed map.
    rng = np.random.default_rng(0)
    documents = normalize(rng.normal(size=(300, 12)))
    answers = np.repeat(np.arange(300), 3)
    queries = documents[answers] @ (np.eye(12) + 0.6 * rng.normal(size=(12, 12)))
    matches = np.column_stack([np.arange(900), answers])
    train, test = matches[::2], matches[1::2]
    learner = TripletMetricLearner(metric="cosine", random_state=0)
    learner.fit_matches(queries, documents, train, side="queries")
    index = NearestNeighbors(n_neighbors=1).fit(documents)

    def recall(rows):
        return (index.kneighbors(rows)[1][test[:, 0], 0] == test[:, 1]).mean()

    assert recall(learner.transform(queries)) > recall(normalize(queries)) + 0.2
