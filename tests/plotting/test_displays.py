"""All displays: axes, matplotlib, and inputs that they treat alike."""

import re
import subprocess
import sys

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KNeighborsClassifier

from skmetric import TripletMetricLearner, plotting
from skmetric._validation import short
from skmetric.mining import mine_pairs

matplotlib = pytest.importorskip("matplotlib")
plt = pytest.importorskip("matplotlib.pyplot")

X, Y = load_iris(return_X_y=True)


def test_a_missing_matplotlib_is_reported():
    program = """
import sys
sys.modules["matplotlib"] = None
import numpy as np
from skmetric.plotting import EmbeddingDisplay
try:
    EmbeddingDisplay.from_predictions(np.eye(4), [0, 0, 1, 1])
except ImportError as error:
    print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "pip install 'skmetric[plot]'" in run.stdout


def test_the_import_of_plotting_does_not_import_matplotlib():
    program = "import sys, skmetric.plotting; print('matplotlib' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "False"


def displays_on(ax):
    """Draw every display, on given axes or on new ones."""
    learner = TripletMetricLearner(margin=1.0, max_iter=100).fit(X, Y)
    pairs, similar = mine_pairs(X, Y, max_pairs=100, random_state=0)
    distances = np.linalg.norm(X[pairs[:, 0]] - X[pairs[:, 1]], axis=1)
    items = [f"row {i}" for i in range(len(X))]
    both = {"one": distances, "two": distances}
    yield plotting.LossCurveDisplay.from_estimator(learner, ax=ax)
    yield plotting.MarginSweepDisplay([1, 2], [0.1, 0.2], [0, 0], [0.5, 0.6]).plot(ax)
    yield plotting.PairDistanceDisplay.from_predictions(both, similar, ax=ax)
    yield plotting.EmbeddingDisplay.from_estimator(learner, X, Y, ax=ax)
    yield plotting.RetrievalDisplay.from_estimator(learner, X, Y, items, ax=ax)
    yield plotting.ContributionDisplay.from_estimator(learner, X[:9], X[9:18], ax=ax)


def test_given_axes_are_drawn_on_and_no_figure_is_made():
    figure = matplotlib.figure.Figure()
    axes = figure.subplots(1, 2)
    for display in displays_on(axes):
        assert list(display.axes_) == list(axes)
        assert display.figure_ is figure
        assert all(a.has_data() or a.texts for a in axes)
        for a in axes:
            a.clear()
    assert not plt.get_fignums()


def test_without_axes_each_has_a_figure_of_its_own():
    figures = {id(display.figure_) for display in displays_on(None)}
    assert len(figures) == len(plt.get_fignums()) == 6


def test_too_few_axes_are_refused(learner):
    axes = plt.figure().subplots()
    with pytest.raises(ValueError, match=r"with 1 axes, but expected 2.*'raw', 'learnt'"):
        plotting.EmbeddingDisplay.from_estimator(learner, X, Y, ax=axes)


# matplotlib would read what is between the dollar signs as a formula, and fail.
PRICE = r"from $5\frac{ to $7"


def displays_with(text):
    """Draw every display with this text wherever a user can give one."""
    distances, similar = np.arange(6.0), np.arange(6) < 3
    E = np.arange(24.0).reshape(12, 2)
    items, rows = [text] * 12, np.arange(4).reshape(2, 2)
    many = [f"{text} {i}" for i in range(13)] * 2
    curves = {text: distances, "b": distances}
    yield plotting.LossCurveDisplay([1], [1], name=text).plot()
    yield plotting.MarginSweepDisplay([text, 1.0], [1, 2], [0, 0], score_name=text).plot()
    scores = {text: [1, 2], "b": [3, 4]}
    yield plotting.MarginSweepDisplay([1.0, 2.0], scores, scores).plot()
    names = {"row_name": text, "column_name": text, "score_name": text}
    yield plotting.SearchHeatmapDisplay([[1]], [text], [text], **names).plot()
    yield plotting.ContributionDisplay({text: [1, 2]}, [text, "b"]).plot()
    yield plotting.PairDistanceDisplay(curves, similar, margins={text: 1.0}).plot()
    yield plotting.PairDistanceDisplay.from_predictions({text: distances}, similar)
    yield plotting.EmbeddingDisplay({text: E, "b": E}, [text, "b"] * 6).plot()
    yield plotting.EmbeddingDisplay({"a": E}, [0, 1] * 6, titles={"a": text}).plot()
    yield plotting.EmbeddingDisplay(np.zeros((26, 2)), many).plot()
    yield plotting.RetrievalDisplay({text: rows}, [4, 5], [0, 1] * 6, items).plot()


def test_text_is_drawn_literally():
    for display in displays_with(PRICE):
        display.figure_.canvas.draw()
        texts = display.figure_.findobj(matplotlib.text.Text)
        shown = [text for text in texts if "$" in text.get_text()]
        assert shown and not any(text.get_parse_math() for text in shown)


def bad_arguments():
    """Pairs of a part of an error message and a call that raises it."""
    distances, similar = np.arange(6.0), np.arange(6) < 3
    E, y = np.arange(24.0).reshape(12, 2), [0, 1] * 6
    loss, margins = plotting.LossCurveDisplay, plotting.MarginSweepDisplay
    pairs, embedding = plotting.PairDistanceDisplay, plotting.EmbeddingDisplay
    contributions, heatmap = plotting.ContributionDisplay, plotting.SearchHeatmapDisplay
    for none in (None, {}, {1, 2}, "text", 3.0, iter([1.0]), [[1], [1, 2]]):
        got = f"={short(none)}, but expected"
        yield f"loss{got}", lambda none=none: loss(none, [1]).plot()
        yield f"active_fraction{got}", lambda none=none: loss([1], none).plot()
        yield f"margins{got}", lambda none=none: margins(none, [1], [1]).plot()
        if none == {}:
            continue
        yield f"scores{got}", lambda none=none: margins([1], none, [1]).plot()
        yield f"spreads{got}", lambda none=none: margins([1], [1], none).plot()
        yield f"contributions{got}", lambda none=none: contributions(none).plot()
        yield f"distances{got}", lambda none=none: pairs(none, similar).plot()
    yield "of shape (1, 1), but", lambda: loss([[1]], [1]).plot()
    yield "no score but NaN", lambda: margins([1, 2], [np.nan] * 2, [0, 0]).plot()
    yield "inconsistent numbers", lambda: margins([1, 2], [1], [1]).plot()
    yield "inconsistent numbers", lambda: margins([1], [1], [1], [1, 2]).plot()
    yield "an empty dict", lambda: pairs({}, similar).plot()
    yield (
        "thresholds=3, but expected None or a dict",
        (lambda: pairs(distances, similar, thresholds=3).plot()),
    )
    yield (
        "thresholds for ['b'], but expected some of the panels, ['a']",
        (lambda: pairs({"a": distances}, similar, thresholds={"b": 1}).plot()),
    )
    yield (
        "thresholds['a']=inf, but",
        (lambda: pairs({"a": distances}, similar, thresholds={"a": np.inf}).plot()),
    )
    yield (
        "margins[0]='auto', but",
        (lambda: pairs(distances, similar, margins={0: "auto"}).plot()),
    )
    yield "gap=-1, but", lambda: pairs(distances, similar, gap=-1).plot()
    yield "an empty dict", lambda: embedding({}, y).plot()
    yield "an empty dict", lambda: margins([1], {}, [1]).plot()
    yield "an empty dict", lambda: contributions({}).plot()
    yield (
        "lines [['a'], ['b']], but expected those of the scores, ['a']",
        (lambda: margins([1], {"a": [1]}, {"b": [1]}).plot()),
    )
    yield "raw_score='raw', but", lambda: margins([1], [1], [1], raw_score="raw").plot()
    yield "inconsistent numbers", lambda: contributions([1, 2], ["a"]).plot()
    yield "max_features=0, but", lambda: contributions([1], max_features=0).plot()
    yield "feature_names=3, but", lambda: contributions([1], 3).plot()
    yield "scores of shape (2, 1), but", lambda: heatmap([[1], [2]], [1], [1]).plot()
    yield "no score but NaN", lambda: heatmap([[np.nan]], [1], [1]).plot()
    yield "scores=3, but expected a table", lambda: heatmap(3, [1], [1]).plot()
    yield "embeddings of shape (12, 3)", lambda: embedding(np.ones((12, 3)), y).plot()
    yield "inconsistent numbers", lambda: embedding(E, y[1:]).plot()
    yield "titles='raw', but", lambda: embedding(E, y, titles="raw").plot()
    yield "ax='left', but expected matplotlib", lambda: embedding(E, y).plot("left")


@pytest.mark.parametrize(("message", "call"), list(bad_arguments()))
def test_bad_arguments_are_reported_before_anything_is_drawn(message, call):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)) as caught:
        call()
    assert len(str(caught.value)) < 400
    assert not plt.get_fignums()


def test_a_data_frame_is_one_panel():
    pd = pytest.importorskip("pandas")
    frame, distances = pd.DataFrame(X[:, :2]), pd.Series(np.arange(6.0))
    display = plotting.EmbeddingDisplay.from_predictions(frame, Y)
    np.testing.assert_array_equal(display.embeddings["learnt"], X[:, :2])
    plotting.PairDistanceDisplay.from_predictions(distances, np.arange(6) < 3)
    items = pd.Series([f"row {i}" for i in range(len(X))], index=np.arange(len(X)) + 7)
    display = plotting.RetrievalDisplay.from_predictions(
        frame, Y, items, queries=[3], n_neighbors=2
    )
    order = np.argsort(np.linalg.norm(X[:, :2] - X[3, :2], axis=1), kind="stable")
    expected = order[order != 3][:2]
    np.testing.assert_array_equal(display.neighbors["learnt"], [expected])
    lines = [text.get_text() for text in display.axes_[0].texts]
    assert lines[0] == "row 3" and lines[1].endswith(f" row {expected[0]}")


def test_other_estimators_are_refused():
    knn = KNeighborsClassifier().fit(X, Y)
    with pytest.raises(TypeError, match="Got KNeighborsClassifier, but expected a learner"):
        plotting.EmbeddingDisplay.from_estimator(knn, X, Y)
    with pytest.raises(TypeError, match="Got PCA, but expected a learner of skmetric"):
        plotting.LossCurveDisplay.from_estimator(PCA().fit(X))
    with pytest.raises(TypeError, match="Got str, but expected a learner of skmetric"):
        plotting.LossCurveDisplay.from_estimator("learner" * 99)
    with pytest.raises(NotFittedError):
        plotting.LossCurveDisplay.from_estimator(TripletMetricLearner())


@pytest.mark.parametrize("name", ["Embedding", "PairDistance", "Retrieval"])
def test_sparse_rows_are_not_changed(name):
    learner = TripletMetricLearner(random_state=0).fit(X, Y)
    n, d = X.shape
    columns = np.tile(np.arange(d)[::-1], n)
    rows = csr_array((X[:, ::-1].ravel(), columns, np.arange(0, n * d + 1, d)))
    items = [Y.astype(str)] if name == "Retrieval" else []
    getattr(plotting, f"{name}Display").from_estimator(learner, rows, Y, *items)
    np.testing.assert_array_equal(rows.data, X[:, ::-1].ravel())
    np.testing.assert_array_equal(rows.indices, columns)
