"""The retrieval scores, one function each."""

from numbers import Integral

from ._ranking import make_problem
from ._retrieval import report_of
from ._validation import check_number


def precision_at_k(E, y, k, *, index=None, index_labels=None, metric="euclidean"):
    """Share of hits among the k nearest rows, averaged over queries.

    The denominator is k, also for a query with fewer than k relevant rows, which cannot
    reach 1.

    Parameters
    ----------
    E : {array-like, sparse matrix} of shape (n_queries, n_components)
        An embedding.
    y : array-like of shape (n_queries,)
        Labels of any type.
    k : int
        How many of the nearest rows; from 1 to the number of rows to search.
    index : {array-like, sparse matrix} of shape (n_index, n_components), default=None
        Rows to search in place of the other rows of `E`.
    index_labels : array-like of shape (n_index,), default=None
        Their labels, needed with `index`.
    metric : {"euclidean", "sqeuclidean", "cosine", "manhattan"}, default="euclidean"
        For scikit-learn's neighbour search.

    Returns
    -------
    score : float
        In [0, 1].

    Raises
    ------
    ValueError
        For a k below 1 or above the number of rows to search, missing labels, arrays
        that do not fit together, or no query with a relevant row.

    See Also
    --------
    retrieval_report : Several scores from one search; what is left out, and how ties go.

    Examples
    --------
    >>> from skmetric.metrics import precision_at_k
    >>> E, y = [[0.0], [1.0], [3.0], [7.0], [8.0]], list("aabba")
    >>> precision_at_k(E, y, k=1)
    0.4
    """
    return _score("precision_at_k", k, E, y, index, index_labels, metric)


def recall_at_k(E, y, k, *, index=None, index_labels=None, metric="euclidean"):
    """Share of queries with a hit among the k nearest rows.

    Recall@k as papers on metric learning have it: one hit is as good as many.

    Parameters
    ----------
    E : {array-like, sparse matrix} of shape (n_queries, n_components)
        An embedding.
    y : array-like of shape (n_queries,)
        Labels of any type.
    k : int
        How many of the nearest rows; from 1 to the number of rows to search.
    index : {array-like, sparse matrix} of shape (n_index, n_components), default=None
        Rows to search in place of the other rows of `E`.
    index_labels : array-like of shape (n_index,), default=None
        Their labels, needed with `index`.
    metric : {"euclidean", "sqeuclidean", "cosine", "manhattan"}, default="euclidean"
        For scikit-learn's neighbour search.

    Returns
    -------
    score : float
        In [0, 1].

    Raises
    ------
    ValueError
        For a k below 1 or above the number of rows to search, missing labels, arrays
        that do not fit together, or no query with a relevant row.

    See Also
    --------
    retrieval_report : Several scores from one search; what is left out, and how ties go.

    Examples
    --------
    >>> from skmetric.metrics import recall_at_k
    >>> E, y = [[0.0], [1.0], [3.0], [7.0], [8.0]], list("aabba")
    >>> recall_at_k(E, y, k=2)
    0.6
    """
    return _score("recall_at_k", k, E, y, index, index_labels, metric)


def ndcg_at_k(E, y, k, *, index=None, index_labels=None, metric="euclidean"):
    """Normalised discounted cumulative gain of the k nearest rows.

    A hit at rank i gains ``1 / log2(i + 1)``; the sum is divided by that of a ranking
    which has the min(k, R) hits there can be first. R is the number of relevant rows.

    Parameters
    ----------
    E : {array-like, sparse matrix} of shape (n_queries, n_components)
        An embedding.
    y : array-like of shape (n_queries,)
        Labels of any type.
    k : int
        How many of the nearest rows; from 1 to the number of rows to search.
    index : {array-like, sparse matrix} of shape (n_index, n_components), default=None
        Rows to search in place of the other rows of `E`.
    index_labels : array-like of shape (n_index,), default=None
        Their labels, needed with `index`.
    metric : {"euclidean", "sqeuclidean", "cosine", "manhattan"}, default="euclidean"
        For scikit-learn's neighbour search.

    Returns
    -------
    score : float
        In [0, 1].

    Raises
    ------
    ValueError
        For a k below 1 or above the number of rows to search, missing labels, arrays
        that do not fit together, or no query with a relevant row.

    See Also
    --------
    retrieval_report : Several scores from one search; what is left out, and how ties go.

    Examples
    --------
    >>> from skmetric.metrics import ndcg_at_k
    >>> E, y = [[0.0], [1.0], [3.0], [7.0], [8.0]], list("aabba")
    >>> round(ndcg_at_k(E, y, k=2), 4)
    0.3714
    """
    return _score("ndcg_at_k", k, E, y, index, index_labels, metric)


def r_precision(E, y, *, index=None, index_labels=None, metric="euclidean"):
    """Share of hits among the R nearest rows, averaged over queries.

    R is each query's own number of relevant rows: 1 means that all of them come first.

    Parameters
    ----------
    E : {array-like, sparse matrix} of shape (n_queries, n_components)
        An embedding.
    y : array-like of shape (n_queries,)
        Labels of any type.
    index : {array-like, sparse matrix} of shape (n_index, n_components), default=None
        Rows to search in place of the other rows of `E`.
    index_labels : array-like of shape (n_index,), default=None
        Their labels, needed with `index`.
    metric : {"euclidean", "sqeuclidean", "cosine", "manhattan"}, default="euclidean"
        For scikit-learn's neighbour search.

    Returns
    -------
    score : float
        In [0, 1].

    Raises
    ------
    ValueError
        For missing labels, arrays that do not fit together, or no query with a
        relevant row.

    See Also
    --------
    retrieval_report : Several scores from one search; what is left out, and how ties go.

    Examples
    --------
    >>> from skmetric.metrics import r_precision
    >>> E, y = [[0.0], [1.0], [3.0], [7.0], [8.0]], list("aabba")
    >>> r_precision(E, y)
    0.2
    """
    return _score("r_precision", None, E, y, index, index_labels, metric)


