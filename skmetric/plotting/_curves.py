"""Curves of a fit and of a search: loss by epoch, score by margin."""

import math
from numbers import Real

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from .._base import BaseMetricLearner
from .._validation import as_array, short
from ._common import (
    BLUE,
    COLORS,
    ORANGE,
    add_legend,
    check_curve,
    despine,
    figure_and_axes,
    import_pyplot,
    set_labels,
    split_at_learner,
    truncate,
)


class LossCurveDisplay:
    """Loss, active fraction and validation score of a fit, by epoch.

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
        self.axes_[1].set_ylim(bottom=0)
        return self


class MarginSweepDisplay:
    """Score and active fraction over the margins of a search.

    A margin that is not a number, such as ``"auto"``, is drawn to the left of the others.
    A margin without a score, because its fit failed, is a gap in the curve and never the
    best.

    Parameters
    ----------
    margins : array-like of shape (n_margins,)
        Words first, then numbers in increasing order.
    scores : array-like of shape (n_margins,)
        Mean over the folds, or NaN if there is none.
    spreads : array-like of shape (n_margins,)
        Standard deviation over the folds.
    active_fractions : array-like of shape (n_margins,), default=None
        Fraction of the constraints that are active at the end of a fit.
    score_name : str, default="score"
        Label of the y axis.

    Attributes
    ----------
    axes_ : ndarray of matplotlib axes of shape (1,) or (2,)
        Score, and active fraction if there is one.
    figure_ : matplotlib figure

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skmetric import TripletMetricLearner
    >>> from skmetric.metrics import retrieval_scorer
    >>> from skmetric.plotting import MarginSweepDisplay
    >>> X, y = load_wine(return_X_y=True)
    >>> learner = TripletMetricLearner(max_iter=200)
    >>> search = GridSearchCV(
    ...     learner, {"margin": [0.2, 0.5]}, scoring=retrieval_scorer("map_at_r"), cv=2
    ... )
    >>> display = MarginSweepDisplay.from_estimator(search.fit(X, y), X, y)
    >>> display.margins
    array([0.2, 0.5])
    """

    def __init__(
        self, margins, scores, spreads, active_fractions=None, *, score_name="score"
    ):
        self.margins = margins
        self.scores = scores
        self.spreads = spreads
        self.active_fractions = active_fractions
        self.score_name = score_name

    @classmethod
    def from_estimator(cls, search, X=None, y=None, *, ax=None):
        """Draw the scores of a search over margins.

        Where several settings have the same margin, the best of them is drawn. A setting
        that does not give a margin has the one of the learner.

        Parameters
        ----------
        search : GridSearchCV or another search
            Fitted, over the `margin` of a learner or of a learner in a Pipeline. If it has
            several scores, the one that `refit` names is drawn.
        X : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
            Training rows. A search does not keep its learners, so the active fractions
            need one more fit for each margin with a score. None leaves them out.
        y : array-like of shape (n_samples,), default=None
            Labels of X.
        ax : matplotlib axes, or two of them with X, default=None
            Axes to draw on. None makes a figure.

        Returns
        -------
        display : MarginSweepDisplay
            With `axes_` and `figure_`.

        Raises
        ------
        ValueError
            If the search is not over exactly one parameter named `margin`, if it has
            several scores and `refit` names none of them, or if every fit failed.
        TypeError
            If `search` is not a search.
        """
        import_pyplot()
        if not hasattr(search, "estimator"):
            raise TypeError(
                f"Got {type(search).__name__}, but expected a search over margins, such as "
                "GridSearchCV."
            )
        check_is_fitted(search, "cv_results_")
        results = search.cv_results_
        score_name = _score_name(search)
        means = results[f"mean_test_{score_name}"]  # (n_settings,)
        best = _best_by_margin(search, _margin_name(results), means)
        margins, rows = list(best), np.array(list(best.values()))  # n_margins each
        active_fractions = None
        if X is not None:
            active_fractions = [
                np.nan
                if np.isnan(means[row])
                else _active_fraction(search.estimator, results["params"][row], X, y)
                for row in rows
            ]
        return cls(
            np.array(margins, dtype=float if all(map(_is_number, margins)) else object),
            means[rows],
            results[f"std_test_{score_name}"][rows],
            active_fractions,
            score_name=score_name,
        ).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib axes, or two of them with an active fraction, default=None
            Axes to draw on. None makes a figure.

        Returns
        -------
        self : MarginSweepDisplay
            With `axes_` and `figure_`.
        """
        as_array("margins", self.margins, "a sequence of margins")
        margins = list(self.margins)
        scores = check_curve("scores", self.scores)
        # Name, values and spreads of each panel.
        curves = [(self.score_name, scores, check_curve("spreads", self.spreads))]
        if self.active_fractions is not None:
            active_fractions = check_curve("active_fractions", self.active_fractions)
            curves.append(("active fraction", active_fractions, None))
        check_consistent_length(
            margins, *(array for curve in curves for array in curve[1:])
        )
        if np.isnan(scores).all():
            raise ValueError(
                "Got no score but NaN, but expected at least one: every fit failed. Search "
                "with error_score='raise' to see why."
            )
        names = [f"{m:g}" if _is_number(m) else truncate(m, 12) for m in margins]
        positions, is_word, is_log = _positions(margins)
        self.figure_, self.axes_ = figure_and_axes(
            ax, [curve[0] for curve in curves], height=2.8
        )
        for axes, (name, values, spreads) in zip(self.axes_, curves, strict=True):
            despine(axes)
            # A line joins the numbers, but not the words.
            for group, style in ((~is_word, "o-"), (is_word, "o")):
                if group.any():
                    axes.errorbar(
                        positions[group],
                        values[group],
                        None if spreads is None else spreads[group],
                        fmt=style,
                        color=BLUE,
                        markersize=4,
                        capsize=3,
                    )
            if is_log:
                axes.set_xscale("log")
            axes.set_xticks(positions, names, parse_math=False)
            axes.set_xticks([], minor=True)
            set_labels(axes, "margin", name)
        # A ring around the best score.
        best = int(np.nanargmax(scores))
        self.axes_[0].plot(
            positions[best],
            scores[best],
            marker="o",
            markersize=9,
            markerfacecolor="none",
            color=ORANGE,
            linestyle="none",
            label=f"best: {names[best]}",
        )
        add_legend(self.axes_[0])
        if self.active_fractions is not None:
            self.axes_[1].set_ylim(bottom=0)
        return self


