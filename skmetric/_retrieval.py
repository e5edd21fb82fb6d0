"""Retrieval scores: how many of the nearest rows are of the class of the query."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral

import numpy as np

from ._ranking import Problem, check_depth, first_ranks, make_problem, ranked_hits
from ._validation import check_number, check_word, short

DEFAULT_SCORES = ("precision_at_1", "r_precision", "map_at_r")


@dataclass(frozen=True)
class Found:
    """What was found for a block of queries.

    Parameters
    ----------
    problem : Problem
    queries : ndarray of int of shape (b,)
    hits : ndarray of bool of shape (b, depth)
        Whether the row at rank 1, 2, ... is of the class of the query.
    """

    problem: Problem
    queries: np.ndarray
    hits: np.ndarray

    @property
    def n_relevant(self):
        """R, how many hits there are in all, shape (b,)."""
        return self.problem.n_relevant[self.queries]

    @property
    def hits_at_r(self):
        """Hits among the first R, shape (b, depth)."""
        return self.hits & (np.arange(self.hits.shape[1]) < self.n_relevant[:, None])


def _precision_at_k(found, k):
    return found.hits[:, :k].mean(axis=1)


def _recall_at_k(found, k):
    return found.hits[:, :k].any(axis=1)


def _ndcg_at_k(found, k):
    gains = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(gains)[np.minimum(found.n_relevant, k) - 1]
    return found.hits[:, :k] @ gains / ideal


def _r_precision(found, k):
    return found.hits_at_r.sum(axis=1) / found.n_relevant


def _map_at_r(found, k):
    return _sum_of_precisions(found.hits, found.hits_at_r) / found.n_relevant


def _map(found, k):
    return _sum_of_precisions(found.hits, found.hits) / found.n_relevant


def _mrr(found, k):
    ranks = 1 + found.hits.argmax(axis=1)
    deeper = ~found.hits.any(axis=1)
    if deeper.any():
        ranks[deeper] = first_ranks(found.problem, found.queries[deeper])
    return 1 / ranks


def _sum_of_precisions(hits, counted):
    precisions = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    return np.einsum("ij,ij->i", precisions, counted)


# How deep a score looks: k rows, the R of the largest class, or all of them.
SCORES = {
    "precision_at_k": (_precision_at_k, "k"),
    "recall_at_k": (_recall_at_k, "k"),
    "ndcg_at_k": (_ndcg_at_k, "k"),
    "r_precision": (_r_precision, "R"),
    "map_at_r": (_map_at_r, "R"),
    "map": (_map, "all"),
    "mrr": (_mrr, "R"),
}


def parse_score(word):
    """Name in `SCORES` and k (or None) of a word such as ``"precision_at_10"``.

    Raises
    ------
    ValueError
        For an unknown word, or a k below 1.
    """
    match = re.fullmatch(r"(\w+_at_)(\d{1,18})", word) if isinstance(word, str) else None
    if match and f"{match[1]}k" in SCORES:
        check_number("k", int(match[2]), kind=Integral, at_least=1)
        return f"{match[1]}k", int(match[2])
    if check_word("score", word, SCORES).endswith("_at_k"):
        raise ValueError(
            f"Got score={short(word)}, but expected a number for k, for example "
            f"{word[:-1]}10."
        )
    return word, None


def parse_scores(words):
    """From each word to its name in `SCORES` and k."""
    try:
        listed = () if isinstance(words, str) else tuple(words)
    except TypeError:  # Not a sequence.
        listed = ()
    if not listed:
        raise ValueError(
            f"Got scores={short(words)}, but expected a sequence of at least one word, "
            f"such as {list(DEFAULT_SCORES)}."
        )
    return {word: parse_score(word) for word in listed}


class RetrievalReport(Mapping):
    """Scores by word, with the number of queries; prints as a table.

    Parameters
    ----------
    scores : dict
        From word to score.
    n_queries : int
        Queries that were scored.
    n_left_out : int
        Queries that were not, as no other row has their label.
    """

    def __init__(self, scores, n_queries, n_left_out):
        self._scores = dict(scores)
        self.n_queries = n_queries
        self.n_left_out = n_left_out

    def __getitem__(self, word):
        return self._scores[word]

    def __iter__(self):
        return iter(self._scores)

    def __len__(self):
        return len(self._scores)

    def __repr__(self):
        width = max(map(len, self._scores))
        lines = [f"{word:<{width}}  {score:.4f}" for word, score in self._scores.items()]
        return "\n".join([*lines, f"{self.n_queries} queries, {self.n_left_out} left out"])


def retrieval_report(
    E, y, *, scores=DEFAULT_SCORES, index=None, index_labels=None, metric="euclidean"
):
    """Several retrieval scores from one neighbour search.

    Each row is a query against all other rows, or against a separate index. A query is
    told from its duplicates by row number. Queries with no other row of their class are
    left out, and counted. Every score is a mean over queries.

    Parameters
    ----------
    E : {array-like, sparse matrix} of shape (n_queries, k)
        An embedding. Computations are in float64.
    y : array-like of shape (n_queries,)
        Labels of any type.
    scores : sequence of str, default=("precision_at_1", "r_precision", "map_at_r")
        Of ``"precision_at_k"``, ``"recall_at_k"`` and ``"ndcg_at_k"``, each with a number
        for k, ``"r_precision"``, ``"map_at_r"``, ``"map"`` and ``"mrr"``.
    index : {array-like, sparse matrix} of shape (n_index, k), default=None
        Rows to search in place of the other rows of `E`; no query is taken to be one of
        them.
    index_labels : array-like of shape (n_index,), default=None
        Their labels, needed with `index`.
    metric : {"euclidean", "sqeuclidean", "cosine", "manhattan"}, default="euclidean"
        For scikit-learn's neighbour search; the first two rank alike.

    Returns
    -------
    report : RetrievalReport
        A mapping from word to score, with attributes `n_queries` and `n_left_out`, which
        prints as a table.

    Raises
    ------
    ValueError
        For an unknown word, a k below 1 or above the number of rows to search, missing
        labels, arrays that do not fit together, or no query with a relevant row.

    Notes
    -----
    Rows at the same distance are ranked by row number, also where they share the last
    place; two rows that are equally far but for rounding may be ranked either way. R, the
    number of relevant rows, is each query's own, and the search is as deep as the largest.

    O(n_queries · n_index · k) time. ``"map"`` needs the complete ranking, and so a sort of
    all distances; ``"mrr"`` needs distances to all rows for queries with no hit so far.
    Memory is O(n_index · k) and blocks bounded by scikit-learn's ``working_memory``.

    References
    ----------
    .. [1] K. Musgrave, S. Belongie, S. Lim, "A metric learning reality check", ECCV 2020.

    Examples
    --------
    >>> from skmetric.metrics import retrieval_report
    >>> E = [[0.0], [1.0], [2.0], [5.0], [9.0]]
    >>> report = retrieval_report(E, ["a", "a", "b", "b", "c"])
    >>> report
    precision_at_1  0.7500
    r_precision     0.7500
    map_at_r        0.7500
    4 queries, 1 left out
    >>> report["map_at_r"], report.n_left_out
    (0.75, 1)
    """
    parsed = parse_scores(scores)
    problem = make_problem(E, y, index, index_labels, metric)
    return report_of(problem, parsed)


def report_of(problem, parsed):
    """Scores of a checked problem.

    Parameters
    ----------
    problem : Problem
    parsed : dict
        From the word for a score to its name in `SCORES` and k.

    Returns
    -------
    report : RetrievalReport
    """
    blocks = ranked_hits(problem, depth_of(problem, parsed.values()))
    return report_of_hits(problem, parsed, blocks)


def report_of_hits(problem, parsed, blocks):
    """Scores of blocks of queries and hits, as from :func:`ranked_hits`."""
    sums = dict.fromkeys(parsed, 0.0)
    for queries, hits in blocks:
        found = Found(problem, queries, hits)
        for word, (name, k) in parsed.items():
            sums[word] += float(SCORES[name][0](found, k).sum())
    n_queries = int(np.count_nonzero(problem.n_relevant))
    means = {word: total / n_queries for word, total in sums.items()}
    return RetrievalReport(means, n_queries, len(problem.n_relevant) - n_queries)


def depth_of(problem, names_and_k):
    """How many neighbours all of the scores need."""
    largest = int(problem.n_relevant.max())
    depths = {"R": largest, "all": problem.n_ranked}
    for _, k in names_and_k:
        if k is not None:
            check_depth(problem, k)
    return max(k or depths[SCORES[name][1]] for name, k in names_and_k)
