"""A picture of an embedding in two dimensions."""

import numpy as np
from scipy.sparse import issparse
from sklearn.decomposition import PCA
from sklearn.utils import check_array, check_consistent_length

from ._pictures import (
    COLOURS,
    MARKERS,
    add_legend,
    as_panels,
    axes_for,
    before_and_after,
    by_name,
    cut,
    pyplot,
    set_title,
)
from ._validation import check_word, distinct_labels

KEY_COLUMNS = 4


class EmbeddingDisplay:
    """An embedding in two dimensions, its classes told apart, raw beside learnt.

    A class has a colour, a marker and its label at the median of its rows. Colours and
    markers are distinct for up to 56 classes. The labels of more than 12 classes, if they
    are longer than 4 characters, are replaced by numbers, with a key in a new figure.

    Parameters
    ----------
    embeddings : array-like of shape (n_samples, 2), or dict of these
        By name of the panel.
    y : array-like of shape (n_samples,)
        Labels of any type.
    titles : dict of str, default=None
        By name of the panel, where it shall be another than the name.

    Attributes
    ----------
    labels_ : list of str
        What is written at the classes, in sorted order.
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

    def __init__(self, embeddings, y, *, titles=None):
        self.embeddings = embeddings
        self.y = y
        self.titles = titles

    @classmethod
    def from_estimator(cls, estimator, X, y, *, projection="pca", ax=None):
        """Draw rows before and after a learner.

        Parameters
        ----------
        estimator : estimator instance
            A fitted learner or other transformer, a Pipeline with a learner in it, or a
            search that found one of these. "Raw" is as rows reach the learner.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, better not those of the fit.
        y : array-like of shape (n_samples,)
            Their labels.
        projection : {"pca", "first"}, default="pca"
            Two principal components of what is shown, or its first two columns. Two
            columns are shown as they are.
        ax : array-like of two matplotlib axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : EmbeddingDisplay
            Drawn.

        Raises
        ------
        ValueError
            For an unknown word, or labels that do not fit.
        TypeError
            For an estimator that transforms nothing.
        """
        panels = before_and_after(estimator, X)
        return cls.from_predictions(panels, y, projection=projection, ax=ax)

    @classmethod
    def from_predictions(cls, embeddings, y, *, projection="pca", ax=None):
        """Draw given embeddings.

        Parameters
        ----------
        embeddings : {array-like, sparse matrix} of shape (n_samples, k), or dict of these
            By name of the panel.
        y : array-like of shape (n_samples,)
            Labels of any type.
        projection : {"pca", "first"}, default="pca"
            As for `from_estimator`.
        ax : array-like of matplotlib axes, one a panel, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : EmbeddingDisplay
            Drawn.
        """
        pyplot()
        check_word("projection", projection, ("pca", "first"))
        flat, titles = {}, {}
        for name, E in as_panels(embeddings).items():
            flat[name], kind = _in_two_dimensions(E, projection)
            titles[name] = f"{name} ({kind})" if kind else name
        return cls(flat, y, titles=titles).plot(ax=ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : array-like of matplotlib axes, one a panel, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : EmbeddingDisplay
            With `axes_` and `figure_`.
        """
        panels = {name: _flat(E) for name, E in as_panels(self.embeddings).items()}
        labels, codes = distinct_labels(self.y)
        check_consistent_length(codes, *panels.values())
        titles = by_name("titles", self.titles)
        classes = [str(label) for label in labels]
        many = len(classes) > 12 and max(map(len, classes)) > 4
        self.labels_ = [str(i) for i in range(len(classes))] if many else classes
        n_lines = -(-len(classes) // KEY_COLUMNS) if many else 0
        self.axes_ = axes_for(ax, list(panels), height=3.2 + 0.13 * n_lines)
        self.figure_ = self.axes_[0].figure
        for axes, (name, E) in zip(self.axes_, panels.items(), strict=True):
            _draw_classes(axes, E, codes, self.labels_)
            axes.set(xticks=[], yticks=[])
            set_title(axes, titles.get(name, name))
        if many and ax is None:
            _draw_key(self.figure_, self.axes_[0], classes)
        return self


def _flat(E):
    """Rows of two dimensions, as they were given."""
    E = check_array(E, dtype=[np.float64, np.float32], input_name="embeddings")
    if E.shape[1] != 2:
        raise ValueError(
            f"Got embeddings of shape {E.shape}, but expected (n_samples, 2): "
            "EmbeddingDisplay.from_predictions projects others."
        )
    return E


def _in_two_dimensions(E, projection):
    """Rows of shape (n, 2), and what was done to them."""
    # Of sparse rows a copy, which a look for the largest entry brings in order.
    E = check_array(
        E,
        accept_sparse="csr",
        dtype=np.float64,
        copy=issparse(E),
        input_name="embeddings",
    )
    if E.shape[1] == 1:
        return np.column_stack([_dense(E), np.zeros(E.shape[0])]), ""
    if E.shape[1] == 2:
        return _dense(E), ""
    if projection == "first":
        return _dense(E[:, :2]), f"first 2 of {E.shape[1]}"
    if (E.max(axis=0) != E.min(axis=0)).sum() == 0:
        return np.zeros((E.shape[0], 2)), "all rows are equal"
    # Squares neither overflow nor vanish at the scale of 1; powers of 2 cost no digit.
    scale = np.ldexp(0.5, np.frexp(abs(E).max())[1])
    E = _dense(E) if E.shape[0] <= 2 else E
    pca = PCA(2, svd_solver="arpack" if issparse(E) else "auto", random_state=0)
    flat = scale * pca.fit_transform(E / scale)
    return flat, f"PCA, {100 * pca.explained_variance_ratio_.sum():.0f} % of variance"


def _dense(E):
    return E.toarray() if issparse(E) else E


def _draw_classes(axes, E, codes, labels):
    from matplotlib.patheffects import withStroke

    many = len(labels) > 20
    size = float(np.clip(8000 / len(E), 6, 24))
    for code, label in enumerate(labels):
        at = codes == code
        colour = COLOURS[code % len(COLOURS)]
        marker = MARKERS[(code // len(COLOURS) + code % len(COLOURS)) % len(MARKERS)]
        axes.scatter(
            *E[at].T,
            s=size,
            color=colour,
            marker=marker,
            alpha=0.3 if many else 0.6,
            linewidths=0,
        )
        axes.text(
            *np.median(E[at], axis=0),
            cut(label, 12),
            color=colour,
            fontsize=8 if many else 11,
            weight="bold",
            ha="center",
            va="center",
            parse_math=False,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )


def _draw_key(figure, axes, classes):
    """A number, a marker and the label for each class, below the panels."""
    labels = [f"{i} {cut(label, 22)}" for i, label in enumerate(classes)]
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
