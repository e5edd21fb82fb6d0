"""Displays of loss curves and of searches over margins."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmetric import ContrastiveMetricLearner, TripletMetricLearner, plotting
from skmetric.metrics import retrieval_scorer

X, Y = load_iris(return_X_y=True)


def test_the_curves_of_the_learner_are_drawn(learner):
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
