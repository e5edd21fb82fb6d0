"""Queries and their nearest neighbors, as images or as lines of text."""

from collections.abc import Mapping
from numbers import Integral, Number

import numpy as np
from scipy.sparse import issparse
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_array, check_consistent_length

from .._validation import (
    as_array,
    check_indices,
    check_number,
    encode_labels,
    random_state_of,
    short,
)
from ._common import (
    BLUE,
    ORANGE,
    as_panels,
    figure_and_axes,
    import_pyplot,
    raw_and_learnt,
    set_title,
    truncate,
)


class RetrievalDisplay:
    """Queries and their nearest neighbors, with hits and misses marked.

    Parameters
    ----------
    neighbors : array-like of int of shape (n_queries, k), or dict of these
        By name of the panel. Row indices, the nearest first.
    queries : array-like of int of shape (n_queries,)
        Row indices.
    y : array-like of shape (n_samples,)
        Labels of any type.
    items : sequence of str, or array-like of shape (n_samples, height, width) or \
(n_samples, height, width, 3)
        A line of text or an image, gray or in color, for each row.

    Attributes
    ----------
    hits_ : dict of ndarray of bool of shape (n_queries, k)
        By name of the panel: whether a neighbor has the class of its query.
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
        """Find the nearest neighbors of queries, before and after a learner.

        Parameters
        ----------
        estimator : estimator instance
            A fitted learner or other transformer, a Pipeline with a learner in it, or a
            search that found one of these. "Raw" are the rows as they reach the learner.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, preferably not those of the fit. A query is not its own neighbor.
        y : array-like of shape (n_samples,)
            Labels of X.
        items : sequence of str, or array-like of shape (n_samples, height, width) or \
(n_samples, height, width, 3)
            A line of text or an image for each row.
        queries : int or array-like of int, default=4
            Number of rows to draw at random, or the row indices of the queries.
        n_neighbors : int, default=5
            Number of neighbors per query.
        random_state : int, RandomState instance or None, default=None
            Seed of the random queries.
        ax : array-like of two matplotlib axes, default=None
            Axes to draw on. None makes a figure.

        Returns
        -------
        display : RetrievalDisplay
            With `axes_` and `figure_`.
        """
        return cls.from_predictions(
            raw_and_learnt(estimator, X),
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
        """Find the nearest neighbors of queries, by Euclidean distance.

        Parameters
        ----------
        embeddings : {array-like, sparse matrix} of shape (n_samples, k), or dict of these
            By name of the panel.
        y, items, queries, n_neighbors, random_state, ax
            As for `from_estimator`.

        Returns
        -------
        display : RetrievalDisplay
            With `axes_` and `figure_`.
        """
        import_pyplot()
        panels = {name: _check_rows(E) for name, E in as_panels(embeddings).items()}
        n = len(_check_items(items))
        check_consistent_length(encode_labels(y), items, *panels.values())
        n_neighbors = check_number(
            "n_neighbors", n_neighbors, kind=Integral, at_least=1, below=n
        )
        if isinstance(queries, Number):
            check_number("queries", queries, kind=Integral, at_least=1, at_most=n)
            rng = random_state_of(random_state)
            queries = rng.choice(n, queries, replace=False)
        queries = _check_row_indices("queries", queries, n, ndim=1)
        neighbors = {
            name: _nearest_neighbors(E, queries, n_neighbors) for name, E in panels.items()
        }
        return cls(neighbors, queries, y, items).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the items.

        Parameters
        ----------
        ax : array-like of matplotlib axes, default=None
            One axes per panel. None makes a figure.

        Returns
        -------
        self : RetrievalDisplay
            With `axes_` and `figure_`.
        """
        items, codes = _check_items(self.items), encode_labels(self.y)
        check_consistent_length(codes, items)
        queries = _check_row_indices("queries", self.queries, len(items), ndim=1)
        panels = {
            name: _check_row_indices("neighbors", neighbors, len(items), ndim=2)
            for name, neighbors in as_panels(self.neighbors).items()
        }
        check_consistent_length(queries, *panels.values())
        self.hits_ = {
            name: codes[neighbors] == codes[queries, None]  # (n_queries, k)
            for name, neighbors in panels.items()
        }
        if isinstance(items[0], str):
            draw = _draw_texts
            n_neighbors = next(iter(panels.values())).shape[1]
            # A line per query and per neighbor. Heights are in inches.
            height = 0.5 + 0.16 * len(queries) * (1 + n_neighbors)
        else:
            draw = _draw_images
            height = 0.5 + 0.55 * len(queries)
        self.figure_, self.axes_ = figure_and_axes(ax, panels, height=height)
        for axes, (name, neighbors) in zip(self.axes_, panels.items(), strict=True):
            hits = self.hits_[name]
            draw(axes, items, queries, neighbors, hits)
            axes.set_axis_off()
            set_title(axes, f"{name}: {hits.sum()} of {hits.size} hits")
        return self


