"""Pictures of a fit and of a search: loss by epoch, score by margin."""

import math
from numbers import Real

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from ._base import BaseMetricLearner
from ._pictures import (
    COLOURS,
    DIFFERENT,
    SAME,
    add_legend,
    as_curve,
    axes_for,
    cut,
    find_learner,
    plain,
    pyplot,
    set_labels,
)
from ._validation import as_array, short


class LossCurveDisplay:
    """How a fit went: by epoch the loss, the active fraction, and the validation score.

    Parameters
    ----------
    loss : array-like of shape (n_iter,)
        After each epoch, or iteration of L-BFGS.
    active_fraction : array-like of shape (n_iter,)
        Share of the constraints with a positive slack.
    validation_scores : array-like of shape (n_iter,), default=None
        In [0, 1], from early stopping.
    name : str, default="epoch"
        What an iteration is called.

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
            A fitted learner, a Pipeline with one in it, or a search that found one.
        ax : array-like of matplotlib axes, default=None
            Where to draw: two, or three after early stopping; None makes a figure.

        Returns
        -------
        display : LossCurveDisplay
            Drawn.

        Raises
        ------
        TypeError
            For an estimator without a loss curve.
        """
        pyplot()
        learner = find_learner(estimator)[1]
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
        """Draw.

        Parameters
        ----------
        ax : array-like of matplotlib axes, default=None
            Where to draw: two, or three after early stopping; None makes a figure.

        Returns
        -------
        self : LossCurveDisplay
            With `axes_` and `figure_`.
        """
        curves = {
            "loss": as_curve("loss", self.loss),
            "active fraction": as_curve("active_fraction", self.active_fraction),
        }
        if self.validation_scores is not None:
            scores = as_curve("validation_scores", self.validation_scores)
            curves["validation score"] = scores
        self.axes_ = axes_for(ax, list(curves), height=2.6)
        self.figure_ = self.axes_[0].figure
        for axes, (name, values), colour in zip(
            map(plain, self.axes_), curves.items(), COLOURS, strict=False
        ):
            size = 3 if len(values) <= 40 else 0
            iterations = np.arange(1, len(values) + 1)
            axes.plot(iterations, values, "o-", color=colour, markersize=size)
            set_labels(axes, self.name, name)
            axes.xaxis.get_major_locator().set_params(integer=True)
        self.axes_[1].set_ylim(bottom=0)
        return self


