"""Helpers of all displays: axes, colors, input checks, rows before and after a learner.

Text of a user, such as a label, is drawn literally: by default, matplotlib reads what is
between two dollar signs as a formula.
"""

from collections.abc import Mapping

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import normalize
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from .._base import BaseMetricLearner
from .._validation import as_array, short

# The palette of Okabe and Ito, safe for color-blind readers. Its yellow is left out,
# because it is faint on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
BLUE, ORANGE = COLORS[:2]
MARKERS = ("o", "^", "s", "v", "D", "P", "X", "*")


def import_pyplot():
    """Import matplotlib.pyplot, which only plots need.

    Displays call this before they compute anything, so that a missing matplotlib is
    reported at once.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Got no matplotlib, but plots need it: pip install 'skmetric[plot]'."
        ) from error
    return plt


def figure_and_axes(ax, panels, height=3.2):
    """Figure and axes to draw on: the given axes, or those of a new figure.

    Parameters
    ----------
    ax : matplotlib axes, array-like of them, or None
        None makes a figure of the width of a text column.
    panels : collection of str
        Names of the panels. Each needs one axes.
    height : float
        Height of a new figure, in inches.

    Returns
    -------
    figure : matplotlib figure
    axes : ndarray of matplotlib axes of shape (n_panels,)
    """
    n = len(panels)
    if ax is None:
        size = (6.4 if n > 1 else 4.8, height)
        figure = import_pyplot().figure(figsize=size, layout="constrained")
        figure.get_layout_engine().set(wspace=0.06)
        return figure, figure.subplots(1, n, squeeze=False).ravel()
    axes = np.asarray(ax, dtype=object).ravel()
    if not all(hasattr(one, "get_figure") for one in axes):
        raise TypeError(f"Got ax={short(ax)}, but expected matplotlib axes.")
    if len(axes) != n:
        raise ValueError(
            f"Got ax with {len(axes)} axes, but expected {n}, one for each of "
            f"{short(list(panels))}. Leave ax out for a new figure."
        )
    return axes[0].figure, axes


def widen(low, high, least=0.1):
    """A range about the same middle that is at least so wide.

    Without it, an axis of scores would make a large difference of a small one.
    """
    margin = max(0, least - (high - low)) / 2
    return low - margin, high + margin


def start_at_zero(axes):
    """Let the y axis start at 0, with a margin above the largest value."""
    axes.update_datalim([(axes.dataLim.x0, 0)])
    axes.autoscale_view(scalex=False)
    axes.set_ylim(bottom=0)


def despine(axes):
    """Hide the top and right lines of the frame."""
    axes.spines[["top", "right"]].set_visible(False)


def set_title(axes, text, **options):
    """Set a title, drawn literally."""
    axes.set_title(text, parse_math=False, **options)


def set_labels(axes, x, y):
    """Set the labels of the x axis and of the y axis, drawn literally."""
    axes.set_xlabel(x, parse_math=False)
    axes.set_ylabel(y, parse_math=False)


def add_legend(owner, *args, **options):
    """Add a legend to axes or to a figure: without a frame, its labels drawn literally."""
    legend = owner.legend(*args, frameon=False, **options)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return legend


def truncate(text, length):
    """Join text to one line and cut it to at most `length` characters."""
    text = " ".join(str(text).split())
    return text if len(text) <= length else text[: length - 1] + "…"


def as_panels(arrays, name="learnt"):
    """Make a dict from panel name to array. A single array becomes one panel."""
    panels = dict(arrays) if isinstance(arrays, Mapping) else {name: arrays}
    if not panels:
        raise ValueError("Got an empty dict, but expected an array for at least one panel.")
    return panels


def check_dict(name, values):
    """Check an optional dict from panel name to value. None gives an empty dict."""
    if not (values is None or isinstance(values, Mapping)):
        raise TypeError(
            f"Got {name}={short(values)}, but expected None or a dict by name of the panel."
        )
    return dict(values or {})


def check_curve(name, values):
    """Check a one-dimensional array of numbers. NaN leaves a gap in the curve."""
    expected = "a sequence of numbers"
    values = as_array(name, values, expected)
    if values.ndim != 1:
        raise ValueError(f"Got {name} of shape {values.shape}, but expected {expected}.")
    return check_array(
        values,
        dtype=np.float64,
        ensure_2d=False,
        ensure_all_finite="allow-nan",
        input_name=name,
    )


def split_at_learner(estimator):
    """Split a fitted estimator into its learner and the steps before it.

    Parameters
    ----------
    estimator : estimator instance
        A fitted learner or other transformer, a Pipeline with a learner in it (a
        classifier may follow), or a search that found one of these.

    Returns
    -------
    steps : list of transformers
        Steps of the Pipeline before the learner.
    learner : estimator instance
        The last learner of the Pipeline. Without one, the estimator itself.
    """
    estimator = getattr(estimator, "best_estimator_", estimator)
    if isinstance(estimator, Pipeline):
        steps = [step for _, step in estimator.steps if step not in (None, "passthrough")]
        for i in reversed(range(len(steps))):
            if isinstance(steps[i], BaseMetricLearner):
                return steps[:i], steps[i]
    return [], estimator


def raw_and_learnt(estimator, X):
    """Compute the input and the output of a learner, by panel name.

    Under ``metric="cosine"`` both are normalized to length 1.

    Parameters
    ----------
    estimator : estimator instance
        As for `split_at_learner`.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)

    Returns
    -------
    panels : dict
        "raw" are the rows as they reach the learner, "learnt" their embedding.
    """
    steps, learner = split_at_learner(estimator)
    if not hasattr(learner, "transform"):
        raise TypeError(
            f"Got {type(learner).__name__}, but expected a learner, a transformer, or a "
            "Pipeline with a learner in it."
        )
    check_is_fitted(learner)
    for step in steps:
        X = step.transform(X)
    learnt = np.asarray(learner.transform(X))
    raw = X if hasattr(X, "tocsr") else np.asarray(X, dtype=np.float64)
    if getattr(learner, "metric", None) == "cosine":
        raw = normalize(raw)
    return {"raw": raw, "learnt": learnt}
