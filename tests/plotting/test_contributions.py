"""Displays of what features contribute."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler, normalize

from skmetric import TripletMetricLearner, plotting

X, Y = load_iris(return_X_y=True)
NAMES = ["a", "b", "c", "d"]


def bars(display, panel):
    """Widths of the bars by label, from the top. The first panel has the labels."""
    labels = [label.get_text() for label in display.axes_[0].get_yticklabels()]
    widths = [bar.get_width() for bar in display.axes_[panel].patches]
    return dict(zip(labels, widths, strict=True))


def test_the_mean_of_the_pairs_is_drawn(learner):
    display = plotting.ContributionDisplay.from_estimator(learner, X[:9], X[50:59])
    expected = learner.pair_contributions(X[:9], X[50:59]).mean(axis=0)
    found = bars(display, 1)
    assert found == {f"x{i}": expected[i] for i in np.argsort(-np.abs(expected))}
    squares = ((X[:9] - X[50:59]) ** 2).mean(axis=0)
    raw = [squares[int(name[1])] for name in found]
    np.testing.assert_allclose(list(bars(display, 0).values()), raw)
    distance = learner.pair_distances(X[:9], X[50:59]).mean()
    assert display.axes_[1].get_title() == f"learnt: sum {distance:.3g}"


def test_without_pairs_the_mean_over_all_pairs_is_drawn(learner):
    display = plotting.ContributionDisplay.from_estimator(learner, X)
    expected = learner.mean_contributions(X)
    np.testing.assert_array_equal(display.contributions["learnt"], expected)
    raw = 2 * X.var(axis=0, ddof=1)
    np.testing.assert_allclose(display.contributions["raw"], raw)
    sparse = plotting.ContributionDisplay.from_estimator(learner, csr_matrix(X))
    np.testing.assert_allclose(sparse.contributions["raw"], raw)
    np.testing.assert_allclose(sparse.contributions["learnt"], expected)


def test_raw_and_learnt_sum_to_cosine_distances():
    learner = TripletMetricLearner(metric="cosine", margin=0.5).fit(X, Y)
    A, B = csr_matrix(X[:1]), csr_matrix(X[-1:])
    display = plotting.ContributionDisplay.from_estimator(learner, A, B)
    sums = [values.sum() for values in display.contributions.values()]
    raw = 1 - normalize(X[:1])[0] @ normalize(X[-1:])[0]
    np.testing.assert_allclose(sums, [raw, *learner.pair_distances(X[:1], X[-1:])])


def test_the_rest_has_one_bar():
    values = np.array([0.1, -3.0, 0.2, 2.0])
    display = plotting.ContributionDisplay(values, NAMES, max_features=2).plot()
    assert display.features_.tolist() == [1, 3]
    found = bars(display, 0)
    assert list(found) == ["b", "d", "2 others"]
    np.testing.assert_allclose(list(found.values()), [-3, 2, 0.3])
    negative, positive, _ = (bar.get_facecolor() for bar in display.axes_[0].patches)
    assert negative != positive


def test_features_have_the_names_of_the_data_frame(learner):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=NAMES)
    model = clone(learner).fit(frame, Y)
    scaled = make_pipeline(StandardScaler(), clone(learner)).fit(frame, Y)
    for fitted in (model, scaled):
        display = plotting.ContributionDisplay.from_estimator(fitted, frame)
        assert list(display.feature_names) == NAMES
    turned = make_pipeline(PCA(2), clone(learner).set_params(n_components=2)).fit(frame, Y)
    display = plotting.ContributionDisplay.from_estimator(turned, frame)
    assert list(display.feature_names) == ["pca0", "pca1"]
    unnamed = make_pipeline(FunctionTransformer(), clone(learner)).fit(X, Y)
    display = plotting.ContributionDisplay.from_estimator(unnamed, X)
    assert display.feature_names is None
    display = plotting.ContributionDisplay.from_estimator(unnamed, X, feature_names=NAMES)
    assert set(bars(display, 1)) == set(NAMES)


def test_other_estimators_are_refused():
    with pytest.raises(TypeError, match="Got PCA, but expected a learner of skmetric"):
        plotting.ContributionDisplay.from_estimator(PCA().fit(X), X)
