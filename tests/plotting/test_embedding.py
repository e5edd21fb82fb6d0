"""Displays of embeddings in two dimensions."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler, normalize

from skmetric import TripletMetricLearner, plotting
from skmetric.metrics import mean_average_precision_at_r, mean_reciprocal_rank

X, Y = load_iris(return_X_y=True)


def points_by_class(axes):
    """Coordinates of the points of each class."""
    return [np.asarray(points.get_offsets()) for points in axes.collections]


def test_an_embedding_of_two_columns_is_drawn_unchanged():
    learner = TripletMetricLearner(n_components=2).fit(X, Y)
    display = plotting.EmbeddingDisplay.from_estimator(learner, X, Y)
    raw, learnt = display.axes_
    for c, drawn in enumerate(points_by_class(learnt)):
        np.testing.assert_array_equal(drawn, learner.transform(X)[c == Y])
    expected = PCA(2).fit_transform(X)
    for c, drawn in enumerate(points_by_class(raw)):
        np.testing.assert_allclose(np.abs(drawn), np.abs(expected[c == Y]), atol=1e-9)
    scores = [mean_average_precision_at_r(E, Y) for E in (X, learner.transform(X))]
    assert learnt.get_title() == f"learnt\nmap_at_r {scores[1]:.3f}"
    explained = PCA(2).fit(X).explained_variance_ratio_.sum()
    title = f"raw (PCA, {100 * explained:.0f} % of variance)\nmap_at_r {scores[0]:.3f}"
    assert raw.get_title() == title
    assert list(display.scores.values()) == scores
    for c, text in enumerate(learnt.texts):
        middle = np.median(learner.transform(X)[c == Y], axis=0)
        np.testing.assert_allclose(text.get_position(), middle)
        assert text.get_text() == str(c)


@pytest.mark.parametrize("container", [np.asarray, csr_array])
@pytest.mark.parametrize("n", [1, 2, 9])
def test_rows_that_are_all_equal_are_one_point(n, container):
    E = container(np.full((n, 4), 3.0))
    y = np.arange(n) % 2
    display = plotting.EmbeddingDisplay.from_predictions(E, y, score=None)
    display.figure_.canvas.draw()
    np.testing.assert_array_equal(display.embeddings["learnt"], np.zeros((n, 2)))
    assert display.axes_[0].get_title() == "learnt (all rows are equal)"


@pytest.mark.parametrize("container", [np.asarray, csr_array])
def test_two_rows_are_two_points(container):
    E = np.array([[0.0, 0, 0, 0], [1, 1, 1, 1]])
    display = plotting.EmbeddingDisplay.from_predictions(container(E), [0, 1])
    points = display.embeddings["learnt"]
    np.testing.assert_allclose(points[0], -points[1], atol=1e-12)
    assert np.linalg.norm(points[0] - points[1]) == pytest.approx(2)
    assert display.axes_[0].get_title() == "learnt (PCA, 100 % of variance)"


@pytest.mark.parametrize("factor", [2.0**-700, 2.0**1000])
def test_the_scale_of_rows_does_not_matter(factor):
    plain, scaled = (
        plotting.EmbeddingDisplay.from_predictions(E, Y) for E in (X, X * factor)
    )
    expected = plain.embeddings["learnt"] * factor
    np.testing.assert_array_equal(scaled.embeddings["learnt"], expected)
    assert plain.axes_[0].get_title() == scaled.axes_[0].get_title()


def test_raw_is_what_reaches_the_learner(learner):
    model = make_pipeline(StandardScaler(), clone(learner), KNeighborsClassifier())
    model.fit(X, Y)
    display = plotting.EmbeddingDisplay.from_estimator(model, X, Y, projection="first")
    scaled = StandardScaler().fit_transform(X)
    np.testing.assert_allclose(display.embeddings["raw"], scaled[:, :2])
    np.testing.assert_allclose(display.embeddings["learnt"], model[:-1].transform(X)[:, :2])


def test_other_transformers_are_drawn():
    for model in (PCA(2).fit(X), make_pipeline(Normalizer(), PCA(2)).fit(X)):
        display = plotting.EmbeddingDisplay.from_estimator(model, X, Y)
        np.testing.assert_allclose(display.embeddings["learnt"], model.transform(X))


def test_under_the_cosine_raw_rows_have_length_one():
    learner = TripletMetricLearner(metric="cosine", margin=0.5).fit(X, Y)
    display = plotting.EmbeddingDisplay.from_estimator(learner, X, Y, projection="first")
    np.testing.assert_allclose(display.embeddings["raw"], normalize(X)[:, :2])


@pytest.mark.parametrize("n_classes", [2, 7, 10, 50, 56])
def test_classes_have_distinct_colors_and_markers(n_classes):
    y = np.repeat(np.arange(n_classes), 2)
    rng = np.random.RandomState(0)
    display = plotting.EmbeddingDisplay.from_predictions(rng.uniform(size=(len(y), 2)), y)
    looks = {
        (tuple(points.get_facecolor()[0]), points.get_paths()[0].vertices.tobytes())
        for points in display.axes_[0].collections
    }
    assert len(looks) == n_classes


def test_long_labels_of_many_classes_become_numbers_with_a_key():
    names = np.array([f"class-{i:02d}" for i in range(30)])
    E = np.random.RandomState(0).uniform(size=(60, 2))
    display = plotting.EmbeddingDisplay.from_predictions(E, np.repeat(names, 2))
    assert [t.get_text() for t in display.axes_[0].texts] == [str(i) for i in range(30)]
    (key,) = display.figure_.legends
    expected = [f"{i} {name}" for i, name in enumerate(names)]
    assert [t.get_text() for t in key.get_texts()] == expected
    few = plotting.EmbeddingDisplay.from_predictions(E, np.repeat(names[:2], 30))
    assert [t.get_text() for t in few.axes_[0].texts] == names[:2].tolist()
    assert not few.figure_.legends


def test_classes_without_an_order_are_drawn_one_by_one():
    sets = [frozenset("a"), frozenset("b"), frozenset("c")]
    y = [sets[i % 3] for i in range(30)]
    rows = np.random.default_rng(0).normal(size=(30, 2))
    display = plotting.EmbeddingDisplay.from_predictions(rows, y)
    assert display.labels_ == [str(label) for label in sets]
    for label, points in zip(sets, display.axes_[0].collections, strict=True):
        of_class = rows[[other == label for other in y]]
        np.testing.assert_array_equal(points.get_offsets(), of_class)


def test_titles_carry_the_score_of_all_dimensions(learner):
    display = plotting.EmbeddingDisplay.from_estimator(learner, X, Y, score="mrr")
    expected = mean_reciprocal_rank(learner.transform(X), Y)
    assert display.scores["learnt"] == expected
    assert display.axes_[1].get_title().endswith(f"\nmrr {expected:.3f}")
    with pytest.raises(ValueError, match="Got score"):
        plotting.EmbeddingDisplay.from_estimator(learner, X, Y, score="accuracy")


def test_an_unknown_projection_is_refused(learner):
    with pytest.raises(ValueError, match="projection='tsne', but expected one of"):
        plotting.EmbeddingDisplay.from_estimator(learner, X, Y, projection="tsne")
