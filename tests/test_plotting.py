"""Pictures: what they draw are the numbers that anyone can compute."""

import re
import subprocess
import sys

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.spatial.distance import pdist
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_curve
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler, normalize

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric._validation import short
from skmetric.metrics import PairVerifier, equal_error_rate, retrieval_scorer
from skmetric.mining import mine_pairs

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")
plotting = pytest.importorskip("skmetric.plotting")

X, Y = load_iris(return_X_y=True)
LEARNERS = [TripletMetricLearner, ContrastiveMetricLearner]


@pytest.fixture(autouse=True)
def settings_and_figures():
    """No picture changes a setting; none stays open."""
    before = dict(matplotlib.rcParams)
    yield
    changed = {k for k, v in before.items() if matplotlib.rcParams[k] != v}
    plt.close("all")
    assert not changed


@pytest.fixture(params=LEARNERS)
def learner(request):
    return request.param(margin=1.0, n_components=3, random_state=0).fit(X, Y)


def places_of(axes):
    """Where the rows of each class are drawn."""
    return [np.asarray(points.get_offsets()) for points in axes.collections]


def label_of(axes):
    return {line.get_label(): line for line in axes.lines}


def frames_of(axes):
    """Line style of the frame of each image."""
    return [frame.get_linestyle() for frame in axes.patches]


# Axes, and matplotlib itself


def test_a_missing_matplotlib_is_named_when_a_picture_is_wanted():
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


def test_importing_the_module_imports_no_matplotlib():
    program = "import sys, skmetric.plotting; print('matplotlib' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "False"


def drawn_on(ax):
    """Every display, on given axes or on new ones."""
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


def test_given_axes_are_drawn_on_and_no_figure_is_made():
    figure = matplotlib.figure.Figure()
    axes = figure.subplots(1, 2)
    for display in drawn_on(axes):
        assert list(display.axes_) == list(axes)
        assert display.figure_ is figure
        assert all(a.has_data() or a.texts for a in axes)
        for a in axes:
            a.clear()
    assert not plt.get_fignums()


def test_without_axes_each_has_a_figure_of_its_own():
    figures = {id(display.figure_) for display in drawn_on(None)}
    assert len(figures) == len(plt.get_fignums()) == 5


def test_too_few_axes_are_refused(learner):
    axes = plt.figure().subplots()
    with pytest.raises(ValueError, match=r"with 1 axes, but expected 2.*'raw', 'learnt'"):
        plotting.EmbeddingDisplay.from_estimator(learner, X, Y, ax=axes)


# What stands between two dollar signs is no mathematics, and this would be none.
PRICE = r"from $5\frac{ to $7"


def drawn_with(text):
    """Every display, with that text wherever a user may give one."""
    distances, similar = np.arange(6.0), np.arange(6) < 3
    E = np.arange(24.0).reshape(12, 2)
    items, rows = [text] * 12, np.arange(4).reshape(2, 2)
    many = [f"{text} {i}" for i in range(13)] * 2
    curves = {text: distances, "b": distances}
    yield plotting.LossCurveDisplay([1], [1], name=text).plot()
    yield plotting.MarginSweepDisplay([text, 1.0], [1, 2], [0, 0], score_name=text).plot()
    yield plotting.PairDistanceDisplay(curves, similar, margins={text: 1.0}).plot()
    yield plotting.PairDistanceDisplay.from_predictions({text: distances}, similar)
    yield plotting.EmbeddingDisplay({text: E, "b": E}, [text, "b"] * 6).plot()
    yield plotting.EmbeddingDisplay({"a": E}, [0, 1] * 6, titles={"a": text}).plot()
    yield plotting.EmbeddingDisplay(np.zeros((26, 2)), many).plot()
    yield plotting.RetrievalDisplay({text: rows}, [4, 5], [0, 1] * 6, items).plot()


def test_text_is_drawn_as_it_is():
    for display in drawn_with(PRICE):
        display.figure_.canvas.draw()
        texts = display.figure_.findobj(matplotlib.text.Text)
        shown = [text for text in texts if "$" in text.get_text()]
        assert shown and not any(text.get_parse_math() for text in shown)


