"""Scores of a search: by margin, and over two parameters."""

import math
from numbers import Real

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.model_selection import cross_validate
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import check_is_fitted

from .._base import BaseMetricLearner
from .._validation import as_array, check_number, short
from ..metrics._scorers import RetrievalScorer
from ._common import (
    COLORS,
    MARKERS,
    add_legend,
    as_panels,
    check_curve,
    despine,
    figure_and_axes,
    import_pyplot,
    set_labels,
    set_title,
    split_at_learner,
    start_at_zero,
    truncate,
    widen,
)

MINING = ("positives", "negatives")
KEY_COLUMNS = 3


class MarginSweepDisplay:
    """Score and active fraction over the margins of a search, beside the raw rows.

    There is a line for each way of mining that was searched. A margin that is not a number,
    such as ``"auto"``, is drawn to the left of the others. A margin without a score,
    because its fit failed, is a gap in the curve and never the best.

    Parameters
    ----------
    margins : array-like of shape (n_margins,)
        Words first, then numbers in increasing order.
    scores : array-like of shape (n_margins,), or dict of these
        By name of the line. Mean over the folds, or NaN if there is none.
    spreads : array-like of shape (n_margins,), or dict of these
        Standard deviation over the folds.
    active_fractions : array-like of shape (n_margins,), or dict of these, default=None
        Fraction of the constraints that are active at the end of a fit.
    raw_score : float, default=None
        Score of the rows as they reach the learner, drawn as a dashed line.
    score_name : str, default="score"
        Label of the y axis.

    Attributes
    ----------
    axes_ : ndarray of matplotlib axes of shape (1,) or (2,)
        Score, and active fraction if there is one.
    figure_ : matplotlib figure

    See Also
    --------
    SearchHeatmapDisplay : Scores over any two parameters.

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
    >>> display.score_name
    'map_at_r'
    """

    def __init__(
        self,
        margins,
        scores,
        spreads,
        active_fractions=None,
        *,
        raw_score=None,
        score_name="score",
    ):
        self.margins = margins
        self.scores = scores
        self.spreads = spreads
        self.active_fractions = active_fractions
        self.raw_score = raw_score
        self.score_name = score_name

    @classmethod
    def from_estimator(cls, search, X=None, y=None, *, groups=None, ax=None):
        """Draw the scores of a search over margins.

        A search over several `positives` or `negatives` has a line for each combination of
        these. Of the settings with the same margin on a line, the best one is drawn. A
        setting that does not give a margin has the one of the learner. A setting without a
        learner, such as ``"passthrough"`` in its place, is left out.

        Parameters
        ----------
        search : GridSearchCV or another search
            Fitted, over the `margin` of a learner or of a learner in a Pipeline. If it has
            several scores, the one that `refit` names is drawn.
        X : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
            Training rows, for the active fractions and the score of the raw rows. A search
            keeps neither, so they need one more fit for each margin with a score, and a
            cross-validation without the learner. None leaves them out.
        y : array-like of shape (n_samples,), default=None
            Labels of X.
        groups : array-like of shape (n_samples,), default=None
            What the splitter of the search was given, if it needs groups.
        ax : matplotlib axes, or two of them with X, default=None
            Axes to draw on. None makes a figure.

        Returns
        -------
        display : MarginSweepDisplay
            With `axes_` and `figure_`. Without several ways of mining, its scores are
            arrays, otherwise dicts.

        Raises
        ------
        ValueError
            If the search is not over exactly one parameter named `margin`, if it has
            several scores and `refit` names none of them, or if every fit failed.
        TypeError
            If it is not a search.
        """
        import_pyplot()
        _check_search(search)
        results = search.cv_results_
        key, score_name = _score_key(search), _score_name(search)
        means, spreads = results[f"mean_test_{key}"], results[f"std_test_{key}"]
        margin = _parameter_name(results, "margin")
        lines = _lines(search, margin, means)
        margins = sorted({m for best in lines.values() for m in best}, key=_sort_key)
        # Rows of the results by line and margin; -1 where there is none.
        rows = {
            name: np.array([best.get(m, -1) for m in margins])
            for name, best in lines.items()
        }
        scores, spreads = (
            {name: np.where(r < 0, np.nan, values[r]) for name, r in rows.items()}
            for values in (means, spreads)
        )
        active_fractions = raw_score = None
        if X is not None:
            active_fractions = {
                name: np.array([_active_fraction(search, means, i, X, y) for i in r])
                for name, r in rows.items()
            }
            raw_score = _raw_score(search, key, X, y, groups)
        if list(lines) == [""]:
            scores, spreads = scores[""], spreads[""]
            active_fractions = active_fractions and active_fractions[""]
        return cls(
            np.array(margins, dtype=float if all(map(_is_number, margins)) else object),
            scores,
            spreads,
            active_fractions,
            raw_score=raw_score,
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
        scores = _check_curves("scores", self.scores)
        spreads = _check_curves("spreads", self.spreads)
        # Name, values and spreads of each panel.
        panels = [(self.score_name, scores, spreads)]
        if self.active_fractions is not None:
            active_fractions = _check_curves("active_fractions", self.active_fractions)
            panels.append(("active fraction", active_fractions, {}))
        for _, *curves in panels:
            check_consistent_length(margins, *(v for c in curves for v in c.values()))
            if any(curve and curve.keys() != scores.keys() for curve in curves):
                raise ValueError(
                    f"Got lines {short([list(curve) for curve in curves])}, but expected "
                    f"those of the scores, {short(list(scores))}."
                )
        if all(np.isnan(values).all() for values in scores.values()):
            raise ValueError(
                "Got no score but NaN, but expected at least one: every fit failed. Search "
                "with error_score='raise' to see why."
            )
        if self.raw_score is not None:
            check_number("raw_score", self.raw_score)
        names = [_text(margin) for margin in margins]
        positions, is_word, is_log = _positions(margins)
        n_lines = 1 + len(scores) // KEY_COLUMNS
        self.figure_, self.axes_ = figure_and_axes(
            ax, [panel[0] for panel in panels], height=2.8 + 0.2 * n_lines
        )
        for axes, (panel, curves, deviations) in zip(self.axes_, panels, strict=True):
            despine(axes)
            for i, (line, values) in enumerate(curves.items()):
                # A line joins the numbers, but not the words.
                for group, style in ((~is_word, "-"), (is_word, "none")):
                    if group.any():
                        axes.errorbar(
                            positions[group],
                            values[group],
                            deviations[line][group] if deviations else None,
                            linestyle=style,
                            marker=MARKERS[i % len(MARKERS)],
                            color=COLORS[i % len(COLORS)],
                            markersize=4,
                            capsize=3,
                            label=truncate(line, 30) if group[-1] else None,
                        )
            if is_log:
                axes.set_xscale("log")
            axes.set_xticks(positions, names, parse_math=False)
            axes.set_xticks([], minor=True)
            # Also margins without a score are within the limits.
            axes.update_datalim([(x, 0) for x in positions], updatey=False)
            axes.autoscale_view(scaley=False)
            set_labels(axes, "margin", panel)
        self._mark_raw_and_best(self.axes_[0], scores, positions, names)
        # Axes that were passed may leave no space below them.
        if ax is None:
            key = self.axes_[0].get_legend_handles_labels()
            options = {"loc": "outside lower center", "ncols": KEY_COLUMNS}
            add_legend(self.figure_, *key, **options, fontsize="small")
        else:
            add_legend(self.axes_[0], fontsize="small")
        if self.active_fractions is not None:
            start_at_zero(self.axes_[1])
        return self

    def _mark_raw_and_best(self, axes, scores, positions, names):
        if self.raw_score is not None:
            label = f"raw: {self.raw_score:.3f}"
            axes.axhline(self.raw_score, color="gray", linestyle="--", label=label)
        best = max(scores, key=lambda line: np.nanmax(np.append(scores[line], -np.inf)))
        i = int(np.nanargmax(scores[best]))
        of_line = f", {truncate(best, 30)}" if len(scores) > 1 else ""
        # A ring around the best score.
        axes.plot(
            positions[i],
            scores[best][i],
            marker="o",
            markersize=9,
            markerfacecolor="none",
            color="black",
            linestyle="none",
            label=f"best: {names[i]}{of_line}",
        )
        axes.set_ylim(widen(*axes.get_ylim()))


class SearchHeatmapDisplay:
    """Scores of a search over two parameters, as a heat map.

    Each cell shows the score, the best has a frame. Colors span at least 0.1, so that
    scores that hardly differ look alike.

    Parameters
    ----------
    scores : array-like of shape (n_rows, n_columns)
        NaN where there is none.
    rows, columns : sequence
        Values of the two parameters.
    row_name, column_name : str, default=""
        Names of the two parameters.
    score_name : str, default="score"
        Title.

    Attributes
    ----------
    axes_ : ndarray of matplotlib axes of shape (1,)
    figure_ : matplotlib figure

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skmetric import TripletMetricLearner
    >>> from skmetric.metrics import retrieval_scorer
    >>> from skmetric.plotting import SearchHeatmapDisplay
    >>> X, y = load_wine(return_X_y=True)
    >>> grid = {"margin": [0.2, 0.5], "n_components": [2, 5]}
    >>> search = GridSearchCV(
    ...     TripletMetricLearner(max_iter=200), grid, scoring=retrieval_scorer("mrr"), cv=2
    ... )
    >>> display = SearchHeatmapDisplay.from_estimator(
    ...     search.fit(X, y), "margin", "n_components"
    ... )
    >>> display.scores.shape
    (2, 2)
    """

    def __init__(
        self, scores, rows, columns, *, row_name="", column_name="", score_name="score"
    ):
        self.scores = scores
        self.rows = rows
        self.columns = columns
        self.row_name = row_name
        self.column_name = column_name
        self.score_name = score_name

    @classmethod
    def from_estimator(cls, search, row_name, column_name, *, ax=None):
        """Draw the scores of a search.

        Of the settings with the same values of the two parameters, the best is drawn.

        Parameters
        ----------
        search : GridSearchCV or another search
            Fitted. If it has several scores, the one that `refit` names is drawn.
        row_name, column_name : str
            Two parameters that were searched, such as ``"margin"`` and ``"alpha"``. The
            names of the steps before them may be left out.
        ax : matplotlib axes, default=None
            Axes to draw on. None makes a figure.

        Returns
        -------
        display : SearchHeatmapDisplay
            With `axes_` and `figure_`.

        Raises
        ------
        ValueError
            If the search is not over these parameters, if it has several scores and `refit`
            names none of them, or if every fit failed.
        TypeError
            If it is not a search.
        """
        import_pyplot()
        _check_search(search)
        results, key = search.cv_results_, _score_key(search)
        means = results[f"mean_test_{key}"]
        names = [_parameter_name(results, name) for name in (row_name, column_name)]
        best = _best_settings(search, names, means)
        rows, columns = (
            sorted({setting[i] for setting in best}, key=_sort_key) for i in range(2)
        )
        # A pair of values that was not searched has no score.
        scores = [
            [means[best[r, c]] if (r, c) in best else np.nan for c in columns] for r in rows
        ]
        return cls(
            np.array(scores),
            rows,
            columns,
            row_name=row_name,
            column_name=column_name,
            score_name=_score_name(search),
        ).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the heat map.

        Parameters
        ----------
        ax : matplotlib axes, default=None
            Axes to draw on. None makes a figure.

        Returns
        -------
        self : SearchHeatmapDisplay
            With `axes_` and `figure_`.
        """
        scores = check_array(
            as_array("scores", self.scores, "a table of numbers"),
            dtype=np.float64,
            ensure_all_finite="allow-nan",
            input_name="scores",
        )
        expected = len(self.rows), len(self.columns)
        if scores.shape != expected:
            raise ValueError(
                f"Got scores of shape {scores.shape}, but expected {expected}: a row for "
                "each of rows, and a column for each of columns."
            )
        if np.isnan(scores).all():
            raise ValueError("Got no score but NaN, but expected at least one.")
        from matplotlib.patches import Rectangle

        self.figure_, self.axes_ = figure_and_axes(
            ax, [self.score_name], height=1.2 + 0.4 * len(scores)
        )
        (axes,) = self.axes_
        low, high = widen(np.nanmin(scores), np.nanmax(scores))
        axes.imshow(scores, cmap="cividis", vmin=low, vmax=high, aspect="auto")
        for (i, j), score in np.ndenumerate(scores):
            # Cells are dark below the middle.
            color = "white" if score < (low + high) / 2 else "black"
            text = "–" if np.isnan(score) else f"{score:.3f}"
            axes.text(j, i, text, ha="center", va="center", color=color)
        i, j = np.unravel_index(np.nanargmax(scores), scores.shape)
        frame = {"fill": False, "edgecolor": "black", "linewidth": 2.5, "clip_on": False}
        axes.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, **frame))
        for axis, values in ((axes.yaxis, self.rows), (axes.xaxis, self.columns)):
            axis.set_ticks(range(len(values)), [_text(v) for v in values], parse_math=False)
        set_labels(axes, self.column_name, self.row_name)
        set_title(axes, self.score_name)
        return self


def _check_search(search):
    if not hasattr(search, "estimator"):
        raise TypeError(
            f"Got {type(search).__name__}, but expected a search, such as GridSearchCV."
        )
    check_is_fitted(search, "cv_results_")


def _check_curves(name, values):
    return {line: check_curve(name, curve) for line, curve in as_panels(values).items()}


def _score_key(search):
    """Find the name of the score to draw in the keys of `cv_results_`."""
    if "mean_test_score" in search.cv_results_:
        return "score"
    if isinstance(search.refit, str):
        return search.refit
    raise ValueError(
        f"Got a search with several scores and refit={short(search.refit)}, but expected "
        "refit to name the score to draw."
    )


def _score_name(search):
    """Find the name of the score to draw, "score" where it has none."""
    key, scoring = _score_key(search), search.scoring
    if key != "score":
        return key
    if scoring is None:
        return "accuracy" if is_classifier(search.estimator) else key
    if isinstance(scoring, RetrievalScorer):
        return scoring.scores
    return scoring if isinstance(scoring, str) else key


def _parameter_name(results, name):
    """Find the full name of a searched parameter, such as "learner__margin"."""
    names = [key.removeprefix("param_") for key in results if key.startswith("param_")]
    found = [full for full in names if full == name or full.endswith(f"__{name}")]
    if len(found) != 1:
        raise ValueError(
            f"Got a search over {short(names)}, but expected one of them to be {name!r}, "
            "of a learner or another step: give it in the grid."
        )
    return found[0]


def _best_settings(search, names, means):
    """Map each combination of values to its row of `cv_results_` with the best score.

    A setting without a value has the one of the estimator. It is left out where that has
    no such parameter, because another step takes the place of the learner.
    """
    means = np.where(np.isnan(means), -np.inf, means)  # A failed fit is never better.
    best = {}
    for row, setting in enumerate(search.cv_results_["params"]):
        parameters = setting
        if not setting.keys() >= set(names):
            parameters = _with_setting(search.estimator, setting).get_params() | setting
        if not parameters.keys() >= set(names):
            continue
        values = tuple(parameters[name] for name in names)
        if values not in best or means[row] > means[best[values]]:
            best[values] = row
    return best


def _with_setting(estimator, setting):
    """An unfitted copy of an estimator, with the parameters of a setting."""
    return clone(estimator).set_params(**clone(setting, safe=False))


def _lines(search, margin, means):
    """Map each way of mining to a dict from margin to row of `cv_results_`.

    The name is empty if only one way was searched.
    """
    searched = {name for setting in search.cv_results_["params"] for name in setting}
    mining = [name for name in searched if name.split("__")[-1] in MINING]
    mining.sort(key=lambda name: MINING.index(name.split("__")[-1]))
    lines = {}
    for (value, *words), row in _best_settings(search, [margin, *mining], means).items():
        lines.setdefault(" × ".join(map(_text, words)), {})[value] = row
    return dict(sorted(lines.items())) if len(lines) > 1 else {"": lines.popitem()[1]}


def _active_fraction(search, means, row, X, y):
    """Fit with a setting of the search, and return the active fraction of the learner."""
    if row < 0 or np.isnan(means[row]):
        return np.nan
    setting = search.cv_results_["params"][row]
    fitted = _with_setting(search.estimator, setting).fit(X, y)
    _, learner = split_at_learner(fitted)
    return learner.active_fraction_


def _raw_score(search, key, X, y, groups):
    """Cross-validate without the learner, as the search did with it. None if not so."""
    estimator = search.estimator
    _, learner = split_at_learner(estimator)
    if not isinstance(learner, BaseMetricLearner):
        return None
    nothing = Normalizer() if learner.metric == "cosine" else FunctionTransformer()
    if isinstance(estimator, Pipeline):
        step = next(name for name, step in estimator.steps if step is learner)
        estimator = clone(estimator).set_params(**{step: nothing})
    else:
        estimator = nothing
    options = {"groups": groups} if groups is not None else {}
    found = cross_validate(estimator, X, y, scoring=search.scoring, cv=search.cv, **options)
    return float(found[f"test_{key}"].mean())


def _text(value):
    """A value of a parameter, short."""
    if _is_number(value):
        return f"{value:g}"
    return truncate(getattr(value, "__name__", value), 16)


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
