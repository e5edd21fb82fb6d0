"""Displays of loss curves."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmetric import plotting

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


@pytest.mark.parametrize("height", [1e-9, 0.37, 1.0, 50.0])
def test_a_flat_curve_looks_flat(height):
    noise = 1 + 1e-3 * np.sin(np.arange(20))
    values = height * noise
    display = plotting.LossCurveDisplay(values, values, values).plot()
    for axes in display.axes_[:2]:
        low, high = axes.get_ylim()
        assert low == 0 and np.ptp(values) < 0.01 * high and values.max() < 0.97 * high
    low, high = display.axes_[2].get_ylim()
    assert np.ptp(values) < max(0.1 * (high - low), 1e-3 * 2 * height)
    assert low < values.min() and values.max() < high and high - low >= 0.0999


def test_a_curve_that_falls_fills_its_axis():
    display = plotting.LossCurveDisplay([4, 2, 1], [1, 0.5, 0], [0.2, 0.9, 0.95]).plot()
    for axes, values in zip(display.axes_, ([4, 1], [1, 0], [0.95, 0.2]), strict=True):
        low, high = axes.get_ylim()
        assert np.ptp(values) > 0.7 * (high - low)