def mean_average_precision_at_r(E, y, *, index=None, index_labels=None, metric="euclidean"):
    """MAP@R: average precision over the R nearest rows, averaged over queries.

    For a query with R relevant rows, ``sum(P(i) * hit(i) for i in 1..R) / R``, where P(i)
    is the precision among the i nearest rows [1]_. R-precision that heeds the order.

    Parameters
    ----------
    E : {array-like, sparse matrix} of shape (n_queries, n_components)
        An embedding.
    y : array-like of shape (n_queries,)
        Labels of any type.
    index : {array-like, sparse matrix} of shape (n_index, n_components), default=None
        Rows to search in place of the other rows of `E`.
    index_labels : array-like of shape (n_index,), default=None
        Their labels, needed with `index`.
    metric : {"euclidean", "sqeuclidean", "cosine", "manhattan"}, default="euclidean"
        For scikit-learn's neighbour search.

    Returns
    -------
    score : float
        In [0, 1].

    Raises
    ------
    ValueError
        For missing labels, arrays that do not fit together, or no query with a
        relevant row.

    See Also
    --------
    retrieval_report : Several scores from one search; what is left out, and how ties go.

    References
    ----------
    .. [1] K. Musgrave, S. Belongie, S. Lim, "A metric learning reality check", ECCV 2020,
       section 4.2.

    Examples
    --------
    >>> from skmetric.metrics import mean_average_precision_at_r
    >>> E, y = [[0.0], [1.0], [3.0], [7.0], [8.0]], list("aabba")
    >>> mean_average_precision_at_r(E, y)
    0.2
    """
    return _score("map_at_r", None, E, y, index, index_labels, metric)


def mean_average_precision(E, y, *, index=None, index_labels=None, metric="euclidean"):
    """Average precision over all rows, averaged over queries.

    For a query with R relevant rows, the mean over these of the precision at the rank of
    each.

    Parameters
    ----------
    E : {array-like, sparse matrix} of shape (n_queries, n_components)
        An embedding.
    y : array-like of shape (n_queries,)
        Labels of any type.
    index : {array-like, sparse matrix} of shape (n_index, n_components), default=None
        Rows to search in place of the other rows of `E`.
    index_labels : array-like of shape (n_index,), default=None
        Their labels, needed with `index`.
    metric : {"euclidean", "sqeuclidean", "cosine", "manhattan"}, default="euclidean"
        For scikit-learn's neighbour search.

    Returns
    -------
    score : float
        In (0, 1].

    Raises
    ------
    ValueError
        For missing labels, arrays that do not fit together, or no query with a
        relevant row.

    See Also
    --------
    retrieval_report : Several scores from one search; what is left out, and how ties go.

    Notes
    -----
    It takes the complete ranking, and so O(n_queries · n_index · log(n_index)) time,
    where the scores at R take a search for neighbours.

    Examples
    --------
    >>> from skmetric.metrics import mean_average_precision
    >>> E, y = [[0.0], [1.0], [3.0], [7.0], [8.0]], list("aabba")
    >>> round(mean_average_precision(E, y), 4)
    0.55
    """
    return _score("map", None, E, y, index, index_labels, metric)


def mean_reciprocal_rank(E, y, *, index=None, index_labels=None, metric="euclidean"):
    """One over the rank of the first hit, averaged over queries.

    However deep that hit is.

    Parameters
    ----------
    E : {array-like, sparse matrix} of shape (n_queries, n_components)
        An embedding.
    y : array-like of shape (n_queries,)
        Labels of any type.
    index : {array-like, sparse matrix} of shape (n_index, n_components), default=None
        Rows to search in place of the other rows of `E`.
    index_labels : array-like of shape (n_index,), default=None
        Their labels, needed with `index`.
    metric : {"euclidean", "sqeuclidean", "cosine", "manhattan"}, default="euclidean"
        For scikit-learn's neighbour search.

    Returns
    -------
    score : float
        In (0, 1].

    Raises
    ------
    ValueError
        For missing labels, arrays that do not fit together, or no query with a
        relevant row.

    See Also
    --------
    retrieval_report : Several scores from one search; what is left out, and how ties go.

    Examples
    --------
    >>> from skmetric.metrics import mean_reciprocal_rank
    >>> E, y = [[0.0], [1.0], [3.0], [7.0], [8.0]], list("aabba")
    >>> round(mean_reciprocal_rank(E, y), 4)
    0.6333
    """
    return _score("mrr", None, E, y, index, index_labels, metric)


def _score(name, k, E, y, index, index_labels, metric):
    if name.endswith("_at_k"):
        k = check_number("k", k, kind=Integral, at_least=1)
    problem = make_problem(E, y, index, index_labels, metric)
    return report_of(problem, {name: (name, k)})[name]
