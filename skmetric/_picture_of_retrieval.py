"""A picture of what retrieval finds, as images or as lines of text."""

from collections.abc import Mapping
from numbers import Integral, Number

import numpy as np
from scipy.sparse import issparse
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_array, check_consistent_length

from ._pictures import (
    DIFFERENT,
    SAME,
    as_panels,
    axes_for,
    before_and_after,
    cut,
    pyplot,
    set_title,
)
from ._validation import (
    as_array,
    check_indices,
    check_number,
    encode_labels,
    random_state_of,
    short,
)


class RetrievalDisplay:
    """What retrieval finds: queries with their nearest rows, hits and misses marked.

    Parameters
    ----------
    neighbors : array-like of int of shape (n_queries, k), or dict of these
        By name of the panel: row indices, the nearest first.
    queries : array-like of int of shape (n_queries,)
        Row indices.
    y : array-like of shape (n_samples,)
        Labels of any type.
    items : sequence of str, or array-like of shape (n_samples, height, width) or \
(n_samples, height, width, 3)
        What to show for a row: a line of text, or an image, grey or in colour.

    Attributes
    ----------
    hits_ : dict of ndarray of bool of shape (n_queries, k)
        By name of the panel: whether a neighbour is of the class of its query.
    axes_ : ndarray of matplotlib axes of shape (n_panels,)
    figure_ : matplotlib figure

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skmetric import TripletMetricLearner
    >>> from skmetric.plotting import RetrievalDisplay
    >>> digits = load_digits()
    >>> X, y, images = (a[::4] for a in (digits.data, digits.target, digits.images))
    >>> learner = TripletMetricLearner(n_components=8).fit(X, y)
    >>> display = RetrievalDisplay.from_estimator(learner, X, y, images, random_state=0)
    >>> display.hits_["learnt"].shape
    (4, 5)
    """

    def __init__(self, neighbors, queries, y, items):
        self.neighbors = neighbors
        self.queries = queries
        self.y = y
        self.items = items

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        items,
        *,
        queries=4,
        n_neighbors=5,
        random_state=None,
        ax=None,
    ):
        """Search rows before and after a learner.

        Parameters
        ----------
        estimator : estimator instance
            A fitted learner or other transformer, a Pipeline with a learner in it, or a
            search that found one of these. "Raw" is as rows reach the learner.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, better not those of the fit. A query is searched among the others.
        y : array-like of shape (n_samples,)
            Their labels.
        items : sequence of str, or array-like of shape (n_samples, height, width) or \
(n_samples, height, width, 3)
            What to show for each row.
        queries : int or array-like of int, default=4
            How many rows to draw at random, or which.
        n_neighbors : int, default=5
            How many of the nearest to show.
        random_state : int, RandomState instance or None, default=None
            For the draw.
        ax : array-like of two matplotlib axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : RetrievalDisplay
            Drawn.
        """
        return cls.from_predictions(
            before_and_after(estimator, X),
            y,
            items,
            queries=queries,
            n_neighbors=n_neighbors,
            random_state=random_state,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls, embeddings, y, items, *, queries=4, n_neighbors=5, random_state=None, ax=None
    ):
        """Search given embeddings, by Euclidean distance.

        Parameters
        ----------
        embeddings : {array-like, sparse matrix} of shape (n_samples, k), or dict of these
            By name of the panel.
        y, items, queries, n_neighbors, random_state, ax
            As for `from_estimator`.

        Returns
        -------
        display : RetrievalDisplay
            Drawn.
        """
        pyplot()
        panels = {name: _rows(E) for name, E in as_panels(embeddings).items()}
        n = len(_listed(items))
        check_consistent_length(encode_labels(y), items, *panels.values())
        n_neighbors = check_number(
            "n_neighbors", n_neighbors, kind=Integral, at_least=1, below=n
        )
        if isinstance(queries, Number):
            check_number("queries", queries, kind=Integral, at_least=1, at_most=n)
            rng = random_state_of(random_state)
            queries = rng.choice(n, queries, replace=False)
        queries = _indices("queries", queries, n, ndim=1)
        found = {name: _nearest(E, queries, n_neighbors) for name, E in panels.items()}
        return cls(found, queries, y, items).plot(ax=ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : array-like of matplotlib axes, one a panel, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : RetrievalDisplay
            With `axes_` and `figure_`.
        """
        items, codes = _listed(self.items), encode_labels(self.y)
        check_consistent_length(codes, items)
        queries = _indices("queries", self.queries, len(items), ndim=1)
        panels = {
            name: _indices("neighbors", found, len(items), ndim=2)
            for name, found in as_panels(self.neighbors).items()
        }
        check_consistent_length(queries, *panels.values())
        self.hits_ = {
            name: codes[found] == codes[queries, None] for name, found in panels.items()
        }
        is_text = isinstance(items[0], str)
        draw = _draw_texts if is_text else _draw_images
        n_lines = len(queries) * (1 + next(iter(self.hits_.values())).shape[1])
        height = 0.5 + 0.16 * n_lines if is_text else 0.5 + 0.55 * len(queries)
        self.axes_ = axes_for(ax, list(panels), height=height)
        self.figure_ = self.axes_[0].figure
        for axes, (name, found) in zip(self.axes_, panels.items(), strict=True):
            hits = self.hits_[name]
            draw(axes, items, queries, found, hits)
            axes.set_axis_off()
            set_title(axes, f"{name}: {hits.sum()} of {hits.size} hits")
        return self


def _rows(E):
    dtypes = [np.float64, np.float32]
    return check_array(E, accept_sparse="csr", dtype=dtypes, input_name="embeddings")


def _listed(items):
    """Lines of text or images, by row number."""
    listed = items.to_numpy() if hasattr(items, "to_numpy") else items
    is_sequence = hasattr(listed, "__getitem__") and getattr(listed, "shape", None) != ()
    is_other = isinstance(listed, (str, bytes, Mapping)) or issparse(listed)
    if is_sequence and not is_other and len(listed):
        first = listed[0]
        shape = np.shape(first)
        if isinstance(first, str) or len(shape) == 2 or shape[2:] in ((3,), (4,)):
            return listed
    raise TypeError(
        f"Got items={short(items)}, but expected a line of text or an image for each row: "
        "a sequence of str, or an array of shape (n_samples, height, width) or "
        "(n_samples, height, width, 3)."
    )


def _indices(name, indices, n_rows, ndim):
    """Row indices of one query each, or some of each."""
    expected = {1: "(n_queries,)", 2: "(n_queries, k)"}[ndim]
    indices = as_array(name, indices, f"row indices of shape {expected}")
    if indices.size and indices.ndim != ndim:
        raise ValueError(f"Got {name} of shape {indices.shape}, but expected {expected}.")
    check_indices(name, indices, n_rows)
    return indices


def _nearest(E, queries, k):
    """The k nearest other rows of each query."""
    search = NearestNeighbors(algorithm="brute").fit(E)
    found = search.kneighbors(E[queries], k + 1, return_distance=False)
    others = found != queries[:, None]
    # Among many duplicates of itself a query may be missing.
    others[others.all(axis=1), -1] = False
    return found[others].reshape(len(queries), k)


def _draw_images(axes, items, queries, found, hits):
    """A line of images for each query, which comes first."""
    for line, (query, rows) in enumerate(zip(queries, found, strict=True)):
        _draw_image(axes, items[query], line, 0, "black", "-")
        for place, (row, hit) in enumerate(zip(rows, hits[line], strict=True)):
            colour, style = (SAME, "-") if hit else (DIFFERENT, "--")
            _draw_image(axes, items[row], line, 1.4 + place, colour, style)
            if not hit:
                axes.text(
                    *(2.24 + place, line + 0.06),
                    "✗",
                    color=DIFFERENT,
                    weight="bold",
                    ha="right",
                    va="top",
                )
    axes.set(xlim=(-0.05, 1.4 + found.shape[1]), ylim=(len(queries), -0.05))
    axes.set_aspect("equal")


def _draw_image(axes, image, line, left, colour, style):
    from matplotlib.patches import Rectangle

    box = (left, left + 0.9, line + 0.9, line)
    axes.imshow(image, cmap="gray_r", extent=box, interpolation="nearest")
    frame = {"fill": False, "edgecolor": colour, "linestyle": style, "linewidth": 1.8}
    axes.add_patch(Rectangle((left, line), 0.9, 0.9, **frame))


def _draw_texts(axes, items, queries, found, hits):
    """A line for each query, and below it one for each neighbour."""
    n_lines = 0
    for query, rows, are_hits in zip(queries, found, hits, strict=True):
        lines = [(f"{items[query]}", "black", "bold", 0.0)]
        for row, hit in zip(rows, are_hits, strict=True):
            colour, sign = (SAME, "✓") if hit else (DIFFERENT, "✗")
            lines.append((f"{sign} {items[row]}", colour, "normal", 0.03))
        for text, colour, weight, indent in lines:
            axes.text(
                indent,
                n_lines,
                cut(text, 46 if weight == "bold" else 54),
                color=colour,
                weight=weight,
                fontsize=7,
                va="top",
                parse_math=False,
                clip_on=True,
            )
            n_lines += 1
    axes.set(xlim=(0, 1), ylim=(n_lines, -0.2))
