"""Scatter plots of embeddings in two dimensions."""

import numpy as np
from scipy.sparse import issparse
from sklearn.decomposition import PCA
from sklearn.utils import check_array, check_consistent_length

from .._validation import check_option, distinct_labels, encode_labels
from ..metrics import retrieval_report
from ._common import (
    COLORS,
    MARKERS,
    add_legend,
    as_panels,
    check_dict,
    figure_and_axes,
    import_pyplot,
    raw_and_learnt,
    set_title,
    truncate,
)

KEY_COLUMNS = 4


class EmbeddingDisplay:
    """Scatter plot of an embedding and its classes, raw beside learnt.

    Two dimensions can mislead, so the title of a panel carries a retrieval score of the
    rows in all of their dimensions.

    Each class has a color and a marker, and its label is at the median of its rows. Colors
    and markers are distinct for up to 56 classes. If there are more than 12 classes, and
    labels longer than 4 characters, the labels are replaced by numbers, with a key below
    the panels of a new figure.

    Parameters
    ----------
    embeddings : array-like of shape (n_samples, 2), or dict of these
        By name of the panel.
    y : array-like of shape (n_samples,)
        Labels of any type.
    titles : dict of str, default=None
        Titles by name of the panel. By default, the title is the name.
    scores : dict of float, default=None
        By name of the panel: the retrieval score in its title.
    score_name : str, default="map_at_r"
        What the scores are.

    Attributes
    ----------
    labels_ : list of str
        Texts at the classes, in sorted order of the classes.
    axes_ : ndarray of matplotlib axes of shape (n_panels,)
    figure_ : matplotlib figure

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skmetric import TripletMetricLearner
    >>> from skmetric.plotting import EmbeddingDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> learner = TripletMetricLearner(n_components=2).fit(X, y)
    >>> display = EmbeddingDisplay.from_estimator(learner, X, y)
    >>> list(display.embeddings)
    ['raw', 'learnt']
    """

    def __init__(self, embeddings, y, *, titles=None, scores=None, score_name="map_at_r"):
        self.embeddings = embeddings
        self.y = y
        self.titles = titles
        self.scores = scores
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls, estimator, X, y, *, projection="pca", score="map_at_r", ax=None
    ):
        """Draw rows before and after a learner.

        Parameters
        ----------
        estimator : estimator instance
            A fitted learner or other transformer, a Pipeline with a learner in it, or a
            search that found one of these. "Raw" are the rows as they reach the learner.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, preferably not those of the fit.
        y : array-like of shape (n_samples,)
            Labels of X, of any type.
        projection : {"pca", "first"}, default="pca"
            Draw the first two principal components of each panel, or its first two
            columns. Two columns are drawn unchanged.
        score : str or None, default="map_at_r"
            A score of :func:`skmetric.metrics.retrieval_report`, each row a query against
            the others. It takes as long as a sort of all distances of n_samples rows. None
            leaves it out.
        ax : array-like of two matplotlib axes, default=None
            Axes to draw on. None makes a figure.

        Returns
        -------
        display : EmbeddingDisplay
            With `axes_` and `figure_`.

        Raises
        ------
        ValueError
            If `projection` is unknown, or X and y have different lengths.
        TypeError
            If the estimator has no `transform`.
        """
        panels = raw_and_learnt(estimator, X)
        return cls.from_predictions(panels, y, projection=projection, score=score, ax=ax)

    @classmethod
    def from_predictions(
        cls, embeddings, y, *, projection="pca", score="map_at_r", ax=None
    ):
        """Draw given embeddings.

        Parameters
        ----------
        embeddings : {array-like, sparse matrix} of shape (n_samples, k), or dict of these
            By name of the panel.
        y : array-like of shape (n_samples,)
            Labels of any type.
        projection : {"pca", "first"}, default="pca"
            As for `from_estimator`.
        score : str or None, default="map_at_r"
            As for `from_estimator`. It goes by Euclidean distance.
        ax : array-like of matplotlib axes, default=None
            One axes per panel. None makes a figure.

        Returns
        -------
        display : EmbeddingDisplay
            With `axes_` and `figure_`.
        """
        import_pyplot()
        check_option("projection", projection, ("pca", "first"))
        codes = encode_labels(y)
        # Without two rows of a class there is nothing to retrieve.
        has_score = score is not None and len(np.unique(codes)) < len(codes)
        projected, titles, scores = {}, {}, {}
        for name, E in as_panels(embeddings).items():
            projected[name], method = _project(E, projection)
            titles[name] = f"{name} ({method})" if method else name
            if has_score:
                scores[name] = retrieval_report(E, codes, scores=[score])[score]
        display = cls(projected, y, titles=titles, scores=scores, score_name=score)
        return display.plot(ax=ax)

    def plot(self, ax=None):
        """Draw the embeddings.

        Parameters
        ----------
        ax : array-like of matplotlib axes, default=None
            One axes per panel. None makes a figure.

        Returns
        -------
        self : EmbeddingDisplay
            With `axes_` and `figure_`.
        """
        panels = {name: _check_plane(E) for name, E in as_panels(self.embeddings).items()}
        labels, codes = distinct_labels(self.y)
        check_consistent_length(codes, *panels.values())
        titles = check_dict("titles", self.titles)
        scores = check_dict("scores", self.scores)
        classes = [str(label) for label in labels]
        needs_key = len(classes) > 12 and max(map(len, classes)) > 4
        self.labels_ = [str(i) for i in range(len(classes))] if needs_key else classes
        n_lines = -(-len(classes) // KEY_COLUMNS) if needs_key else 0  # Rounded up.
        self.figure_, self.axes_ = figure_and_axes(ax, panels, height=3.2 + 0.13 * n_lines)
        for axes, (name, E) in zip(self.axes_, panels.items(), strict=True):
            _draw_classes(axes, E, codes, self.labels_)
            axes.set(xticks=[], yticks=[])
            title = titles.get(name, name)
            if name in scores:
                title += f"\n{self.score_name} {scores[name]:.3f}"
            set_title(axes, title)
        # Axes that were passed may leave no space below them for a key.
        if needs_key and ax is None:
            _draw_key(self.figure_, self.axes_[0], classes)
        return self


def _check_plane(E):
    """Check rows of shape (n_samples, 2)."""
    E = check_array(E, dtype=[np.float64, np.float32], input_name="embeddings")
    if E.shape[1] != 2:
        raise ValueError(
            f"Got embeddings of shape {E.shape}, but expected (n_samples, 2): "
            "EmbeddingDisplay.from_predictions projects others."
        )
    return E


def _project(E, projection):
    """Project rows to two dimensions.

    Returns
    -------
    projected : ndarray of shape (n_samples, 2)
    method : str
        How the rows were projected, for the title. Empty if they were not.
    """
    # Sparse rows are copied, because `max` below sorts their indices in place.
    E = check_array(
        E,
        accept_sparse="csr",
        dtype=np.float64,
        copy=issparse(E),
        input_name="embeddings",
    )
    if E.shape[1] == 1:
        return np.column_stack([_dense(E), np.zeros(E.shape[0])]), ""  # On a line, y = 0.
    if E.shape[1] == 2:
        return _dense(E), ""
    if projection == "first":
        return _dense(E[:, :2]), f"first 2 of {E.shape[1]}"
    if (E.max(axis=0) != E.min(axis=0)).sum() == 0:
        return np.zeros((E.shape[0], 2)), "all rows are equal"
    # At a scale of 1 the squares of PCA neither overflow nor underflow. Division by a
    # power of 2 is exact.
    scale = np.ldexp(0.5, np.frexp(abs(E).max())[1])
    # ARPACK needs more than two rows.
    E = _dense(E) if E.shape[0] <= 2 else E
    pca = PCA(2, svd_solver="arpack" if issparse(E) else "auto", random_state=0)
    projected = scale * pca.fit_transform(E / scale)  # (n_samples, 2)
    return projected, f"PCA, {100 * pca.explained_variance_ratio_.sum():.0f} % of variance"


def _dense(E):
    return E.toarray() if issparse(E) else E


def _draw_classes(axes, E, codes, labels):
    """Draw the rows of each class, and its label at their median."""
    from matplotlib.patheffects import withStroke

    many = len(labels) > 20
    size = float(np.clip(8000 / len(E), 6, 24))
    for code, label in enumerate(labels):
        in_class = codes == code  # (n_samples,)
        # Each round through the colors shifts the markers by one.
        shift, i = divmod(code, len(COLORS))
        color, marker = COLORS[i], MARKERS[(i + shift) % len(MARKERS)]
        axes.scatter(
            *E[in_class].T,
            s=size,
            color=color,
            marker=marker,
            alpha=0.3 if many else 0.6,
            linewidths=0,
        )
        axes.text(
            *np.median(E[in_class], axis=0),
            truncate(label, 12),
            color=color,
            fontsize=8 if many else 11,
            weight="bold",
            ha="center",
            va="center",
            parse_math=False,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )


def _draw_key(figure, axes, classes):
    """Draw a marker, the number and the label of each class below the panels."""
    labels = [f"{i} {truncate(label, 22)}" for i, label in enumerate(classes)]
    key = add_legend(
        figure,
        axes.collections,
        labels,
        loc="outside lower center",
        ncols=KEY_COLUMNS,
        fontsize=6,
        handletextpad=0.1,
        columnspacing=0.8,
        labelspacing=0.2,
    )
    for handle in key.legend_handles:
        handle.set_alpha(1)