def refusals():
    """Bad arguments of every display, by what the sentence starts with."""
    distances, similar = np.arange(6.0), np.arange(6) < 3
    E, y = np.arange(24.0).reshape(12, 2), [0, 1] * 6
    loss, margins = plotting.LossCurveDisplay, plotting.MarginSweepDisplay
    pairs, embedding = plotting.PairDistanceDisplay, plotting.EmbeddingDisplay
    for none in (None, {}, {1, 2}, "text", 3.0, iter([1.0]), [[1], [1, 2]]):
        got = f"={short(none)}, but expected"
        yield f"loss{got}", lambda none=none: loss(none, [1]).plot()
        yield f"active_fraction{got}", lambda none=none: loss([1], none).plot()
        yield f"margins{got}", lambda none=none: margins(none, [1], [1]).plot()
        yield f"scores{got}", lambda none=none: margins([1], none, [1]).plot()
        yield f"spreads{got}", lambda none=none: margins([1], [1], none).plot()
        if none == {}:
            continue
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
    yield "embeddings of shape (12, 3)", lambda: embedding(np.ones((12, 3)), y).plot()
    yield "inconsistent numbers", lambda: embedding(E, y[1:]).plot()
    yield "titles='raw', but", lambda: embedding(E, y, titles="raw").plot()
    yield "ax='left', but expected matplotlib", lambda: embedding(E, y).plot("left")


@pytest.mark.parametrize(("sentence", "call"), list(refusals()))
def test_bad_arguments_are_named_before_anything_is_drawn(sentence, call):
    with pytest.raises((TypeError, ValueError), match=re.escape(sentence)) as caught:
        call()
    assert len(str(caught.value)) < 400
    assert not plt.get_fignums()


def test_data_frames_are_arrays_and_no_panels():
    pd = pytest.importorskip("pandas")
    frame, distances = pd.DataFrame(X[:, :2]), pd.Series(np.arange(6.0))
    display = plotting.EmbeddingDisplay.from_predictions(frame, Y)
    np.testing.assert_array_equal(display.embeddings["learnt"], X[:, :2])
    plotting.PairDistanceDisplay.from_predictions(distances, np.arange(6) < 3)
    items = pd.Series([f"row {i}" for i in range(len(X))], index=np.arange(len(X)) + 7)
    display = plotting.RetrievalDisplay.from_predictions(
        frame, Y, items, queries=[3], n_neighbors=2
    )
    expected = nearest_by_hand(X[:, :2], 3, 2)
    np.testing.assert_array_equal(display.neighbors["learnt"], [expected])
    lines = [text.get_text() for text in display.axes_[0].texts]
    assert lines[0] == "row 3" and lines[1].endswith(f" row {expected[0]}")


def test_an_estimator_that_maps_nothing_is_refused():
    knn = KNeighborsClassifier().fit(X, Y)
    with pytest.raises(TypeError, match="Got KNeighborsClassifier, but expected a learner"):
        plotting.EmbeddingDisplay.from_estimator(knn, X, Y)
    with pytest.raises(TypeError, match="Got PCA, but expected a learner of skmetric"):
        plotting.LossCurveDisplay.from_estimator(PCA().fit(X))
    with pytest.raises(TypeError, match="Got str, but expected a learner of skmetric"):
        plotting.LossCurveDisplay.from_estimator("learner" * 99)
    with pytest.raises(NotFittedError):
        plotting.LossCurveDisplay.from_estimator(TripletMetricLearner())


# Loss


def test_loss_curves_are_the_learners(learner):
    model = make_pipeline(StandardScaler(), clone(learner)).fit(X, Y)
    fitted = model[-1]
    display = plotting.LossCurveDisplay.from_estimator(model)
    loss, active = (axes.lines[0] for axes in display.axes_)
    np.testing.assert_array_equal(loss.get_ydata(), fitted.loss_curve_)
    np.testing.assert_array_equal(active.get_ydata(), fitted.active_fraction_curve_)
    np.testing.assert_array_equal(loss.get_xdata(), 1 + np.arange(fitted.n_iter_))
    assert display.axes_[0].get_xlabel() == "iteration"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_validation_scores_have_a_panel(learner):
    learner = clone(learner).set_params(solver="adam", early_stopping=True, max_iter=9)
    display = plotting.LossCurveDisplay.from_estimator(learner.fit(X, Y))
    scores = display.axes_[2].lines[0].get_ydata()
    np.testing.assert_array_equal(scores, learner.validation_scores_)
    assert [axes.get_xlabel() for axes in display.axes_] == ["epoch"] * 3