def _check_rows(E):
    dtypes = [np.float64, np.float32]
    return check_array(E, accept_sparse="csr", dtype=dtypes, input_name="embeddings")


def _check_items(items):
    """Check a sequence of texts or of images, one for each row."""
    checked = items.to_numpy() if hasattr(items, "to_numpy") else items
    is_sequence = hasattr(checked, "__getitem__") and getattr(checked, "shape", None) != ()
    is_other = isinstance(checked, (str, bytes, Mapping)) or issparse(checked)
    if is_sequence and not is_other and len(checked):
        first = checked[0]
        shape = np.shape(first)  # () for a text, else of the first image.
        if isinstance(first, str) or len(shape) == 2 or shape[2:] in ((3,), (4,)):
            return checked
    raise TypeError(
        f"Got items={short(items)}, but expected a line of text or an image for each row: "
        "a sequence of str, or an array of shape (n_samples, height, width) or "
        "(n_samples, height, width, 3)."
    )


def _check_row_indices(name, indices, n_rows, ndim):
    """Check row indices: one per query (ndim=1), or k per query (ndim=2)."""
    expected = {1: "(n_queries,)", 2: "(n_queries, k)"}[ndim]
    indices = as_array(name, indices, f"row indices of shape {expected}")
    if indices.size and indices.ndim != ndim:
        raise ValueError(f"Got {name} of shape {indices.shape}, but expected {expected}.")
    check_indices(name, indices, n_rows)
    return indices


def _nearest_neighbors(E, queries, k):
    """Find the k nearest rows of each query, without the query itself.

    Returns
    -------
    neighbors : ndarray of int of shape (n_queries, k)
    """
    search = NearestNeighbors(algorithm="brute").fit(E)
    # Usually k others and the query itself. For a query with many duplicates, the search
    # may return k + 1 duplicates instead. Then the last one is left out.
    neighbors = search.kneighbors(E[queries], k + 1, return_distance=False)  # (b, k + 1)
    is_other = neighbors != queries[:, None]
    is_other[is_other.all(axis=1), -1] = False
    return neighbors[is_other].reshape(len(queries), k)


def _draw_images(axes, items, queries, neighbors, hits):
    """Draw a row of images per query: first the query, then its neighbors.

    An image is 0.9 wide and high in units of the axes. The first neighbor is at x = 1.4.
    """
    for y, (query, rows) in enumerate(zip(queries, neighbors, strict=True)):
        _draw_image(axes, items[query], 0, y, "black", "-")
        for x, (row, hit) in enumerate(zip(rows, hits[y], strict=True), start=1):
            color, style = (BLUE, "-") if hit else (ORANGE, "--")
            _draw_image(axes, items[row], 0.4 + x, y, color, style)
            if not hit:
                axes.text(
                    1.24 + x,
                    0.06 + y,
                    "✗",
                    color=ORANGE,
                    weight="bold",
                    ha="right",
                    va="top",
                )
    # The y axis points down, so that the first query is at the top.
    axes.set(xlim=(-0.05, 1.4 + neighbors.shape[1]), ylim=(len(queries), -0.05))
    axes.set_aspect("equal")


def _draw_image(axes, image, x, y, color, style):
    """Draw an image and its frame, with the upper left corner at (x, y)."""
    from matplotlib.patches import Rectangle

    box = (x, x + 0.9, y + 0.9, y)
    axes.imshow(image, cmap="gray_r", extent=box, interpolation="nearest")
    frame = {"fill": False, "edgecolor": color, "linestyle": style, "linewidth": 1.8}
    axes.add_patch(Rectangle((x, y), 0.9, 0.9, **frame))


def _draw_texts(axes, items, queries, neighbors, hits):
    """Draw a line of text per query, and below it one per neighbor."""
    lines = []  # Of x position, text, color and weight.
    for query, rows, row_hits in zip(queries, neighbors, hits, strict=True):
        lines.append((0, truncate(items[query], 46), "black", "bold"))
        for row, hit in zip(rows, row_hits, strict=True):
            color, sign = (BLUE, "✓") if hit else (ORANGE, "✗")
            lines.append((0.03, truncate(f"{sign} {items[row]}", 54), color, "normal"))
    for y, (x, text, color, weight) in enumerate(lines):
        axes.text(
            x,
            y,
            text,
            color=color,
            weight=weight,
            fontsize=7,
            va="top",
            parse_math=False,
            clip_on=True,
        )
    axes.set(xlim=(0, 1), ylim=(len(lines), -0.2))
