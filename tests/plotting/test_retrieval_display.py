"""Displays of queries and their nearest neighbors."""

import re

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_digits, load_iris

from skmetric import TripletMetricLearner, plotting

plt = pytest.importorskip("matplotlib.pyplot")

X, Y = load_iris(return_X_y=True)


def frame_styles(axes):
    """Line style of the frame of each image."""
    return [frame.get_linestyle() for frame in axes.patches]


def nearest_neighbors(E, query, k):
    distances = np.linalg.norm(E - E[query], axis=1)
    distances[query] = np.inf
    return np.argsort(distances, kind="stable")[:k]


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    return data.data[::4], data.target[::4], data.images[::4]


def test_hits_and_misses_of_images(digits):
    rows, y, images = digits
    learner = TripletMetricLearner(n_components=8).fit(rows[y < 5], y[y < 5])
    queries = np.flatnonzero(y == 8)[:3]
    display = plotting.RetrievalDisplay.from_estimator(
        learner, rows, y, images, queries=queries, n_neighbors=6
    )
    n_misses = 0
    for axes, (name, E) in zip(
        display.axes_, {"raw": rows, "learnt": learner.transform(rows)}.items(), strict=True
    ):
        expected = np.array([nearest_neighbors(E, q, 6) for q in queries])
        np.testing.assert_array_equal(display.neighbors[name], expected)
        hits = y[expected] == y[queries][:, None]
        np.testing.assert_array_equal(display.hits_[name], hits)
        shown = np.column_stack([queries, expected]).ravel()
        for image, row in zip(axes.images, shown, strict=True):
            np.testing.assert_array_equal(image.get_array(), images[row])
        frames = np.reshape(frame_styles(axes), (3, 7))
        np.testing.assert_array_equal(frames[:, 1:] == "-", hits)
        assert len(axes.texts) == (~hits).sum()
        assert axes.get_title() == f"{name}: {hits.sum()} of 18 hits"
        n_misses += (~hits).sum()
    assert n_misses


def test_hits_and_misses_of_texts(learner):
    items = [f"flower {i} at $1 or $2,\n{'very ' * 20}long" for i in range(len(X))]
    display = plotting.RetrievalDisplay.from_estimator(
        learner, X, Y, items, queries=[70, 133], n_neighbors=4
    )
    for axes, (_, found) in zip(display.axes_, display.neighbors.items(), strict=True):
        lines = [text.get_text() for text in axes.texts]
        for place, (query, rows) in enumerate(zip([70, 133], found, strict=True)):
            block = lines[5 * place : 5 * place + 5]
            assert block[0].startswith(f"flower {query} at $1 or $2, very")
            for line, row in zip(block[1:], rows, strict=True):
                sign = "✓" if Y[row] == Y[query] else "✗"
                assert line.startswith(f"{sign} flower {row} ")
                assert line.endswith("…") and "\n" not in line
    display.figure_.canvas.draw()


def test_a_query_among_duplicates_is_not_its_own_neighbor():
    E, y = np.zeros((6, 2)), [0, 0, 0, 1, 1, 1]
    display = plotting.RetrievalDisplay.from_predictions(
        E, y, list("abcdef"), queries=[5, 0], n_neighbors=3
    )
    for query, found in zip([5, 0], display.neighbors["learnt"], strict=True):
        assert query not in found and len(set(found)) == 3


def test_hits_of_labels_without_an_order():
    E = np.random.default_rng(0).normal(size=(30, 2))
    y, items = np.arange(30) % 3, [str(i) for i in range(30)]
    sets = [frozenset([code, (code + 1) % 3]) for code in y]
    here, there = (
        plotting.RetrievalDisplay.from_predictions(E, labels, items, random_state=0)
        for labels in (sets, y)
    )
    np.testing.assert_array_equal(here.hits_["learnt"], there.hits_["learnt"])


def test_random_state_chooses_the_queries(learner):
    items = [str(i) for i in range(len(X))]
    drawn = [
        plotting.RetrievalDisplay.from_estimator(
            learner, X, Y, items, queries=7, random_state=seed
        ).queries.tolist()
        for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 7


TOO_MANY = "n_neighbors=150, but expected an integer >= 1 and < 150"
QUERIES = "queries={}, but expected row indices"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_neighbors": 150}, TOO_MANY),
        ({"n_neighbors": None}, "n_neighbors=None, but expected an integer"),
        ({"queries": 0}, "Got queries=0, but expected an integer"),
        ({"queries": 4.0}, "Got queries=4.0, but expected an integer"),
        ({"queries": True}, "Got queries=True, but expected an integer"),
        ({"queries": None}, QUERIES.format(None)),
        ({"queries": {}}, QUERIES.format({})),
        ({"queries": "all"}, QUERIES.format("'all'")),
        ({"queries": [[1], [1, 2]]}, QUERIES.format([[1], [1, 2]])),
        ({"queries": []}, "Got no queries, but expected at least one"),
        ({"queries": [10**6]}, "queries with row indices from 1000000 to 1000000, but"),
        ({"queries": [-1]}, "queries with row indices from -1 to -1, but expected"),
        ({"queries": [0.5]}, "queries of dtype float64, but expected integers"),
        ({"queries": ["a"]}, "pandas.Index(ids).get_indexer"),
        ({"queries": Y == 2}, "Of a mask, give np.flatnonzero(queries)"),
        ({"queries": [[1, 2]]}, "queries of shape (1, 2), but expected (n_queries,)"),
        ({"items": ["one"]}, "inconsistent numbers of samples"),
        ({"items": None}, "Got items=None, but expected a line of text or an image"),
        ({"items": []}, "Got items=[], but expected"),
        ({"items": {}}, "Got items={}, but expected"),
        ({"items": "x" * 150}, "Got items='xx"),
        ({"items": range(150)}, "Got items=range(0, 150), but expected"),
        ({"items": np.zeros((150, 4))}, "Got items=array([[0., 0."),
        ({"items": np.zeros((150, 4, 4, 2))}, "Got items=array([[[[0., 0."),
        ({"items": np.array("x")}, "Got items=array('x'"),
        ({"items": csr_array(X)}, "Got items=<"),
        ({"y": None}, "Got y=None, but expected class labels"),
        ({"y": Y[1:]}, "inconsistent numbers of samples"),
    ],
)
def test_bad_arguments_of_from_estimator_are_reported(learner, changed, message):
    settings = {"y": Y, "items": ["x"] * 150, **changed}
    with pytest.raises((TypeError, ValueError), match=re.escape(message)) as caught:
        plotting.RetrievalDisplay.from_estimator(learner, X, **settings)
    assert len(str(caught.value)) < 300
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("neighbors", "queries", "message"),
    [
        ([[1, 2]], [9], "queries with row indices from 9 to 9"),
        ([[1, 9]], [0], "neighbors with row indices from 1 to 9"),
        ([1, 2], [0], "neighbors of shape (2,), but expected (n_queries, k)"),
        ([[1, 2]], [0, 1], "inconsistent numbers"),
        (None, [0], "neighbors=None, but expected row indices"),
        ({}, [0], "an empty dict"),
    ],
)
def test_bad_arguments_of_the_display_are_reported(neighbors, queries, message):
    display = plotting.RetrievalDisplay(neighbors, queries, [0, 0, 1, 1], list("abcd"))
    with pytest.raises(ValueError, match=re.escape(message)):
        display.plot()
    assert not plt.get_fignums()