# Margins


@pytest.fixture
def search():
    grid = {
        "tripletmetriclearner__margin": [2.0, 0.5],
        "tripletmetriclearner__alpha": [0.01, 1.0],
    }
    model = make_pipeline(StandardScaler(), TripletMetricLearner(positives="all"))
    folds = StratifiedKFold(3)
    score = retrieval_scorer("map_at_r")
    return GridSearchCV(model, grid, scoring=score, cv=folds).fit(X, Y)


def test_a_margin_is_drawn_with_its_best_score(search):
    display = plotting.MarginSweepDisplay.from_estimator(search, X, Y)
    results, active = search.cv_results_, []
    for margin, score, spread in zip(
        display.margins, display.scores, display.spreads, strict=True
    ):
        of_margin = [
            (results["mean_test_score"][i], results["std_test_score"][i], params)
            for i, params in enumerate(results["params"])
            if params["tripletmetriclearner__margin"] == margin
        ]
        best = max(of_margin, key=lambda result: result[0])
        assert (score, spread) == best[:2]
        model = clone(search.estimator).set_params(**best[2]).fit(X, Y)
        active.append(model[-1].active_fraction_)
    assert display.margins.tolist() == [0.5, 2.0]
    lines = [axes.lines[0] for axes in display.axes_]
    np.testing.assert_array_equal(lines[0].get_xdata(), display.margins)
    np.testing.assert_array_equal(lines[0].get_ydata(), display.scores)
    np.testing.assert_array_equal(lines[1].get_ydata(), active)
    assert active[0] < active[1]
    bars = display.axes_[0].collections[0].get_segments()
    heights = [bar[1, 1] - bar[0, 1] for bar in bars]
    np.testing.assert_allclose(heights, 2 * np.asarray(display.spreads))


def test_without_rows_the_active_fraction_is_left_out(search):
    assert len(plotting.MarginSweepDisplay.from_estimator(search).axes_) == 1


def test_a_search_of_several_scores_draws_the_one_that_it_refits():
    scores = retrieval_scorer(["map_at_r", "mrr"])
    settings = {"scoring": scores, "cv": StratifiedKFold(2)}
    learner = TripletMetricLearner(positives="all")
    search = GridSearchCV(learner, {"margin": [0.5, 2.0]}, refit="mrr", **settings)
    display = plotting.MarginSweepDisplay.from_estimator(search.fit(X, Y))
    np.testing.assert_array_equal(display.scores, search.cv_results_["mean_test_mrr"])
    assert display.axes_[0].get_ylabel() == "mrr"
    search = GridSearchCV(learner, {"margin": [0.5, 2.0]}, refit=False, **settings)
    with pytest.raises(ValueError, match="refit=False, but expected refit"):
        plotting.MarginSweepDisplay.from_estimator(search.fit(X, Y))


