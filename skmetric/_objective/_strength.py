"""How strongly classes may shape W₀, from what some of them say about the others.

Directions that tell the known classes apart may tell other classes apart, or not. So some
classes are left out, a map is made of the others, and the rows left out are retrieved under
it, once for each strength.
"""

import numpy as np

from ..distances import block_distances, gram_factors
from ..mining._ordering import rank_in_group
from ._scatter import discriminants

# Factors of the two constants of the discriminant map, those nearest to 1 first. At 2 it
# whitens in full.
STRENGTHS = (1.0, 2.0, 0.5, 0.25, 0.0)
# A strength is as good as the best one if its score is less by no more than this share.
NEGLIGIBLE = 0.01
# The weight of the penalty for many rows, for the fewest, and where the known classes say
# little of others.
ALPHA, ALPHA_OF_FEW, STRONG_ALPHA = 0.1, 0.5, 1.0
# So many rows are many.
MANY_ROWS = 500
# Fewer classes cannot be cut into two parts of two.
FEWEST_CLASSES = 4
# Parts of the classes, at most this many, are left out until this many classes were.
MOST_PARTS, ENOUGH_LEFT_OUT = 5, 15
# At most this many rows make maps, and this many features are looked at.
MAX_ROWS, MAX_FEATURES = 10_000, 1024
# At most this many of the classes left out, and of their rows, are retrieved.
MAX_CLASSES_JUDGED, MAX_JUDGED = 50, 500


def default_alpha(n_rows, strength):
    """The weight of the penalty for some rows, and a strength of W₀.

    The fewer rows there are, the less their neighbors say of those of new rows. Where other
    classes are retrieved better from a weaker W₀, what the known ones teach the map is at
    the cost of the others.
    """
    if strength < 1:
        return STRONG_ALPHA
    return min(ALPHA_OF_FEW, ALPHA * max(1.0, MANY_ROWS / n_rows))


def strength_of(labels, rows_at, rank):
    """The strength nearest to 1 that retrieves classes left out as well as the best one.

    As well means within one standard error of the mean difference of classes [1]_, or
    within the share `NEGLIGIBLE` of the best score.

    Parameters
    ----------
    labels : Labels
    rows_at : callable
        ``rows_at(at)`` gives the rows of X at some positions.
    rank : int
        Of the scatter of all rows.

    Returns
    -------
    strength : float
        1 if there are too few classes, or too many features, to find out.

    References
    ----------
    .. [1] L. Breiman, J. Friedman, R. Olshen, C. Stone, "Classification and regression
       trees", 1984, section 3.4.3.
    """
    distinct = labels.distinct
    at = distinct[some_of_each_class(labels.codes[distinct], MAX_ROWS)]  # (n,)
    classes, codes = np.unique(labels.codes[at], return_inverse=True)
    if len(classes) < FEWEST_CLASSES or rows_at(at[:1]).shape[1] > MAX_FEATURES:
        return 1.0
    n_parts, scores = min(MOST_PARTS, len(classes) // 2), []
    for part in range(n_parts):
        left_out = codes % n_parts == part  # (n,)
        kept = at[~left_out]
        scatters = labels.take(kept).scatters(lambda some, kept=kept: rows_at(kept[some]))
        if not np.trace(scatters.total) > 0:
            continue
        judged = some_of_each_class(codes, MAX_JUDGED, left_out, MAX_CLASSES_JUDGED)
        X = rows_at(at[judged])  # (m, d)
        maps = discriminants(scatters, rank, STRENGTHS)
        X = (X - X.mean(axis=0, dtype=np.float64)) @ maps[0].vectors
        judged_under = (r_precision(m.along_axes(X), codes[judged]) for m in maps)
        scores.append(np.stack(list(judged_under)))
        if sum(scores_of.shape[1] for scores_of in scores) >= ENOUGH_LEFT_OUT:
            break
    return _nearest_to_1(np.hstack(scores)) if scores else 1.0


def some_of_each_class(codes, most, among=slice(None), most_classes=None):
    """Rows of classes, at most a number in all: as many of each, evenly spaced.

    Parameters
    ----------
    codes : ndarray of int of shape (n,)
    most : int
    among : ndarray of bool of shape (n,), default=slice(None)
        The rows to choose from.
    most_classes : int, default=None
        Classes to choose, evenly spaced. None takes all, or as many as have two rows each
        among `most`.

    Returns
    -------
    rows : ndarray of int, in order
    """
    rows = np.arange(len(codes))[among]
    if most_classes is None:
        # Where not all rows are taken, there are at least two of each class.
        most_classes = len(rows) if len(rows) <= most else max(1, most // 2)
    classes, own = np.unique(codes[rows], return_inverse=True)
    if len(classes) > most_classes:
        chosen = np.linspace(0, len(classes) - 1, most_classes).astype(int)
        rows = rows[np.isin(own, chosen)]
        classes, own = np.unique(codes[rows], return_inverse=True)
    if len(rows) <= most:
        return rows
    order = np.argsort(own, kind="stable")
    rank = np.empty(len(rows), dtype=int)
    rank[order] = rank_in_group(own[order])
    sizes, wanted = np.bincount(own)[own], max(2, most // len(classes))
    # Of each class those rows at which another whole number of `wanted` parts begins.
    taken = np.minimum(wanted, sizes)
    return rows[rank * taken // sizes != (rank - 1) * taken // sizes]


def r_precision(E, codes):
    """Of the rows of each class the mean R-precision, shape (n_classes,).

    That is the share of the R nearest other rows that are of a row's class, where R is the
    number of other rows of its class. Classes of one row are left out.
    """
    metric = "sqeuclidean"
    distances = block_distances(gram_factors(E, E, metric), slice(0, len(E)), metric)
    np.fill_diagonal(distances, np.inf)
    n_others = np.bincount(codes)[codes] - 1  # (n,)
    nearest = np.argsort(distances, axis=1)[:, : n_others.max()]  # (n, max R)
    counted = np.arange(nearest.shape[1]) < n_others[:, None]
    hits = (codes[nearest] == codes[:, None]) & counted
    has_others = n_others > 0
    shares = hits.sum(axis=1)[has_others] / n_others[has_others]
    own = np.unique(codes[has_others], return_inverse=True)[1]
    return np.bincount(own, weights=shares) / np.bincount(own)


def _nearest_to_1(scores):
    """The strength nearest to 1 that is as good as the best.

    Of scores of shape (n_strengths, n_classes).
    """
    if scores.shape[1] == 0:
        return 1.0
    means = scores.mean(axis=1)
    losses = scores[np.argmax(means)] - scores  # (n_strengths, n_judged)
    errors = losses.std(axis=1) / np.sqrt(scores.shape[1])
    is_as_good = losses.mean(axis=1) <= np.maximum(errors, NEGLIGIBLE * means.max())
    return STRENGTHS[np.argmax(is_as_good)]
