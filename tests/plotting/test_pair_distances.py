"""Displays of the distances of pairs."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.spatial.distance import pdist
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.metrics import roc_curve
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmetric import ContrastiveMetricLearner, TripletMetricLearner, plotting
from skmetric.metrics import PairVerifier, equal_error_rate
from skmetric.mining import mine_pairs

X, Y = load_iris(return_X_y=True)


def lines_by_label(axes):
    return {line.get_label(): line for line in axes.lines}


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "cosine"])
@pytest.mark.parametrize("Learner", [TripletMetricLearner, ContrastiveMetricLearner])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_distances_and_rates_are_those_of_all_pairs(Learner, metric):
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
                # The last bin includes its upper edge.
                slack = 1 if high == edges[-1] else 0
                assert 0 <= round(count) - within.sum() <= slack


def test_the_threshold_gives_equal_error_rates():
    distances = np.r_[np.arange(10.0), np.arange(7.5, 17.5)]
    similar = np.arange(20) < 10
    display = plotting.PairDistanceDisplay.from_predictions(distances, similar)
    threshold = display.thresholds_["distances"]
    rejected, accepted = distances[similar] > threshold, distances[~similar] <= threshold
    assert rejected.sum() == accepted.sum() == 1
    assert display.equal_error_rates_["distances"] == pytest.approx(0.1)
    lines = lines_by_label(display.axes_[0])
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
    lines = lines_by_label(display.axes_[0])
    assert {"a 1", "b 2", "c 3", "margin 0.5"} <= lines.keys()


def test_margins_are_marked_as_distances_or_as_a_difference():
    contrastive = ContrastiveMetricLearner(margin=0.8, pos_margin=0.3).fit(X, Y)
    display = plotting.PairDistanceDisplay.from_estimator(contrastive, X, Y)
    lines = lines_by_label(display.axes_[-1])
    assert lines["margin 0.8"].get_xdata() == [0.8, 0.8]
    assert lines["pos_margin 0.3"].get_xdata() == [0.3, 0.3]
    triplet = TripletMetricLearner(margin=0.7).fit(X, Y)
    display = plotting.PairDistanceDisplay.from_estimator(triplet, X, Y)
    low, high = lines_by_label(display.axes_[-1])["margin 0.7"].get_xdata()
    assert high - low == pytest.approx(0.7)
    assert (high + low) / 2 == pytest.approx(display.thresholds_["learnt"])
    assert not any("margin" in label for label in lines_by_label(display.axes_[0]))
    softmax = TripletMetricLearner(loss="softmax").fit(X, Y)
    display = plotting.PairDistanceDisplay.from_estimator(softmax, X, Y)
    assert not any("margin" in label for label in lines_by_label(display.axes_[-1]))


def test_the_threshold_and_the_distances_of_a_verifier_are_drawn(learner):
    pairs, similar = mine_pairs(X, Y, max_pairs=2000, random_state=0)
    verifier = PairVerifier(learner).fit(pairs, similar, rows=X)
    display = plotting.PairDistanceDisplay.from_estimator(verifier, X, Y)
    assert display.thresholds_["learnt"] == verifier.threshold_
    # The distances of a Pipeline are Euclidean, and the margin has another scale.
    model = make_pipeline(StandardScaler(), clone(learner)).fit(X, Y)
    verifier = PairVerifier(model).fit(pairs, similar, rows=X)
    display = plotting.PairDistanceDisplay.from_estimator(verifier, X, Y)
    expected = pdist(model.transform(X))
    np.testing.assert_allclose(
        np.sort(display.distances["learnt"]), np.sort(expected), atol=1e-9
    )
    assert display.gap is None and display.margins is None


def test_max_pairs_is_the_number_of_pairs(learner):
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


def test_labels_give_no_warning(learner):
    y = np.arange(len(X)) % 5 - 1
    learner.fit(X, Y)
    display = plotting.PairDistanceDisplay.from_estimator(learner, X, y, random_state=0)
    other = plotting.PairDistanceDisplay.from_estimator(learner, X, y + 1, random_state=0)
    np.testing.assert_array_equal(display.similar, other.similar)
