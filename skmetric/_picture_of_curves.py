"""Pictures of a fit and of a search: loss by epoch, score by margin."""

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from ._pictures import COLOURS, DIFFERENT, SAME, axes_for, find_learner, plain, pyplot


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
        check_is_fitted(learner)
        if not hasattr(learner, "active_fraction_curve_"):
            raise TypeError(
                f"Got {type(learner).__name__}, but expected a learner of skmetric, or a "
                "Pipeline with one in it: others record no active fraction."
            )
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
        curves = {"loss": self.loss, "active fraction": self.active_fraction}
        if self.validation_scores is not None:
            curves["validation score"] = self.validation_scores
        self.axes_ = axes_for(ax, list(curves), height=2.6)
        self.figure_ = self.axes_[0].figure
        for axes, (label, values), colour in zip(
            map(plain, self.axes_), curves.items(), COLOURS, strict=False
        ):
            size = 3 if len(values) <= 40 else 0
            iterations = np.arange(1, len(values) + 1)
            axes.plot(iterations, values, "o-", color=colour, markersize=size)
            axes.set(xlabel=self.name, ylabel=label)
            axes.xaxis.get_major_locator().set_params(integer=True)
        self.axes_[1].set_ylim(bottom=0)
        return self


class MarginSweepDisplay:
    """What the margin does: the score over margins, beside the active fraction.

    Parameters
    ----------
    margins : array-like of shape (n_margins,)
        Increasing.
    scores : array-like of shape (n_margins,)
        Mean over the folds.
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

        Parameters
        ----------
        search : GridSearchCV or another search
            Fitted, of a learner or a Pipeline with one in it, over its `margin`. Of
            several scores, the one that `refit` names is drawn.
        X : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
            Rows to learn the active fraction from, by one more fit a margin. None leaves
            it out, as a search keeps no learners.
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
            For a search without one parameter of the name `margin`, or with several
            scores of which `refit` names none.
        """
        pyplot()
        check_is_fitted(search, "cv_results_")
        score_name = _score_of(search)
        results = search.cv_results_
        name = _margin_of(results)
        means = results[f"mean_test_{score_name}"]
        found = np.asarray(results[f"param_{name}"], dtype=float)
        margins = np.unique(found)
        best = np.array(
            [max(np.flatnonzero(found == m), key=lambda i: means[i]) for m in margins]
        )
        active = None
        if X is not None:
            settings = [results["params"][i] for i in best]
            active = [_active_fraction(search.estimator, s, X, y) for s in settings]
        return cls(
            margins,
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
        curves = {self.score_name: (self.scores, self.spreads)}
        if self.active_fractions is not None:
            curves["active fraction"] = (self.active_fractions, None)
        self.axes_ = axes_for(ax, list(curves), height=2.8)
        self.figure_ = self.axes_[0].figure
        margins = np.asarray(self.margins, dtype=float)
        for axes, (name, (values, spreads)) in zip(
            map(plain, self.axes_), curves.items(), strict=True
        ):
            axes.errorbar(
                margins, values, spreads, color=SAME, marker="o", markersize=4, capsize=3
            )
            if margins[0] > 0 and margins[-1] > 8 * margins[0]:
                axes.set_xscale("log")
            axes.set_xticks(margins, [f"{m:g}" for m in margins])
            axes.set_xticks([], minor=True)
            axes.set(xlabel="margin", ylabel=name)
        at = int(np.argmax(self.scores))
        self.axes_[0].plot(
            margins[at],
            self.scores[at],
            marker="o",
            markersize=9,
            markerfacecolor="none",
            color=DIFFERENT,
            linestyle="none",
            label=f"best: {margins[at]:g}",
        )
        self.axes_[0].legend(frameon=False)
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
        f"Got a search with several scores and refit={search.refit!r}, but expected refit "
        "to name the score to draw."
    )


def _margin_of(results):
    """Name of the parameter that is the margin."""
    names = [key.removeprefix("param_") for key in results if key.startswith("param_")]
    margins = [name for name in names if name.split("__")[-1] == "margin"]
    if len(margins) != 1:
        raise ValueError(
            f"Got a search over {names}, but expected one of them to be the margin of a "
            "learner, for example {'margin': [0.1, 0.3, 1.0]}."
        )
    return margins[0]


def _active_fraction(estimator, setting, X, y):
    fitted = clone(estimator).set_params(**setting).fit(X, y)
    return find_learner(fitted)[1].active_fraction_
