"""Curves of a fit: loss, active fraction and validation score by epoch."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._base import BaseMetricLearner
from ._common import (
    COLORS,
    check_curve,
    despine,
    figure_and_axes,
    import_pyplot,
    set_labels,
    split_at_learner,
    start_at_zero,
    widen,
)


class LossCurveDisplay:
    """Loss, active fraction and validation score of a fit, by epoch.

    Loss and active fraction are drawn from 0, and the axis of the score spans at least 0.1,
    so that a curve that hardly changes looks flat.

    Parameters
    ----------
    loss : array-like of shape (n_iter,)
        After each epoch, or each iteration of L-BFGS.
    active_fraction : array-like of shape (n_iter,)
        Fraction of the constraints with a positive slack.
    validation_scores : array-like of shape (n_iter,), default=None
        From early stopping, in [0, 1].
    name : str, default="epoch"
        Label of the x axis.

    Attributes
    ----------
    axes_ : ndarray of matplotlib axes of shape (2,) or (3,)
        Loss, active fraction, and the validation score if there is one.
    figure_ : matplotlib figure

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skmetric import TripletMetricLearner
    >>> from skmetric.plotting import LossCurveDisplay
    >>> learner = TripletMetricLearner(margin=1.0).fit(*load_iris(return_X_y=True))
    >>> display = LossCurveDisplay.from_estimator(learner)
    >>> len(display.loss) == learner.n_iter_
    True
    """

    def __init__(self, loss, active_fraction, validation_scores=None, *, name="epoch"):
        self.loss = loss
        self.active_fraction = active_fraction
        self.validation_scores = validation_scores
        self.name = name

    @classmethod
    def from_estimator(cls, estimator, *, ax=None):
        """Draw the curves of a fitted learner.

        Parameters
        ----------
        estimator : estimator instance
            A fitted learner, a Pipeline with a learner in it, or a search that found one
            of these.
        ax : array-like of matplotlib axes, default=None
            Two axes, or three after early stopping. None makes a figure.

        Returns
        -------
        display : LossCurveDisplay
            With `axes_` and `figure_`.

        Raises
        ------
        TypeError
            If the estimator is not a learner of skmetric.
        """
        import_pyplot()
        _, learner = split_at_learner(estimator)
        if not isinstance(learner, BaseMetricLearner):
            raise TypeError(
                f"Got {type(learner).__name__}, but expected a learner of skmetric, or a "
                "Pipeline with one in it: others record no active fraction."
            )
        check_is_fitted(learner)
        return cls(
            learner.loss_curve_,
            learner.active_fraction_curve_,
            learner.validation_scores_,
            name="iteration" if learner.solver_ == "lbfgs" else "epoch",
        ).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the curves.

        Parameters
        ----------
        ax : array-like of matplotlib axes, default=None
            Two axes, or three with validation scores. None makes a figure.

        Returns
        -------
        self : LossCurveDisplay
            With `axes_` and `figure_`.
        """
        curves = {
            "loss": check_curve("loss", self.loss),
            "active fraction": check_curve("active_fraction", self.active_fraction),
        }
        if self.validation_scores is not None:
            scores = check_curve("validation_scores", self.validation_scores)
            curves["validation score"] = scores
        self.figure_, self.axes_ = figure_and_axes(ax, curves, height=2.6)
        for axes, (name, values), color in zip(
            self.axes_, curves.items(), COLORS, strict=False
        ):
            despine(axes)
            iterations = np.arange(1, len(values) + 1)
            # Markers would hide the line of a long fit.
            size = 3 if len(values) <= 40 else 0
            axes.plot(iterations, values, "o-", color=color, markersize=size)
            set_labels(axes, self.name, name)
            axes.xaxis.get_major_locator().set_params(integer=True)
        for axes in self.axes_[:2]:
            start_at_zero(axes)
        for axes in self.axes_[2:]:
            axes.set_ylim(widen(*axes.get_ylim()))
        return self
