"""Displays of searches: over margins, ways of mining, and two parameters."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, normalize

from skmetric import ContrastiveMetricLearner, TripletMetricLearner, plotting
from skmetric.metrics import mean_average_precision_at_r, retrieval_scorer

X, Y = load_iris(return_X_y=True)


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


def test_the_best_score_of_each_margin_is_drawn(search):
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


def test_of_several_scores_the_one_of_refit_is_drawn():
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


def test_a_failed_fit_is_a_gap_and_never_the_best():
    nan = np.nan
    display = plotting.MarginSweepDisplay([1, 2, 3], [0.1, nan, 0.5], [0, nan, 0]).plot()
    line, best = display.axes_[0].lines[0], display.axes_[0].lines[-1]
    np.testing.assert_array_equal(line.get_ydata(), [0.1, nan, 0.5])
    assert (best.get_xdata()[0], best.get_ydata()[0]) == (3, 0.5)
    assert best.get_label() == "best: 3"
    nan_first = plotting.MarginSweepDisplay([1, 2], [nan, 0.5], [nan, 0], [nan, 1]).plot()
    for axes in nan_first.axes_:
        assert axes.get_xlim()[0] < 1 and axes.get_xlim()[1] > 2
    assert [t.get_text() for t in display.axes_[0].get_xticklabels()] == ["1", "2", "3"]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_a_failed_fit_has_no_active_fraction():
    # Of the two settings with a margin of 0.5 one fails, and the other is drawn.
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
def test_an_automatic_margin_is_drawn_beside_numbers():
    learner = ContrastiveMetricLearner(max_iter=20)
    score = retrieval_scorer("map_at_r")
    # The setting without a margin has the one of the learner, "auto".
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
def test_words_are_drawn_to_the_left_of_numbers(margins):
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


def test_a_learner_is_refused_as_a_search(learner):
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


def test_the_score_has_its_name_and_that_of_raw_rows_is_drawn(search):
    display = plotting.MarginSweepDisplay.from_estimator(search, X, Y)
    assert display.axes_[0].get_ylabel() == display.score_name == "map_at_r"
    folds = StratifiedKFold(3).split(X, Y)
    expected = np.mean(
        [
            mean_average_precision_at_r(
                StandardScaler().fit(X[train]).transform(X[test]), Y[test]
            )
            for train, test in folds
        ]
    )
    assert display.raw_score == pytest.approx(expected)
    raw = [line for line in display.axes_[0].lines if line.get_label().startswith("raw")]
    assert raw[0].get_label() == f"raw: {expected:.3f}"
    np.testing.assert_array_equal(raw[0].get_ydata(), [display.raw_score] * 2)


def test_raw_rows_under_the_cosine_and_of_groups():
    learner = TripletMetricLearner(metric="cosine", loss="softplus")
    grid, groups = {"margin": [0.1, 0.3]}, np.arange(150) % 3
    score = retrieval_scorer("precision_at_1", metric="manhattan")
    search = GridSearchCV(learner, grid, scoring=score, cv=GroupKFold(3))
    search.fit(X, Y, groups=groups)
    display = plotting.MarginSweepDisplay.from_estimator(search, X, Y, groups=groups)
    folds = GroupKFold(3).split(X, Y, groups)
    expected = [score.score_embedding(normalize(X)[test], Y[test]) for _, test in folds]
    assert display.raw_score == pytest.approx(np.mean(expected))
    assert display.score_name == "precision_at_1"


def test_a_score_of_scikit_learn_has_its_name():
    model = make_pipeline(StandardScaler(), TripletMetricLearner(), KNeighborsClassifier())
    grid = {"tripletmetriclearner__margin": [0.1, 0.5]}
    for scoring, name in (("balanced_accuracy", "balanced_accuracy"), (None, "accuracy")):
        search = GridSearchCV(model, grid, scoring=scoring, cv=StratifiedKFold(2))
        display = plotting.MarginSweepDisplay.from_estimator(search.fit(X, Y))
        assert display.score_name == name


@pytest.fixture
def mining_search():
    grid = {"margin": [0.2, 1.0], "negatives": ["nearest", "all"], "alpha": [0.1, 1.0]}
    grid = [grid, {"margin": [5.0], "negatives": ["all"]}]
    learner = TripletMetricLearner(positives="all", alpha=0.5)
    score = retrieval_scorer("map_at_r")
    return GridSearchCV(learner, grid, scoring=score, cv=StratifiedKFold(2)).fit(X, Y)


def test_each_way_of_mining_has_a_line(mining_search):
    display = plotting.MarginSweepDisplay.from_estimator(mining_search, X, Y)
    results = mining_search.cv_results_
    assert display.margins.tolist() == [0.2, 1.0, 5.0]
    assert list(display.scores) == list(display.active_fractions) == ["all", "nearest"]
    for words, scores in display.scores.items():
        for margin, score in zip(display.margins, scores, strict=True):
            of_both = [
                mean
                for mean, setting in zip(
                    results["mean_test_score"], results["params"], strict=True
                )
                if (setting["margin"], setting["negatives"]) == (margin, words)
            ]
            assert score == max(of_both) if of_both else np.isnan(score)
    assert np.isnan(display.active_fractions["nearest"]).tolist() == [False, False, True]
    legend = [text.get_text() for text in display.figure_.legends[0].get_texts()]
    assert {"all", "nearest"} < set(legend)
    best = max(display.scores.values(), key=np.nanmax)
    ring = display.axes_[0].lines[-1]
    assert ring.get_xdata()[0] == display.margins[np.nanargmax(best)]
    assert ring.get_ydata()[0] == np.nanmax(best)


def test_scores_that_hardly_differ_look_alike():
    scores = 0.9 + 1e-3 * np.sin(np.arange(4))
    (axes,) = plotting.MarginSweepDisplay([1, 2, 3, 4], scores, 0 * scores).plot().axes_
    assert np.ptp(scores) < 0.05 * np.ptp(axes.get_ylim())
    display = plotting.SearchHeatmapDisplay(scores.reshape(2, 2), [1, 2], [3, 4]).plot()
    low, high = display.axes_[0].images[0].get_clim()
    assert np.ptp(scores) < 0.05 * (high - low)
    assert low < scores.min() and scores.max() < high


def test_the_best_of_several_lines_is_named_with_its_line():
    scores = {"hard": [0.2, 0.1], "nearest": [0.1, 0.3]}
    display = plotting.MarginSweepDisplay([1, 2], scores, scores).plot()
    assert display.axes_[0].lines[-1].get_label() == "best: 2, nearest"


def test_a_heat_map_shows_the_best_of_each_two_values(mining_search):
    display = plotting.SearchHeatmapDisplay.from_estimator(
        mining_search, "negatives", "margin"
    )
    lines = plotting.MarginSweepDisplay.from_estimator(mining_search)
    assert display.rows == ["all", "nearest"] and display.columns == [0.2, 1.0, 5.0]
    np.testing.assert_array_equal(display.scores, list(lines.scores.values()))
    (axes,) = display.axes_
    texts = [text.get_text() for text in axes.texts]
    flat = display.scores.ravel()
    assert texts == ["–" if np.isnan(score) else f"{score:.3f}" for score in flat]
    i, j = np.unravel_index(np.nanargmax(display.scores), display.scores.shape)
    assert axes.patches[0].get_xy() == (j - 0.5, i - 0.5)
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("negatives", "margin")
    assert axes.get_title() == "map_at_r"
    assert [t.get_text() for t in axes.get_xticklabels()] == ["0.2", "1", "5"]


def test_a_heat_map_of_parameters_that_were_not_searched_is_refused(search):
    display = plotting.SearchHeatmapDisplay.from_estimator(search, "margin", "alpha")
    assert display.scores.shape == (2, 2)
    with pytest.raises(ValueError, match="expected one of them to be 'beta_1'"):
        plotting.SearchHeatmapDisplay.from_estimator(search, "margin", "beta_1")
    with pytest.raises(TypeError, match="expected a search"):
        plotting.SearchHeatmapDisplay.from_estimator(search.estimator, "margin", "alpha")


def test_settings_without_a_learner_are_left_out():
    step, score = "tripletmetriclearner", retrieval_scorer("map_at_r")
    model = make_pipeline(StandardScaler(), TripletMetricLearner(margin=3.0))
    few = TripletMetricLearner(margin=2.0, n_components=2)
    grid = [{f"{step}__margin": [0.5]}, {step: ["passthrough", few]}]
    search = GridSearchCV(model, grid, scoring=score, cv=StratifiedKFold(2)).fit(X, Y)
    display = plotting.MarginSweepDisplay.from_estimator(search)
    assert display.margins.tolist() == [0.5, 2.0]
    scores = search.cv_results_["mean_test_score"]
    np.testing.assert_array_equal(display.scores, scores[[0, 2]])
