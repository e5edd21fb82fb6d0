"""A picture of distances: of one class and of two, before and after."""

from itertools import cycle
from numbers import Integral

import numpy as np

from ._base import BaseMetricLearner
from ._pictures import (
    DIFFERENT,
    SAME,
    add_legend,
    as_panels,
    axes_for,
    before_and_after,
    by_name,
    distances_of,
    find_learner,
    plain,
    pyplot,
    set_labels,
    set_title,
)
from ._validation import check_number, encode_labels, short
from ._verification import check_distances, equal_error_rate, verification_curve
from ._verifier import PairVerifier
from .mining import mine_pairs


class PairDistanceDisplay:
    """Distances of pairs of one class and of two, with what a threshold can make of them.

    Each panel shows two histograms of equal area up to the 99th percentile, or to three
    times the median if that is less, prints their overlap and the equal error rate of all
    pairs, and marks a threshold.

    Parameters
    ----------
    distances : array-like of shape (n_pairs,), or dict of these
        By name of the panel, such as ``{"raw": ..., "learnt": ...}``.
    similar : array-like of bool of shape (n_pairs,)
        Whether the rows of a pair are of one class.
    thresholds : dict of float, default=None
        By name of the panel; a panel without one gets that of its equal error rate.
    margins : dict of float, default=None
        By the name to print: distances that mean something in the last panel.
    gap : float, default=None
        Margin of a triplet learner, drawn as a length in the last panel: it is a
        difference of two distances, and no distance.

    Attributes
    ----------
    equal_error_rates_ : dict of float
        By name of the panel.
    overlaps_ : dict of float
        By name of the panel: the least sum of the two error rates, at any threshold. That
        is the area the two distributions share if their densities cross once.
    thresholds_ : dict of float
        The thresholds that are marked.
    axes_ : ndarray of matplotlib axes of shape (n_panels,)
    figure_ : matplotlib figure

    See Also
    --------
    skmetric.metrics.PairVerifier : Learns a threshold on pairs of its own.

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
        """Draw the distances of rows, before a learner and after.

        Parameters
        ----------
        estimator : estimator instance
            A fitted learner or other transformer, a Pipeline with a learner in it, a search
            that found one of these, or a fitted `PairVerifier`, whose threshold is marked.
            "Before" is as rows reach the learner.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, better not those of the fit.
        y : array-like of shape (n_samples,)
            Their labels.
        max_pairs : int, default=20_000
            If there are more, as many are drawn uniformly.
        random_state : int, RandomState instance or None, default=None
            For the draw.
        ax : array-like of two matplotlib axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : PairDistanceDisplay
            Drawn.

        Raises
        ------
        ValueError
            As :func:`skmetric.mining.mine_pairs` does.
        TypeError
            For an estimator that transforms nothing.
        """
        pyplot()
        max_pairs = check_number("max_pairs", max_pairs, kind=Integral, at_least=2)
        verifier = estimator if isinstance(estimator, PairVerifier) else None
        estimator = estimator.estimator if verifier else estimator
        panels = before_and_after(estimator, X)
        learner = find_learner(estimator)[1]
        # A verifier takes the Euclidean distance behind a Pipeline.
        knows_metric = isinstance(learner, BaseMetricLearner)
        own = knows_metric and (verifier is None or learner is estimator)
        metric = learner.metric if own else "euclidean"
        # As codes they are not warned of: nothing is learnt here.
        codes = encode_labels(y)
        pairs, similar = mine_pairs(
            panels["learnt"], codes, max_pairs=max_pairs, random_state=random_state
        )
        distances = {
            name: distances_of(rows, pairs, metric) for name, rows in panels.items()
        }
        return cls(
            distances,
            similar,
            thresholds={"learnt": verifier.threshold_} if verifier else None,
            **(_margins_of(learner) if own else {}),
        ).plot(ax=ax)

    @classmethod
    def from_predictions(cls, distances, similar, *, thresholds=None, ax=None):
        """Draw given distances.

        Parameters
        ----------
        distances : array-like of shape (n_pairs,), or dict of these
            By name of the panel.
        similar : array-like of bool of shape (n_pairs,)
            Whether the rows of a pair are of one class.
        thresholds : dict of float, default=None
            By name of the panel.
        ax : array-like of matplotlib axes, one a panel, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : PairDistanceDisplay
            Drawn.
        """
        return cls(distances, similar, thresholds=thresholds).plot(ax=ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : array-like of matplotlib axes, one a panel, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : PairDistanceDisplay
            With `axes_` and `figure_`.
        """
        panels = {
            name: check_distances(values, self.similar)
            for name, values in as_panels(self.distances, name="distances").items()
        }
        thresholds = _numbers("thresholds", self.thresholds)
        if not thresholds.keys() <= panels.keys():
            raise ValueError(
                f"Got thresholds for {short(list(thresholds))}, but expected some of the "
                f"panels, {short(list(panels))}."
            )
        margins = _numbers("margins", self.margins)
        if self.gap is not None:
            check_number("gap", self.gap, at_least=0)
        self.equal_error_rates_, self.overlaps_ = {}, {}
        self.thresholds_ = thresholds
        self.axes_ = axes_for(ax, list(panels))
        self.figure_ = self.axes_[0].figure
        for axes, (name, pairs) in zip(self.axes_, panels.items(), strict=True):
            self._draw(plain(axes), name, *pairs)
        self._mark_margins(self.axes_[-1], margins, self.thresholds_[name])
        for axes in self.axes_:
            add_legend(axes, fontsize="x-small", loc="upper right")
        return self

    def _draw(self, axes, name, distances, similar):
        thresholds, fmr, fnmr = verification_curve(distances, similar)
        eer = self.equal_error_rates_[name] = equal_error_rate(distances, similar)
        overlap = self.overlaps_[name] = float((fmr + fnmr).min())
        at_eer = float(thresholds[np.argmax(fmr >= fnmr)])
        threshold = self.thresholds_.setdefault(name, at_eer)
        edges = np.linspace(*_range_of(distances), 41)
        for kind, label, colour, style in (
            (similar, "same class", SAME, "-"),
            (~similar, "different classes", DIFFERENT, "--"),
        ):
            counts = np.histogram(distances[kind], edges)[0]
            density = counts / (kind.sum() * (edges[1] - edges[0]))
            axes.stairs(density, edges, color=colour, fill=True, alpha=0.25)
            axes.stairs(density, edges, color=colour, linestyle=style, label=label)
        _line(axes, threshold, "threshold", "-")
        # Room above for the legend.
        axes.set(xlim=edges[[0, -1]], ylim=(0, 1.5 * axes.dataLim.y1), yticks=[])
        set_labels(axes, "distance", "")
        set_title(axes, name, loc="left")
        numbers = f"EER {eer:.3f}\noverlap {overlap:.3f}"
        set_title(axes, numbers, fontsize="small", loc="right")

    def _mark_margins(self, axes, margins, threshold):
        for (name, at), style in zip(margins.items(), cycle((":", "-.")), strict=False):
            _line(axes, at, name, style)
        if self.gap is not None:
            ends = threshold - self.gap / 2, threshold + self.gap / 2
            height = 0.7 * axes.get_ylim()[1]
            label = f"margin {self.gap:.4g}"
            axes.plot(ends, [height] * 2, "k|-", linewidth=2, label=label)


def _numbers(what, values):
    """A dict of numbers by name."""
    return {
        name: check_number(f"{what}[{short(name)}]", value)
        for name, value in by_name(what, values).items()
    }


def _range_of(distances):
    """From 0, or a lesser number, to where few distances are beyond."""
    low, high = np.quantile(distances, [0.01, 0.99])
    low, median = min(low, 0), np.median(distances)
    if 0 < median < high / 3:
        high = 3 * median
    if high <= low:  # Nearly all are equal.
        high = distances.max()
    return low, high if high > low else low + max(1, abs(low))


def _line(axes, at, name, style):
    label = f"{name} {at:.4g}"
    axes.axvline(at, color="black", linewidth=1, linestyle=style, label=label)


def _margins_of(learner):
    """How the margin of a learner is marked: as a distance, or as a length."""
    if hasattr(learner, "pos_margin"):
        return {"margins": {"pos_margin": learner.pos_margin_, "margin": learner.margin_}}
    return {"gap": learner.margin_}