class MarginSweepDisplay:
    """What the margin does: the score over margins, beside the active fraction.

    A margin that is no number, ``"auto"``, stands at the left of the others. One without
    a score, as of a fit that failed, is a gap and never the best.

    Parameters
    ----------
    margins : array-like of shape (n_margins,)
        Increasing; words first.
    scores : array-like of shape (n_margins,)
        Mean over the folds; NaN where there is none.
    spreads : array-like of shape (n_margins,)
        Standard deviation over the folds.
    active_fractions : array-like of shape (n_margins,), default=None
        Share of the constraints that are active at the end of a fit.
    score_name : str, default="score"
        Printed at the axis.

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

        Of several settings with one margin, the one with the best score stands for it.
        A setting without a margin has that of the learner.

        Parameters
        ----------
        search : GridSearchCV or another search
            Fitted, of a learner or a Pipeline with one in it, over its `margin`. Of
            several scores, the one that `refit` names is drawn.
        X : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
            Rows to learn the active fraction from, by one more fit for each margin with a
            score. None leaves it out, as a search keeps no learners.
        y : array-like of shape (n_samples,), default=None
            Their labels.
        ax : matplotlib axes, or two of them with X, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : MarginSweepDisplay
            Drawn.

        Raises
        ------
        ValueError
            For a search without one parameter of the name `margin`, with several scores
            of which `refit` names none, or without a single score.
        TypeError
            For what is no search.
        """
        pyplot()
        if not hasattr(search, "estimator"):
            raise TypeError(
                f"Got {type(search).__name__}, but expected a search over margins, such as "
                "GridSearchCV."
            )
        check_is_fitted(search, "cv_results_")
        score_name = _score_of(search)
        results = search.cv_results_
        name = _margin_of(results)
        means = results[f"mean_test_{score_name}"]
        best = _best_by_margin(search, name, means)
        margins = list(best)
        best = np.array(list(best.values()))
        active = None
        if X is not None:
            active = [
                np.nan
                if np.isnan(means[i])
                else _active_fraction(search.estimator, results["params"][i], X, y)
                for i in best
            ]
        return cls(
            np.array(margins, dtype=float if all(map(_is_number, margins)) else object),
            means[best],
            results[f"std_test_{score_name}"][best],
            active,
            score_name=score_name,
        ).plot(ax=ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib axes, or two of them with an active fraction, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : MarginSweepDisplay
            With `axes_` and `figure_`.
        """
        as_array("margins", self.margins, "a sequence of margins")
        margins = list(self.margins)
        scores = as_curve("scores", self.scores)
        curves = [(self.score_name, scores, as_curve("spreads", self.spreads))]
        if self.active_fractions is not None:
            active = as_curve("active_fractions", self.active_fractions)
            curves.append(("active fraction", active, None))
        check_consistent_length(
            margins, *(array for curve in curves for array in curve[1:])
        )
        if np.isnan(scores).all():
            raise ValueError(
                "Got no score but NaN, but expected at least one: every fit failed. Search "
                "with error_score='raise' to see why."
            )
        names = [f"{m:g}" if _is_number(m) else cut(m, 12) for m in margins]
        places, is_word, is_log = _places(margins)
        self.axes_ = axes_for(ax, [curve[0] for curve in curves], height=2.8)
        self.figure_ = self.axes_[0].figure
        for axes, (name, values, spreads) in zip(
            map(plain, self.axes_), curves, strict=True
        ):
            for group, style in ((~is_word, "o-"), (is_word, "o")):
                if group.any():
                    spread = None if spreads is None else spreads[group]
                    line = {"color": SAME, "fmt": style, "markersize": 4, "capsize": 3}
                    axes.errorbar(places[group], values[group], spread, **line)
            if is_log:
                axes.set_xscale("log")
            axes.set_xticks(places, names, parse_math=False)
            axes.set_xticks([], minor=True)
            set_labels(axes, "margin", name)
        at = int(np.nanargmax(scores))
        self.axes_[0].plot(
            places[at],
            scores[at],
            marker="o",
            markersize=9,
            markerfacecolor="none",
            color=DIFFERENT,
            linestyle="none",
            label=f"best: {names[at]}",
        )
        add_legend(self.axes_[0])
        if self.active_fractions is not None:
            self.axes_[1].set_ylim(bottom=0)
        return self


def _score_of(search):
    """Word for the score in `cv_results_`."""
    if "mean_test_score" in search.cv_results_:
        return "score"
    if isinstance(search.refit, str):
        return search.refit
    raise ValueError(
        f"Got a search with several scores and refit={short(search.refit)}, but expected "
        "refit to name the score to draw."
    )


def _margin_of(results):
    """Name of the parameter that is the margin."""
    names = [key.removeprefix("param_") for key in results if key.startswith("param_")]
    margins = [name for name in names if name.split("__")[-1] == "margin"]
    if len(margins) != 1:
        raise ValueError(
            f"Got a search over {short(names)}, but expected one of them to be the margin "
            "of a learner, for example {'margin': [0.1, 0.3, 1.0]}."
        )
    return margins[0]


def _best_by_margin(search, name, means):
    """For each margin, in order, the setting with the best score."""
    own = search.estimator.get_params().get(name)
    means = np.where(np.isnan(means), -np.inf, means)
    best = {}
    for i, setting in enumerate(search.cv_results_["params"]):
        margin = setting.get(name, own)
        if margin not in best or means[i] > means[best[margin]]:
            best[margin] = i
    return dict(sorted(best.items(), key=lambda item: _rank(item[0])))


def _is_number(margin):
    return isinstance(margin, Real) and math.isfinite(margin)


def _rank(margin):
    """By which margins are sorted: words first."""
    return (1, margin) if _is_number(margin) else (0, str(margin))


def _places(margins):
    """Where margins are drawn.

    Returns
    -------
    places : ndarray of shape (n_margins,)
        Numbers are drawn to scale, words at the left of them.
    is_word : ndarray of bool of shape (n_margins,)
    is_log : bool
        Whether the scale is.
    """
    is_word = np.array([not _is_number(margin) for margin in margins])
    numbers = np.array([m for m in margins if _is_number(m)], dtype=float)
    is_log = len(numbers) > 0 and 0 < 8 * numbers.min() < numbers.max()
    places = np.empty(len(margins))
    places[~is_word] = at = np.log(numbers) if is_log else numbers
    step = np.ptp(at) / (len(at) - 1) if len(at) > 1 else 1
    left = at.min() if len(at) else 0
    places[is_word] = left - step * np.arange(is_word.sum(), 0, -1)
    if is_log:
        places = np.exp(places)
        places[~is_word] = numbers
    return places, is_word, is_log


def _active_fraction(estimator, setting, X, y):
    fitted = clone(estimator).set_params(**setting).fit(X, y)
    return find_learner(fitted)[1].active_fraction_
