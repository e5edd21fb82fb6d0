"""The retrieval scores: what each computes, and one public function for each.

A new score is an entry in `SCORES` and a public function.
"""

import inspect
import re
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral

import numpy as np

from .._docs import with_texts
from .._validation import check_number, check_option, short
from ._ranking import (
    RetrievalTask,
    check_k,
    first_hit_ranks,
    make_retrieval_task,
    ranked_hits,
)

DEFAULT_SCORES = ("precision_at_1", "r_precision", "map_at_r")


@dataclass(frozen=True)
class RankedHits:
    """The hits of a block of queries, by rank.

    Parameters
    ----------
    task : RetrievalTask
    queries : ndarray of int of shape (b,)
    gains : ndarray of shape (b, depth)
        What the rows at rank 1, 2, ... gain: True or the grade, False or 0 if they are not
        relevant.
    """

    task: RetrievalTask
    queries: np.ndarray
    gains: np.ndarray

    @cached_property
    def hits(self):
        """Whether the rows at rank 1, 2, ... are relevant, shape (b, depth)."""
        return self.gains.astype(bool, copy=False)

    @property
    def n_relevant(self):
        """R, the number of relevant rows in the index, shape (b,)."""
        return self.task.n_relevant[self.queries]

    @property
    def hits_at_r(self):
        """Hits at the ranks 1 to R, shape (b, depth)."""
        # Column i has rank i + 1, so the ranks 1 to R are the columns below R.
        return self.hits & (np.arange(self.hits.shape[1]) < self.n_relevant[:, None])

    @property
    def first_rank(self):
        """Rank of the first hit, also below `depth`, shape (b,)."""
        ranks = 1 + self.hits.argmax(axis=1)  # Column of the first True, 0 without one.
        deeper = ~self.hits.any(axis=1)
        if deeper.any():
            ranks[deeper] = first_hit_ranks(self.task, self.queries[deeper])
        return ranks


# Each score of a query, from ranked hits and k: shape (b,).


def _precision_at_k(ranked, k):
    return ranked.hits[:, :k].mean(axis=1)


def _success_at_k(ranked, k):
    return ranked.hits[:, :k].any(axis=1)


def _recall_at_k(ranked, k):
    return ranked.hits[:, :k].sum(axis=1) / ranked.n_relevant


def _ndcg_at_k(ranked, k):
    discounts = 1 / np.log2(np.arange(2, k + 2))  # (k,), by rank.
    ideal = ranked.task.ideal_gains(ranked.queries, k) @ discounts  # (b,)
    return ranked.gains[:, :k] @ discounts / ideal


def _r_precision(ranked, k):
    return ranked.hits_at_r.sum(axis=1) / ranked.n_relevant


def _map_at_r(ranked, k):
    return _sum_of_precisions(ranked.hits, ranked.hits_at_r) / ranked.n_relevant


def _map(ranked, k):
    return _sum_of_precisions(ranked.hits, ranked.hits) / ranked.n_relevant


def _mrr(ranked, k):
    return 1 / ranked.first_rank


def _sum_of_precisions(hits, counted):
    """Sum of the precisions at the ranks that are counted."""
    precisions = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)  # (b, depth)
    return np.einsum("ij,ij->i", precisions, counted)  # (b,)


# Function and depth of the ranking: k, the largest R of all queries, or all rows.
SCORES = {
    "precision_at_k": (_precision_at_k, "k"),
    "success_at_k": (_success_at_k, "k"),
    "recall_at_k": (_recall_at_k, "k"),
    "ndcg_at_k": (_ndcg_at_k, "k"),
    "r_precision": (_r_precision, "R"),
    "map_at_r": (_map_at_r, "R"),
    "map": (_map, "all"),
    "mrr": (_mrr, "R"),
}


def parse_score(name):
    """Key in `SCORES` and k (or None) of a name such as ``"precision_at_10"``.

    Raises
    ------
    ValueError
        For an unknown name, or a k below 1.
    """
    match = re.fullmatch(r"(\w+_at_)(\d{1,18})", name) if isinstance(name, str) else None
    if match and f"{match[1]}k" in SCORES:
        check_number("k", int(match[2]), kind=Integral, at_least=1)
        return f"{match[1]}k", int(match[2])
    if check_option("score", name, SCORES).endswith("_at_k"):
        raise ValueError(
            f"Got score={short(name)}, but expected a number for k, for example "
            f"{name[:-1]}10."
        )
    return name, None


def parse_scores(names):
    """A dict from each name to its key in `SCORES` and k."""
    try:
        listed = () if isinstance(names, str) else tuple(names)
    except TypeError:  # Not a sequence.
        listed = ()
    if not listed:
        raise ValueError(
            f"Got scores={short(names)}, but expected a sequence of at least one word, "
            f"such as {list(DEFAULT_SCORES)}."
        )
    return {name: parse_score(name) for name in listed}