def test_a_fit_that_failed_is_a_gap_and_never_the_best():
    nan = np.nan
    display = plotting.MarginSweepDisplay([1, 2, 3], [0.1, nan, 0.5], [0, nan, 0]).plot()
    line, best = display.axes_[0].lines[0], display.axes_[0].lines[-1]
    np.testing.assert_array_equal(line.get_ydata(), [0.1, nan, 0.5])
    assert (best.get_xdata()[0], best.get_ydata()[0]) == (3, 0.5)
    assert best.get_label() == "best: 3"
    assert [t.get_text() for t in display.axes_[0].get_xticklabels()] == ["1", "2", "3"]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_of_a_margin_that_cannot_be_fitted_there_is_no_active_fraction():
    # Of both settings with a margin of 0.5 one fails, and the other stands for it.
    grid = {"margin": [-1.0, 0.5], "alpha": [-1.0, 0.1]}
    learner = TripletMetricLearner(positives="all")
    score = retrieval_scorer("map_at_r")
    search = GridSearchCV(learner, grid, scoring=score, cv=StratifiedKFold(2)).fit(X, Y)
    display = plotting.MarginSweepDisplay.from_estimator(search, X, Y)
    assert display.margins.tolist() == [-1.0, 0.5]
    assert np.isnan(display.scores).tolist() == [True, False]
    assert np.isnan(display.active_fractions).tolist() == [True, False]
    assert display.axes_[0].lines[-1].get_label() == "best: 0.5"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_an_automatic_margin_stands_beside_numbers():
    learner = ContrastiveMetricLearner(max_iter=20)
    score = retrieval_scorer("map_at_r")
    # The setting of alpha alone has the learner's own margin.
    grid = [{"margin": [2.0, "auto", 1.0]}, {"alpha": [10.0]}]
    search = GridSearchCV(learner, grid, scoring=score, cv=StratifiedKFold(2)).fit(X, Y)
    display = plotting.MarginSweepDisplay.from_estimator(search)
    means = search.cv_results_["mean_test_score"]
    assert display.margins.tolist() == ["auto", 1.0, 2.0]
    assert display.scores.tolist() == [max(means[[1, 3]]), means[2], means[0]]
    (axes,) = display.axes_
    assert [t.get_text() for t in axes.get_xticklabels()] == ["auto", "1", "2"]
    numbers, word = axes.lines[0], axes.collections[1].get_segments()[0]
    assert numbers.get_xdata().tolist() == [1.0, 2.0]
    assert word[0, 0] == axes.get_xticks()[0] < 1.0


@pytest.mark.parametrize(
    "margins", [[1.0, "auto"], ["auto"], ["auto", 0.1, 0.5, 20.0], ["auto", "none", 3.0]]
)
def test_words_stand_at_the_left_of_numbers_drawn_to_scale(margins):
    scores = np.arange(1.0, len(margins) + 1)
    (axes,) = plotting.MarginSweepDisplay(margins, scores, 0 * scores).plot().axes_
    places = dict(zip(margins, axes.get_xticks(), strict=True))
    numbers = [m for m in margins if not isinstance(m, str)]
    assert [places[m] for m in numbers] == numbers
    words = [places[m] for m in margins if isinstance(m, str)]
    assert words == sorted(set(words))
    if numbers:
        assert max(words) < min(numbers)
    low, high = axes.get_xlim()
    assert all(low < place < high for place in places.values())
    assert axes.lines[-1].get_label() == f"best: {margins[-1]}".replace(".0", "")


def test_what_is_no_search_is_refused(learner):
    with pytest.raises(TypeError, match=r"Got \w+MetricLearner, but expected a search"):
        plotting.MarginSweepDisplay.from_estimator(learner)


def test_a_search_without_a_margin_is_refused():
    search = GridSearchCV(
        ContrastiveMetricLearner(max_iter=200),
        {"pos_margin": [0.1]},
        scoring=retrieval_scorer("mrr"),
        cv=StratifiedKFold(2),
    )
    with pytest.raises(ValueError, match=r"search over \['pos_margin'\]"):
        plotting.MarginSweepDisplay.from_estimator(search.fit(X, Y))


