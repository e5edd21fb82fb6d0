"""What the pictures share: axes, colours, and the rows before and after a learner.

Text that a user gave, such as a label, is drawn as it is: matplotlib would take what
stands between two dollar signs for mathematics.
"""

from collections.abc import Mapping

import numpy as np
from sklearn.metrics.pairwise import (
    paired_cosine_distances,
    paired_euclidean_distances,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import normalize
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from ._base import BaseMetricLearner
from ._validation import as_array, short

# Okabe and Ito's colours, which the colour-blind can tell apart, without yellow, which is
# faint on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "^", "s", "v", "D", "P", "X", "*")
SAME, DIFFERENT = COLOURS[0], COLOURS[1]


def pyplot():
    """matplotlib.pyplot, which nothing but a picture needs."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Got no matplotlib, but a picture needs it: pip install 'skmetric[plot]'."
        ) from error
    return plt


def axes_for(ax, panels, height=3.2):
    """Axes for panels: those given, or of a new figure at the width of a text column.

    Parameters
    ----------
    ax : matplotlib axes, array-like of them, or None
    panels : sequence of str
        What is drawn in each.
    height : float
        Of a new figure, in inches.

    Returns
    -------
    axes : ndarray of matplotlib axes of shape (n_panels,)
    """
    n = len(panels)
    if ax is None:
        size = (6.4 if n > 1 else 4.8, height)
        figure = pyplot().figure(figsize=size, layout="constrained")
        figure.get_layout_engine().set(wspace=0.06)
        return figure.subplots(1, n, squeeze=False).ravel()
    axes = np.asarray(ax, dtype=object).ravel()
    if not all(hasattr(one, "get_figure") for one in axes):
        raise TypeError(f"Got ax={short(ax)}, but expected matplotlib axes.")
    if len(axes) != n:
        raise ValueError(
            f"Got ax with {len(axes)} axes, but expected {n}, one for each of "
            f"{short(list(panels))}. Leave ax out for a new figure."
        )
    return axes


def plain(axes):
    """Axes without the two lines of the frame that show nothing."""
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def as_panels(arrays, name="learnt"):
    """A mapping from name to array, also for a single array."""
    panels = dict(arrays) if isinstance(arrays, Mapping) else {name: arrays}
    if not panels:
        raise ValueError("Got an empty dict, but expected an array for at least one panel.")
    return panels


def by_name(what, values):
    """A dict of what is given by name, also for None."""
    if not (values is None or isinstance(values, Mapping)):
        raise TypeError(
            f"Got {what}={short(values)}, but expected None or a dict by name of the panel."
        )
    return dict(values or {})


def as_curve(name, values):
    """Numbers in a row, NaN where there is none."""
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


def set_title(axes, text, **options):
    """Set a title, as it is written."""
    axes.set_title(text, parse_math=False, **options)


def set_labels(axes, x, y):
    """Set the labels of both axes, as they are written."""
    axes.set_xlabel(x, parse_math=False)
    axes.set_ylabel(y, parse_math=False)


def add_legend(owner, *args, **options):
    """Legend of axes or of a figure, without a frame, its labels as they are written."""
    drawn = owner.legend(*args, frameon=False, **options)
    for text in drawn.get_texts():
        text.set_parse_math(False)
    return drawn


def find_learner(estimator):
    """Learner, and the steps before it if it is in a pipeline.

    Parameters
    ----------
    estimator : estimator instance
        A fitted learner or other transformer, a Pipeline with a learner in it, also one
        that goes on to a classifier, or a search that found one of these.

    Returns
    -------
    before : list of transformers
    learner : estimator instance
        The learner; without one, the estimator itself.
    """
    estimator = getattr(estimator, "best_estimator_", estimator)
    if isinstance(estimator, Pipeline):
        steps = [step for _, step in estimator.steps if step not in (None, "passthrough")]
        for i in reversed(range(len(steps))):
            if isinstance(steps[i], BaseMetricLearner):
                return steps[:i], steps[i]
    return [], estimator


def before_and_after(estimator, X):
    """Rows as they reach the learner, and as they leave it, by name of the panel.

    Under ``metric="cosine"`` both have length 1.
    """
    before, learner = find_learner(estimator)
    if not hasattr(learner, "transform"):
        raise TypeError(
            f"Got {type(learner).__name__}, but expected a learner, a transformer, or a "
            "Pipeline with a learner in it."
        )
    check_is_fitted(learner)
    for step in before:
        X = step.transform(X)
    learnt = np.asarray(learner.transform(X))
    raw = X if hasattr(X, "tocsr") else np.asarray(X, dtype=np.float64)
    return {"raw": normalize(raw) if is_cosine(learner) else raw, "learnt": learnt}


def is_cosine(learner):
    """Whether only directions count for a learner."""
    return getattr(learner, "metric", None) == "cosine"


def distances_of(rows, pairs, metric):
    """Distance of each pair of rows, in the units of a learner's metric."""
    rows = rows.tocsr() if hasattr(rows, "tocsr") else rows
    A, B = rows[pairs[:, 0]], rows[pairs[:, 1]]
    if metric == "cosine":
        return paired_cosine_distances(A, B)
    distances = paired_euclidean_distances(A, B)
    return distances**2 if metric == "sqeuclidean" else distances


def cut(text, length):
    """One line of text that is not longer than that."""
    text = " ".join(str(text).split())
    return text if len(text) <= length else text[: length - 1] + "…"