def depth_of(task, keys_and_k):
    """Number of nearest rows that all of the scores together need."""
    depths = {"R": int(task.n_relevant.max()), "all": task.n_ranked}
    for _, k in keys_and_k:
        if k is not None:
            check_k(task, k)
    return max(k or depths[SCORES[key][1]] for key, k in keys_and_k)


def mean_scores(task, parsed, blocks):
    """Each score, averaged over the queries that have a relevant row.

    Parameters
    ----------
    task : RetrievalTask
    parsed : dict
        As from :func:`parse_scores`.
    blocks : iterable of (queries, gains)
        As from :func:`skmetric.metrics._ranking.ranked_hits`.

    Returns
    -------
    scores : dict of float
    """
    sums = dict.fromkeys(parsed, 0.0)
    for queries, gains in blocks:
        ranked = RankedHits(task, queries, gains)
        for name, (key, k) in parsed.items():
            sums[name] += float(SCORES[key][0](ranked, k).sum())
    n_queries = np.count_nonzero(task.n_relevant)
    return {name: float(total / n_queries) for name, total in sums.items()}


# The public functions

_SECTIONS = """\
Parameters
----------
E : {array-like, sparse matrix} of shape (n_queries, n_components)
    An embedding.
y : array-like of shape (n_queries,), {array-like, sparse matrix} of shape \
(n_queries, n_labels), or None
    Labels of any type, or several labels a row: 0 and 1 in a column for each. None with
    `relevant`.%(k)s
index : {array-like, sparse matrix} of shape (n_index, n_components), default=None
    Rows to search in place of the other rows of `E`.
index_labels : array-like, default=None
    Their labels, as `y`, needed with `index` and `y`.
relevant : array-like of int of shape (n_relevant, 2), default=None
    In place of labels: a row of `E` and a row of `index` that is relevant to it.
grades : array-like of shape (n_relevant,), default=None
    How relevant each is, at least 0. Only nDCG depends on it.
unlabeled : object, default=None
    The label of rows that have none, such as -1, which are left out.
metric : {"euclidean", "sqeuclidean", "cosine", "manhattan"}, default="euclidean"
    The distance of scikit-learn's search for neighbors.

Returns
-------
score : float
    In [0, 1].

Raises
------
ValueError
    For missing labels, arrays that do not fit together, or no query with a relevant
    row.%(k_error)s

See Also
--------
retrieval_report : Several scores from one search. Tells which queries are left out and how
    ties are ranked."""
_K = """
k : int
    Number of nearest rows, from 1 to the number of rows to search."""
_K_ERROR = " Also for a k below 1 or above the number of rows to search."


def _with_shared_sections(score):
    """Replace ``%(sections)s`` in a docstring by the sections that all scores share."""
    has_k = "k" in inspect.signature(score).parameters
    k, k_error = (_K, _K_ERROR) if has_k else ("", "")
    return with_texts(sections=_SECTIONS, k=k, k_error=k_error)(score)


@_with_shared_sections
def precision_at_k(
    E,
    y,
    k,
    *,
    index=None,
    index_labels=None,
    relevant=None,
    grades=None,
    unlabeled=None,
    metric="euclidean",
):
    """Share of hits among the k nearest rows, averaged over queries.

    The denominator is k, also for a query with fewer than k relevant rows, which cannot
    reach 1.

    %(sections)s

    Examples
    --------
    >>> from skmetric.metrics import precision_at_k
    >>> E, y = [[0.0], [1.0], [3.0], [7.0], [8.0]], list("aabba")
    >>> precision_at_k(E, y, k=1)
    0.4
    """
    options = index, index_labels, relevant, grades, unlabeled, metric
    return _mean_score("precision_at_k", k, E, y, *options)


@_with_shared_sections
def success_at_k(
    E,
    y,
    k,
    *,
    index=None,
    index_labels=None,
    relevant=None,
    grades=None,
    unlabeled=None,
    metric="euclidean",
):
    """Share of queries with a hit among the k nearest rows.

    One hit counts as much as several. Papers on metric learning call this Recall@k,
    benchmarks of retrieval call it hit rate.

    %(sections)s

    Examples
    --------
    >>> from skmetric.metrics import success_at_k
    >>> E, y = [[0.0], [1.0], [3.0], [7.0], [8.0]], list("aabba")
    >>> success_at_k(E, y, k=2)
    0.6
    """
    options = index, index_labels, relevant, grades, unlabeled, metric
    return _mean_score("success_at_k", k, E, y, *options)


