"""Fixtures of the tests of displays."""

import pytest
from sklearn.datasets import load_iris

from skmetric import ContrastiveMetricLearner, TripletMetricLearner


@pytest.fixture(autouse=True)
def unchanged_settings():
    """Check that no display changes a setting of matplotlib, and close all figures."""
    matplotlib = pytest.importorskip("matplotlib")
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    before = dict(matplotlib.rcParams)
    yield
    changed = {k for k, v in before.items() if matplotlib.rcParams[k] != v}
    plt.close("all")
    assert not changed


@pytest.fixture(params=[TripletMetricLearner, ContrastiveMetricLearner])
def learner(request):
    X, y = load_iris(return_X_y=True)
    return request.param(margin=1.0, n_components=3, random_state=0).fit(X, y)
