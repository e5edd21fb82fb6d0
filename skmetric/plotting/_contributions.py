"""Bars of what each feature contributes to a distance."""

from numbers import Integral

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_consistent_length
from sklearn.utils.sparsefuncs import mean_variance_axis
from sklearn.utils.validation import check_is_fitted

from .._base import BaseMetricLearner
from .._validation import as_array, check_number
from ._common import (
    BLUE,
    ORANGE,
    as_panels,
    check_curve,
    despine,
    figure_and_axes,
    import_pyplot,
    raw_and_learnt,
    set_labels,
    set_title,
    split_at_learner,
    truncate,
)


class ContributionDisplay:
    """What each feature contributes to a distance, raw beside learnt.

    A bar for each of the features that contribute most to the last panel, negative
    contributions included, and one for the sum of all others. The bars of a panel sum to
    its distance, under ``metric="euclidean"`` to the square.

    Parameters
    ----------
    contributions : array-like of shape (n_features,), or dict of these
        By name of the panel.
    feature_names : sequence of str, default=None
        None means x0, x1 and so on.
    max_features : int, default=10
        Number of features with a bar of their own.

    Attributes
    ----------
    features_ : ndarray of int of shape (n_drawn,)
        The features with a bar of their own, from the top.
    axes_ : ndarray of matplotlib axes of shape (n_panels,)
    figure_ : matplotlib figure

    See Also
    --------
    skmetric.TripletMetricLearner.pair_contributions : The numbers.

    Examples
    --------
    Why is the first iris so far from the last one?

    >>> from sklearn.datasets import load_iris
    >>> from skmetric import TripletMetricLearner
    >>> from skmetric.plotting import ContributionDisplay
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> learner = TripletMetricLearner().fit(X, y)
    >>> display = ContributionDisplay.from_estimator(learner, X[:1], X[-1:])
    >>> display.feature_names[display.features_[0]]
    'petal length (cm)'
    """

    def __init__(self, contributions, feature_names=None, *, max_features=10):
        self.contributions = contributions
        self.feature_names = feature_names
        self.max_features = max_features

    @classmethod
    def from_estimator(
        cls, estimator, A, B=None, *, feature_names=None, max_features=10, ax=None
    ):
        """Draw the contributions to the distances of given pairs, or of all pairs.

        Parameters
        ----------
        estimator : estimator instance
            A fitted learner, a Pipeline with a learner in it, or a search that found one of
            these. "Raw" are the rows as they reach the learner.
        A : {array-like, sparse matrix} of shape (n_pairs, n_features)
            Rows.
        B : {array-like, sparse matrix} of shape (n_pairs, n_features), default=None
            Row i of `A` and row i of `B` are a pair. Of several pairs the mean is drawn.
            None draws the mean over all pairs of rows of `A`: which features the metric
            uses on these rows.
        feature_names : sequence of str, default=None
            Of the features that reach the learner. None takes them from the data frame of
            the fit, if there was one.
        max_features : int, default=10
            Number of features with a bar of their own.
        ax : array-like of two matplotlib axes, default=None
            Axes to draw on. None makes a figure.

        Returns
        -------
        display : ContributionDisplay
            With `axes_` and `figure_`.

        Raises
        ------
        TypeError
            If the estimator is not a learner of skmetric.
        ValueError
            As ``pair_contributions`` and ``mean_contributions`` of the learner do.
        """
        import_pyplot()
        steps, learner = split_at_learner(estimator)
        if not isinstance(learner, BaseMetricLearner):
            raise TypeError(
                f"Got {type(learner).__name__}, but expected a learner of skmetric, or a "
                "Pipeline with one in it."
            )
        check_is_fitted(learner)
        tables = [A] if B is None else [A, B]
        raw = [raw_and_learnt(estimator, table)["raw"] for table in tables]
        for step in steps:
            tables = [step.transform(table) for table in tables]
        if B is None:
            learnt = learner.mean_contributions(*tables)
        else:
            learnt = learner.pair_contributions(*tables).mean(axis=0)
        factor = 0.5 if learner.metric == "cosine" else 1
        if feature_names is None:
            feature_names = _feature_names(steps, learner)
        return cls(
            {"raw": factor * _raw_contributions(*raw), "learnt": learnt},
            feature_names,
            max_features=max_features,
        ).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the bars.

        Parameters
        ----------
        ax : array-like of matplotlib axes, default=None
            One axes per panel. None makes a figure.

        Returns
        -------
        self : ContributionDisplay
            With `axes_` and `figure_`.
        """
        panels = {
            name: check_curve("contributions", values)
            for name, values in as_panels(self.contributions).items()
        }
        n_features = len(next(iter(panels.values())))
        names = self.feature_names
        if names is None:
            names = [f"x{i}" for i in range(n_features)]
        as_array("feature_names", names, "a sequence of names")
        check_consistent_length(names, *panels.values())
        n_drawn = check_number("max_features", self.max_features, kind=Integral, at_least=1)
        last = list(panels.values())[-1]
        order = np.argsort(-np.abs(last), kind="stable")
        self.features_, others = np.split(order, [n_drawn])
        labels = [truncate(names[i], 24) for i in self.features_]
        labels += [f"{len(others)} others"] if len(others) else []
        self.figure_, self.axes_ = figure_and_axes(
            ax, panels, height=1.0 + 0.2 * len(labels)
        )
        for axes, (name, values) in zip(self.axes_, panels.items(), strict=True):
            widths = values[self.features_]
            if len(others):
                widths = np.append(widths, values[others].sum())
            colors = [BLUE if width >= 0 else ORANGE for width in widths]
            axes.barh(range(len(widths)), widths, color=colors, height=0.7)
            axes.axvline(0, color="black", linewidth=0.8)
            axes.invert_yaxis()
            axes.set_yticks(range(len(labels)), labels, parse_math=False)
            if axes is not self.axes_[0]:
                axes.tick_params(labelleft=False)
            despine(axes)
            set_labels(axes, "contribution", "")
            set_title(axes, f"{name}: sum {values.sum():.3g}")
        return self


def _raw_contributions(A, B=None):
    """Mean square of the difference in each feature, of given pairs or of all pairs."""
    if B is not None:
        difference = A - B  # (n_pairs, d)
        if issparse(difference):
            return np.asarray(difference.multiply(difference).mean(axis=0)).ravel()
        return (difference**2).mean(axis=0)
    n = A.shape[0]
    variance = mean_variance_axis(A, axis=0)[1] if issparse(A) else A.var(axis=0)
    return 2 * variance * n / (n - 1)


def _feature_names(steps, learner):
    """Names of the features that reach a learner, or None if a step has none."""
    names = None
    for step in steps:
        if not hasattr(step, "get_feature_names_out"):
            return None
        names = step.get_feature_names_out(names)
    return getattr(learner, "feature_names_in_", names)
