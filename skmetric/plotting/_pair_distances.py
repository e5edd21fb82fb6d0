"""Histograms of the distances of pairs, of the same class and of different classes."""

from itertools import cycle
from numbers import Integral

import numpy as np
from sklearn.metrics.pairwise import (
    paired_cosine_distances,
    paired_euclidean_distances,
)

from .._base import BaseMetricLearner
from .._validation import check_number, encode_labels, short
from ..metrics._pair_verifier import PairVerifier
from ..metrics._verification import check_distances, equal_error_rate, verification_curve
from ..mining import mine_pairs
from ._common import (
    BLUE,
    ORANGE,
    add_legend,
    as_panels,
    check_dict,
    despine,
    figure_and_axes,
    import_pyplot,
    raw_and_learnt,
    set_labels,
    set_title,
    split_at_learner,
)


class PairDistanceDisplay:
    """Histograms of the distances of pairs, of the same class and of different classes.

    Each panel shows two histograms of equal area. They end at the 99th percentile of the
    distances, or at three times the median if that is less. Each panel also prints the
    overlap and the equal error rate of all pairs, and marks a threshold.

    Parameters
    ----------
    distances : array-like of shape (n_pairs,), or dict of these
        By name of the panel, such as ``{"raw": ..., "learnt": ...}``.
    similar : array-like of bool of shape (n_pairs,)
        Whether the two rows of a pair have the same class.
    thresholds : dict of float, default=None
        By name of the panel. A panel without one has the threshold at its equal error
        rate.
    margins : dict of float, default=None
        Distances to mark in the last panel, by the name to print.
    gap : float, default=None
        Margin of a triplet learner, drawn as a horizontal bar in the last panel. It is a
        difference of two distances, so no single distance marks it.

    Attributes
    ----------
    equal_error_rates_ : dict of float
        By name of the panel.
    overlaps_ : dict of float
        By name of the panel: the minimum over all thresholds of the sum of the false match
        rate and the false non-match rate. This is the area that the two densities share
        if they cross once.
    thresholds_ : dict of float
        By name of the panel: the threshold that is marked.
    axes_ : ndarray of matplotlib axes of shape (n_panels,)
    figure_ : matplotlib figure

    See Also
    --------
    skmetric.metrics.PairVerifier : Learns a threshold from pairs.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skmetric import ContrastiveMetricLearner
    >>> from skmetric.plotting import PairDistanceDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> learner = ContrastiveMetricLearner().fit(X[::2], y[::2])
    >>> display = PairDistanceDisplay.from_estimator(learner, X[1::2], y[1::2])
    >>> rates = display.equal_error_rates_
    >>> rates["learnt"] < rates["raw"]
    True
    """

    def __init__(self, distances, similar, *, thresholds=None, margins=None, gap=None):
        self.distances = distances
        self.similar = similar
        self.thresholds = thresholds
        self.margins = margins
        self.gap = gap

    @classmethod
    def from_estimator(
        cls, estimator, X, y, *, max_pairs=20_000, random_state=None, ax=None
    ):
        """Draw the distances of pairs of rows, before and after a learner.

        Parameters
        ----------
        estimator : estimator instance
            A fitted learner or other transformer, a Pipeline with a learner in it, a search
            that found one of these, or a fitted `PairVerifier`, whose threshold is marked.
            "Raw" are the rows as they reach the learner.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, preferably not those of the fit.
        y : array-like of shape (n_samples,)
            Labels of X.
        max_pairs : int, default=20_000
            If there are more pairs, a uniform sample of this size is drawn.
        random_state : int, RandomState instance or None, default=None
            Seed of the sample.
        ax : array-like of two matplotlib axes, default=None
            Axes to draw on. None makes a figure.

        Returns
        -------
        display : PairDistanceDisplay
            With `axes_` and `figure_`.

        Raises
        ------
        ValueError
            As :func:`skmetric.mining.mine_pairs` does.
        TypeError
            If the estimator has no `transform`.
        """
        import_pyplot()
        max_pairs = check_number("max_pairs", max_pairs, kind=Integral, at_least=2)
        verifier = estimator if isinstance(estimator, PairVerifier) else None
        estimator = estimator.estimator if verifier else estimator
        panels = raw_and_learnt(estimator, X)
        _, learner = split_at_learner(estimator)
        # A PairVerifier of a Pipeline uses Euclidean distances whatever the metric.
        has_metric = isinstance(learner, BaseMetricLearner)
        uses_metric = has_metric and (verifier is None or learner is estimator)
        metric = learner.metric if uses_metric else "euclidean"
        # Codes avoid the warnings about labels, which matter only for a fit.
        codes = encode_labels(y)
        pairs, similar = mine_pairs(
            panels["learnt"], codes, max_pairs=max_pairs, random_state=random_state
        )
        distances = {
            name: _paired_distances(rows, pairs, metric) for name, rows in panels.items()
        }
        return cls(
            distances,
            similar,
            thresholds={"learnt": verifier.threshold_} if verifier else None,
            **(_margins_of(learner) if uses_metric else {}),
        ).plot(ax=ax)

    @classmethod
    def from_predictions(cls, distances, similar, *, thresholds=None, ax=None):
        """Draw given distances.

        Parameters
        ----------
        distances : array-like of shape (n_pairs,), or dict of these
            By name of the panel.
        similar : array-like of bool of shape (n_pairs,)
            Whether the two rows of a pair have the same class.
        thresholds : dict of float, default=None
            By name of the panel.
        ax : array-like of matplotlib axes, default=None
            One axes per panel. None makes a figure.

        Returns
        -------
        display : PairDistanceDisplay
            With `axes_` and `figure_`.
        """
        return cls(distances, similar, thresholds=thresholds).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the histograms.

        Parameters
        ----------
        ax : array-like of matplotlib axes, default=None
            One axes per panel. None makes a figure.

        Returns
        -------
        self : PairDistanceDisplay
            With `axes_` and `figure_`.
        """
        panels = {
            name: check_distances(values, self.similar)
            for name, values in as_panels(self.distances, name="distances").items()
        }
        thresholds = _check_numbers("thresholds", self.thresholds)
        if not thresholds.keys() <= panels.keys():
            raise ValueError(
                f"Got thresholds for {short(list(thresholds))}, but expected some of the "
                f"panels, {short(list(panels))}."
            )
        margins = _check_numbers("margins", self.margins)
        if self.gap is not None:
            check_number("gap", self.gap, at_least=0)
        self.equal_error_rates_, self.overlaps_ = {}, {}
        self.thresholds_ = thresholds
        self.figure_, self.axes_ = figure_and_axes(ax, panels)
        for axes, (name, (distances, similar)) in zip(
            self.axes_, panels.items(), strict=True
        ):
            self._draw_panel(axes, name, distances, similar)
        self._mark_margins(self.axes_[-1], margins, self.thresholds_[name])
        for axes in self.axes_:
            add_legend(axes, fontsize="x-small", loc="upper right")
        return self

    def _draw_panel(self, axes, name, distances, similar):
        thresholds, fmr, fnmr = verification_curve(distances, similar)
        eer = self.equal_error_rates_[name] = equal_error_rate(distances, similar)
        overlap = self.overlaps_[name] = float((fmr + fnmr).min())
        # The first threshold at which the two rates cross.
        eer_threshold = float(thresholds[np.argmax(fmr >= fnmr)])
        threshold = self.thresholds_.setdefault(name, eer_threshold)
        edges = np.linspace(*_histogram_range(distances), 41)  # 40 bins
        for selected, label, color, style in (
            (similar, "same class", BLUE, "-"),
            (~similar, "different classes", ORANGE, "--"),
        ):
            counts = np.histogram(distances[selected], edges)[0]  # (40,)
            # Divided by all pairs of the kind, also those beyond the last edge.
            density = counts / (selected.sum() * (edges[1] - edges[0]))
            axes.stairs(density, edges, color=color, fill=True, alpha=0.25)
            axes.stairs(density, edges, color=color, linestyle=style, label=label)
        _mark_distance(axes, threshold, "threshold", "-")
        # The upper third of the panel is for the legend.
        axes.set(xlim=edges[[0, -1]], ylim=(0, 1.5 * axes.dataLim.y1), yticks=[])
        despine(axes)
        set_labels(axes, "distance", "")
        set_title(axes, name, loc="left")
        rates = f"EER {eer:.3f}\noverlap {overlap:.3f}"
        set_title(axes, rates, fontsize="small", loc="right")

    def _mark_margins(self, axes, margins, threshold):
        for (name, margin), style in zip(margins.items(), cycle((":", "-.")), strict=False):
            _mark_distance(axes, margin, name, style)
        if self.gap is not None:
            # A horizontal bar as long as the margin, centered at the threshold.
            ends = threshold - self.gap / 2, threshold + self.gap / 2
            height = 0.7 * axes.get_ylim()[1]
            label = f"margin {self.gap:.4g}"
            axes.plot(ends, [height] * 2, "k|-", linewidth=2, label=label)


def _paired_distances(rows, pairs, metric):
    """Compute the distance of each pair of rows under the metric of a learner."""
    rows = rows.tocsr() if hasattr(rows, "tocsr") else rows
    A, B = rows[pairs[:, 0]], rows[pairs[:, 1]]  # (n_pairs, k) each
    if metric == "cosine":
        return paired_cosine_distances(A, B)
    distances = paired_euclidean_distances(A, B)
    return distances**2 if metric == "sqeuclidean" else distances


def _margins_of(learner):
    """Choose how to mark the margin of a learner: as a distance, or as a difference."""
    if hasattr(learner, "pos_margin"):
        return {"margins": {"pos_margin": learner.pos_margin_, "margin": learner.margin_}}
    return {"gap": learner.margin_}


def _check_numbers(name, values):
    """Check an optional dict of numbers."""
    return {
        key: check_number(f"{name}[{short(key)}]", value)
        for key, value in check_dict(name, values).items()
    }


def _histogram_range(distances):
    """Choose a range that starts at 0, or below it, and leaves out few large distances."""
    low, high = np.quantile(distances, [0.01, 0.99])
    low, median = min(low, 0), np.median(distances)
    # A long tail would squeeze most of the distances into a few bins.
    if 0 < median < high / 3:
        high = 3 * median
    if high <= low:  # Nearly all distances are equal.
        high = distances.max()
    return low, high if high > low else low + max(1, abs(low))


def _mark_distance(axes, distance, name, style):
    label = f"{name} {distance:.4g}"
    axes.axvline(distance, color="black", linewidth=1, linestyle=style, label=label)