# Pairs


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "cosine"])
@pytest.mark.parametrize("Learner", LEARNERS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_distances_are_those_of_all_pairs_before_and_after(Learner, metric):
    learner = Learner(metric=metric, margin=0.9).fit(X, Y)
    display = plotting.PairDistanceDisplay.from_estimator(learner, X, Y)
    i, j = np.triu_indices(len(X), 1)
    raw = pdist(X, metric)
    for name, expected in {
        "raw": raw,
        "learnt": learner.pair_distances(X[i], X[j]),
    }.items():
        drawn = display.distances[name]
        np.testing.assert_allclose(np.sort(drawn), np.sort(expected), atol=1e-9)
        eer = equal_error_rate(expected, Y[i] == Y[j])
        assert display.equal_error_rates_[name] == pytest.approx(eer, abs=1e-3)
        fpr, tpr, _ = roc_curve(Y[i] == Y[j], -expected)
        overlap = (fpr + 1 - tpr).min()
        assert display.overlaps_[name] == pytest.approx(overlap, abs=1e-3)
    title = display.axes_[1].get_title(loc="right")
    assert f"EER {display.equal_error_rates_['learnt']:.3f}" in title
    assert f"overlap {display.overlaps_['learnt']:.3f}" in title


def test_histograms_count_pairs(learner):
    display = plotting.PairDistanceDisplay.from_estimator(learner, X, Y, random_state=0)
    for axes, (_, distances) in zip(display.axes_, display.distances.items(), strict=True):
        same, _, different, _ = axes.patches
        for stairs, kind in ((same, display.similar), (different, ~display.similar)):
            density, edges, _ = stairs.get_data()
            counts = density * np.diff(edges) * kind.sum()
            for count, low, high in zip(counts, edges[:-1], edges[1:], strict=True):
                within = (distances[kind] >= low) & (distances[kind] < high)
                # The last bin has its upper edge, too.
                slack = 1 if high == edges[-1] else 0
                assert 0 <= round(count) - within.sum() <= slack


def test_the_threshold_parts_as_many_of_either_kind():
    distances = np.r_[np.arange(10.0), np.arange(7.5, 17.5)]
    similar = np.arange(20) < 10
    display = plotting.PairDistanceDisplay.from_predictions(distances, similar)
    threshold = display.thresholds_["distances"]
    rejected, accepted = distances[similar] > threshold, distances[~similar] <= threshold
    assert rejected.sum() == accepted.sum() == 1
    assert display.equal_error_rates_["distances"] == pytest.approx(0.1)
    lines = label_of(display.axes_[0])
    assert lines[f"threshold {threshold:.4g}"].get_xdata()[0] == threshold


DISTANCES = np.array([1.0, 2, 2, 3, 2, 4, 5, 6])


@pytest.mark.parametrize(
    "distances",
    [
        np.zeros(8),
        np.full(8, 3.0),
        np.r_[np.zeros(6), 7.0, 9.0],
        -DISTANCES,
        np.full(8, -1e20),
        1e-200 * DISTANCES,
        1e300 * DISTANCES,
    ],
    ids=["zero", "equal", "mostly zero", "negative", "equal and far", "tiny", "huge"],
)
def test_histograms_of_any_distances(distances):
    similar = np.arange(8) < 4
    display = plotting.PairDistanceDisplay.from_predictions(distances, similar)
    display.figure_.canvas.draw()
    (axes,) = display.axes_
    for stairs, kind in zip(axes.patches[::2], (similar, ~similar), strict=True):
        density, edges, _ = stairs.get_data()
        shown = (density * np.diff(edges)).sum() * kind.sum()
        within = (distances[kind] >= edges[0]) & (distances[kind] <= edges[-1])
        assert shown == pytest.approx(within.sum())
        assert shown > 0
    assert axes.get_xlim() == (edges[0], edges[-1])


def test_every_margin_is_marked():
    display = plotting.PairDistanceDisplay(
        DISTANCES, np.arange(8) < 4, margins={"a": 1.0, "b": 2.0, "c": 3.0}, gap=0.5
    ).plot()
    lines = label_of(display.axes_[0])
    assert {"a 1", "b 2", "c 3", "margin 0.5"} <= lines.keys()


def test_margins_are_marked_as_what_they_are():
    contrastive = ContrastiveMetricLearner(margin=0.8, pos_margin=0.3).fit(X, Y)
    display = plotting.PairDistanceDisplay.from_estimator(contrastive, X, Y)
    lines = label_of(display.axes_[-1])
    assert lines["margin 0.8"].get_xdata() == [0.8, 0.8]
    assert lines["pos_margin 0.3"].get_xdata() == [0.3, 0.3]
    triplet = TripletMetricLearner(margin=0.7).fit(X, Y)
    display = plotting.PairDistanceDisplay.from_estimator(triplet, X, Y)
    low, high = label_of(display.axes_[-1])["margin 0.7"].get_xdata()
    assert high - low == pytest.approx(0.7)
    assert (high + low) / 2 == pytest.approx(display.thresholds_["learnt"])
    assert not any("margin" in label for label in label_of(display.axes_[0]))


def test_a_verifiers_threshold_and_distance_are_shown(learner):
    pairs, similar = mine_pairs(X, Y, max_pairs=2000, random_state=0)
    verifier = PairVerifier(learner).fit(pairs, similar, X=X)
    display = plotting.PairDistanceDisplay.from_estimator(verifier, X, Y)
    assert display.thresholds_["learnt"] == verifier.threshold_
    # Behind a pipeline its distance is Euclidean, and the margin has another unit.
    model = make_pipeline(StandardScaler(), clone(learner)).fit(X, Y)
    verifier = PairVerifier(model).fit(pairs, similar, X=X)
    display = plotting.PairDistanceDisplay.from_estimator(verifier, X, Y)
    expected = pdist(model.transform(X))
    np.testing.assert_allclose(
        np.sort(display.distances["learnt"]), np.sort(expected), atol=1e-9
    )
    assert display.gap is None and display.margins is None


def test_no_more_pairs_than_asked_for(learner):
    display = plotting.PairDistanceDisplay.from_estimator(learner, X, Y, max_pairs=500)
    assert len(display.similar) == len(display.distances["raw"]) == 500


def test_pairs_of_sparse_rows():
    rows = csr_array(np.abs(X))
    learner = TripletMetricLearner(metric="cosine", max_iter=200).fit(rows, Y)
    dense, sparse = (
        plotting.PairDistanceDisplay.from_estimator(learner, A, Y, random_state=0)
        for A in (np.abs(X), rows)
    )
    for name in ("raw", "learnt"):
        np.testing.assert_allclose(sparse.distances[name], dense.distances[name], atol=1e-9)


# Embeddings


def test_an_embedding_of_two_columns_is_drawn_as_it_is():
    learner = TripletMetricLearner(n_components=2).fit(X, Y)
    display = plotting.EmbeddingDisplay.from_estimator(learner, X, Y)
    raw, learnt = display.axes_
    for c, places in enumerate(places_of(learnt)):
        np.testing.assert_array_equal(places, learner.transform(X)[c == Y])
    expected = PCA(2).fit_transform(X)
    for c, places in enumerate(places_of(raw)):
        np.testing.assert_allclose(np.abs(places), np.abs(expected[c == Y]), atol=1e-9)
    assert learnt.get_title() == "learnt"
    share = PCA(2).fit(X).explained_variance_ratio_.sum()
    assert raw.get_title() == f"raw (PCA, {100 * share:.0f} % of variance)"
    for c, text in enumerate(learnt.texts):
        middle = np.median(learner.transform(X)[c == Y], axis=0)
        np.testing.assert_allclose(text.get_position(), middle)
        assert text.get_text() == str(c)


@pytest.mark.parametrize("container", [np.asarray, csr_array])
@pytest.mark.parametrize("n", [1, 2, 9])
def test_rows_that_are_all_equal_are_one_point(n, container):
    E = container(np.full((n, 4), 3.0))
    display = plotting.EmbeddingDisplay.from_predictions(E, np.arange(n) % 2)
    display.figure_.canvas.draw()
    np.testing.assert_array_equal(display.embeddings["learnt"], np.zeros((n, 2)))
    assert display.axes_[0].get_title() == "learnt (all rows are equal)"


@pytest.mark.parametrize("container", [np.asarray, csr_array])
def test_two_rows_are_two_points(container):
    E = np.array([[0.0, 0, 0, 0], [1, 1, 1, 1]])
    display = plotting.EmbeddingDisplay.from_predictions(container(E), [0, 1])
    places = display.embeddings["learnt"]
    np.testing.assert_allclose(places[0], -places[1], atol=1e-12)
    assert np.linalg.norm(places[0] - places[1]) == pytest.approx(2)
    assert display.axes_[0].get_title() == "learnt (PCA, 100 % of variance)"


@pytest.mark.parametrize("factor", [2.0**-700, 2.0**1000])
def test_the_scale_of_rows_does_not_matter_to_their_picture(factor):
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


def test_other_transformers_are_drawn_as_well():
    for model in (PCA(2).fit(X), make_pipeline(Normalizer(), PCA(2)).fit(X)):
        display = plotting.EmbeddingDisplay.from_estimator(model, X, Y)
        np.testing.assert_allclose(display.embeddings["learnt"], model.transform(X))


def test_under_the_cosine_raw_rows_have_length_one():
    learner = TripletMetricLearner(metric="cosine", margin=0.5).fit(X, Y)
    display = plotting.EmbeddingDisplay.from_estimator(learner, X, Y, projection="first")
    np.testing.assert_allclose(display.embeddings["raw"], normalize(X)[:, :2])


@pytest.mark.parametrize("n_classes", [2, 7, 10, 50, 56])
def test_no_two_classes_look_alike(n_classes):
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


def test_pictures_do_not_warn_of_labels(learner):
    y = np.arange(len(X)) % 5 - 1
    learner.fit(X, Y)
    display = plotting.PairDistanceDisplay.from_estimator(learner, X, y, random_state=0)
    other = plotting.PairDistanceDisplay.from_estimator(learner, X, y + 1, random_state=0)
    np.testing.assert_array_equal(display.similar, other.similar)


def test_an_unknown_projection_is_refused(learner):
    with pytest.raises(ValueError, match="projection='tsne', but expected one of"):
        plotting.EmbeddingDisplay.from_estimator(learner, X, Y, projection="tsne")


# Retrieval


def nearest_by_hand(E, query, k):
    distances = np.linalg.norm(E - E[query], axis=1)
    distances[query] = np.inf
    return np.argsort(distances, kind="stable")[:k]


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    return data.data[::4], data.target[::4], data.images[::4]


def test_images_hits_and_misses(digits):
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
        expected = np.array([nearest_by_hand(E, q, 6) for q in queries])
        np.testing.assert_array_equal(display.neighbors[name], expected)
        hits = y[expected] == y[queries][:, None]
        np.testing.assert_array_equal(display.hits_[name], hits)
        shown = np.column_stack([queries, expected]).ravel()
        for image, row in zip(axes.images, shown, strict=True):
            np.testing.assert_array_equal(image.get_array(), images[row])
        frames = np.reshape(frames_of(axes), (3, 7))
        np.testing.assert_array_equal(frames[:, 1:] == "-", hits)
        assert len(axes.texts) == (~hits).sum()
        assert axes.get_title() == f"{name}: {hits.sum()} of 18 hits"
        n_misses += (~hits).sum()
    assert n_misses


def test_texts_hits_and_misses(learner):
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


def test_duplicates_do_not_find_themselves():
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


def test_queries_are_drawn_by_the_random_state(learner):
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
    ("changed", "sentence"),
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
def test_wrong_arguments_of_retrieval(learner, changed, sentence):
    settings = {"y": Y, "items": ["x"] * 150, **changed}
    with pytest.raises((TypeError, ValueError), match=re.escape(sentence)) as caught:
        plotting.RetrievalDisplay.from_estimator(learner, X, **settings)
    assert len(str(caught.value)) < 300
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("neighbors", "queries", "sentence"),
    [
        ([[1, 2]], [9], "queries with row indices from 9 to 9"),
        ([[1, 9]], [0], "neighbors with row indices from 1 to 9"),
        ([1, 2], [0], "neighbors of shape (2,), but expected (n_queries, k)"),
        ([[1, 2]], [0, 1], "inconsistent numbers"),
        (None, [0], "neighbors=None, but expected row indices"),
        ({}, [0], "an empty dict"),
    ],
)
def test_neighbors_that_are_none(neighbors, queries, sentence):
    display = plotting.RetrievalDisplay(neighbors, queries, [0, 0, 1, 1], list("abcd"))
    with pytest.raises(ValueError, match=re.escape(sentence)):
        display.plot()
    assert not plt.get_fignums()


@pytest.mark.parametrize("name", ["Embedding", "PairDistance", "Retrieval"])
def test_sparse_rows_are_left_as_they_were(name):
    learner = TripletMetricLearner(random_state=0).fit(X, Y)
    n, d = X.shape
    columns = np.tile(np.arange(d)[::-1], n)
    rows = csr_array((X[:, ::-1].ravel(), columns, np.arange(0, n * d + 1, d)))
    items = [Y.astype(str)] if name == "Retrieval" else []
    getattr(plotting, f"{name}Display").from_estimator(learner, rows, Y, *items)
    np.testing.assert_array_equal(rows.data, X[:, ::-1].ravel())
    np.testing.assert_array_equal(rows.indices, columns)