def _score_name(search):
    """Find the name of the score to draw, as in the keys of `cv_results_`."""
    if "mean_test_score" in search.cv_results_:
        return "score"
    if isinstance(search.refit, str):
        return search.refit
    raise ValueError(
        f"Got a search with several scores and refit={short(search.refit)}, but expected "
        "refit to name the score to draw."
    )


def _margin_name(results):
    """Find the name of the parameter that is the margin, such as "learner__margin"."""
    names = [key.removeprefix("param_") for key in results if key.startswith("param_")]
    margins = [name for name in names if name.split("__")[-1] == "margin"]
    if len(margins) != 1:
        raise ValueError(
            f"Got a search over {short(names)}, but expected one of them to be the margin "
            "of a learner, for example {'margin': [0.1, 0.3, 1.0]}."
        )
    return margins[0]


def _best_by_margin(search, name, means):
    """Map each margin, in sorted order, to its row of `cv_results_` with the best score."""
    default = search.estimator.get_params().get(name)
    means = np.where(np.isnan(means), -np.inf, means)  # A failed fit is never better.
    best = {}
    for row, setting in enumerate(search.cv_results_["params"]):
        margin = setting.get(name, default)
        if margin not in best or means[row] > means[best[margin]]:
            best[margin] = row
    return dict(sorted(best.items(), key=lambda item: _sort_key(item[0])))


def _active_fraction(estimator, setting, X, y):
    """Fit with a setting of the search, and return the active fraction of the learner."""
    fitted = clone(estimator).set_params(**setting).fit(X, y)
    _, learner = split_at_learner(fitted)
    return learner.active_fraction_


def _is_number(margin):
    return isinstance(margin, Real) and math.isfinite(margin)


def _sort_key(margin):
    """Sort words first, then numbers."""
    return (1, margin) if _is_number(margin) else (0, str(margin))


def _positions(margins):
    """Compute the x positions of margins.

    Returns
    -------
    positions : ndarray of shape (n_margins,)
        A number has its value. Words are to the left of all numbers, evenly spaced.
    is_word : ndarray of bool of shape (n_margins,)
    is_log : bool
        Whether the x axis is logarithmic.
    """
    is_word = np.array([not _is_number(margin) for margin in margins])
    numbers = np.array([m for m in margins if _is_number(m)], dtype=float)
    # Margins that span more than a factor of 8 are more readable on a logarithmic axis.
    is_log = len(numbers) > 0 and 0 < 8 * numbers.min() < numbers.max()
    scaled = np.log(numbers) if is_log else numbers
    # The spacing of words is the mean spacing of the numbers on the scale of the axis.
    step = np.ptp(scaled) / (len(scaled) - 1) if len(scaled) > 1 else 1
    left = scaled.min() if len(scaled) else 0
    # In order, the last word is one step to the left of the smallest number.
    words = left - step * np.arange(is_word.sum(), 0, -1)
    positions = np.empty(len(margins))
    positions[~is_word] = numbers
    positions[is_word] = np.exp(words) if is_log else words
    return positions, is_word, is_log