@_with_shared_sections
def recall_at_k(
    E,
    y,
    k,
    *,
    index=None,
    index_labels=None,
    relevant=None,
    grades=None,
    unlabeled=None,
    metric="euclidean",
):
    """Share of the relevant rows that are among the k nearest, averaged over queries.

    The denominator is R, each query's own number of relevant rows. A query with more than k
    cannot reach 1. Recall@k of papers on metric learning is :func:`success_at_k`.

    %(sections)s

    Examples
    --------
    >>> from skmetric.metrics import recall_at_k
    >>> E, y = [[0.0], [1.0], [3.0], [7.0], [8.0]], list("aabba")
    >>> recall_at_k(E, y, k=2)
    0.4
    """
    options = index, index_labels, relevant, grades, unlabeled, metric
    return _mean_score("recall_at_k", k, E, y, *options)


@_with_shared_sections
def ndcg_at_k(
    E,
    y,
    k,
    *,
    index=None,
    index_labels=None,
    relevant=None,
    grades=None,
    unlabeled=None,
    metric="euclidean",
):
    """Normalized discounted cumulative gain of the k nearest rows.

    A hit at rank i gains its grade, 1 without `grades`, divided by ``log2(i + 1)``. The sum
    of the gains is divided by that of an ideal ranking, from the largest grade down.

    %(sections)s

    Examples
    --------
    >>> from skmetric.metrics import ndcg_at_k
    >>> E, y = [[0.0], [1.0], [3.0], [7.0], [8.0]], list("aabba")
    >>> round(ndcg_at_k(E, y, k=2), 4)
    0.3714
    """
    options = index, index_labels, relevant, grades, unlabeled, metric
    return _mean_score("ndcg_at_k", k, E, y, *options)


@_with_shared_sections
def r_precision(
    E,
    y=None,
    *,
    index=None,
    index_labels=None,
    relevant=None,
    grades=None,
    unlabeled=None,
    metric="euclidean",
):
    """Share of hits among the R nearest rows, averaged over queries.

    R is each query's own number of relevant rows. A score of 1 means that all of them come
    first.

    %(sections)s

    Examples
    --------
    >>> from skmetric.metrics import r_precision
    >>> E, y = [[0.0], [1.0], [3.0], [7.0], [8.0]], list("aabba")
    >>> r_precision(E, y)
    0.2
    """
    options = index, index_labels, relevant, grades, unlabeled, metric
    return _mean_score("r_precision", None, E, y, *options)


@_with_shared_sections
def mean_average_precision_at_r(
    E,
    y=None,
    *,
    index=None,
    index_labels=None,
    relevant=None,
    grades=None,
    unlabeled=None,
    metric="euclidean",
):
    """MAP@R: average precision over the R nearest rows, averaged over queries.

    For a query with R relevant rows, ``sum(P(i) * hit(i) for i in 1..R) / R``, where P(i)
    is the precision among the i nearest rows [1]_. Unlike R-precision, it depends on the
    order of these rows.

    %(sections)s

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
    options = index, index_labels, relevant, grades, unlabeled, metric
    return _mean_score("map_at_r", None, E, y, *options)


@_with_shared_sections
def mean_average_precision(
    E,
    y=None,
    *,
    index=None,
    index_labels=None,
    relevant=None,
    grades=None,
    unlabeled=None,
    metric="euclidean",
):
    """Average precision over all rows, averaged over queries.

    The average precision of a query is the mean of the precisions at the ranks of its
    relevant rows.

    %(sections)s

    Notes
    -----
    The complete ranking takes O(n_queries · n_index · log(n_index)) time. The scores at R
    need only a search for neighbors.

    Examples
    --------
    >>> from skmetric.metrics import mean_average_precision
    >>> E, y = [[0.0], [1.0], [3.0], [7.0], [8.0]], list("aabba")
    >>> round(mean_average_precision(E, y), 4)
    0.55
    """
    options = index, index_labels, relevant, grades, unlabeled, metric
    return _mean_score("map", None, E, y, *options)


@_with_shared_sections
def mean_reciprocal_rank(
    E,
    y=None,
    *,
    index=None,
    index_labels=None,
    relevant=None,
    grades=None,
    unlabeled=None,
    metric="euclidean",
):
    """One over the rank of the first hit, averaged over queries.

    The first hit counts at any rank, however low.

    %(sections)s

    Examples
    --------
    >>> from skmetric.metrics import mean_reciprocal_rank
    >>> E, y = [[0.0], [1.0], [3.0], [7.0], [8.0]], list("aabba")
    >>> round(mean_reciprocal_rank(E, y), 4)
    0.6333
    """
    options = index, index_labels, relevant, grades, unlabeled, metric
    return _mean_score("mrr", None, E, y, *options)


def _mean_score(key, k, *arguments):
    """One score, with the arguments of :func:`make_retrieval_task` in their order."""
    if key.endswith("_at_k"):
        k = check_number("k", k, kind=Integral, at_least=1)
    task = make_retrieval_task(*arguments)
    parsed = {key: (key, k)}
    blocks = ranked_hits(task, depth_of(task, parsed.values()))
    return mean_scores(task, parsed, blocks)[key]
