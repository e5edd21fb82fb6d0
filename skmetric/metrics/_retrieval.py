"""Several retrieval scores at once, and the report that holds them."""

from collections.abc import Mapping

import numpy as np

from ._ranking import make_retrieval_task, ranked_hits
from ._scores import DEFAULT_SCORES, depth_of, mean_scores, parse_scores


class RetrievalReport(Mapping):
    """Scores by name, with the number of queries. Prints as a table.

    Parameters
    ----------
    scores : dict of float
        By name of the score.
    n_queries : int
        Number of queries that were scored.
    n_left_out : int
        Number of queries that were left out because no row is relevant to them, or because
        they have no label.
    """

    def __init__(self, scores, n_queries, n_left_out):
        self._scores = dict(scores)
        self.n_queries = n_queries
        self.n_left_out = n_left_out

    def __getitem__(self, name):
        return self._scores[name]

    def __iter__(self):
        return iter(self._scores)

    def __len__(self):
        return len(self._scores)

    def __repr__(self):
        width = max(map(len, self._scores))
        lines = [f"{name:<{width}}  {score:.4f}" for name, score in self._scores.items()]
        return "\n".join([*lines, f"{self.n_queries} queries, {self.n_left_out} left out"])


def retrieval_report(
    E,
    y=None,
    *,
    scores=DEFAULT_SCORES,
    index=None,
    index_labels=None,
    relevant=None,
    grades=None,
    unlabeled=None,
    metric="euclidean",
):
    """Several retrieval scores from one search for neighbors.

    Each row is a query against all other rows, or against a separate index. The query
    itself is excluded by row number, its duplicates are not. Relevant to a query are the
    rows with its label, or those that `relevant` lists. Queries without a relevant row are
    left out, and counted. Every score is a mean over queries.

    Parameters
    ----------
    E : {array-like, sparse matrix} of shape (n_queries, k)
        An embedding. Computations are in float64.
    y : array-like of shape (n_queries,) or {array-like, sparse matrix} of shape \
(n_queries, n_labels), default=None
        Labels of any type, needed without `relevant`. Or several labels a row: 0 and 1 in a
        column for each. Rows with a label in common are then relevant to each other.
    scores : sequence of str, default=("precision_at_1", "r_precision", "map_at_r")
        Of ``"precision_at_k"``, ``"success_at_k"``, ``"recall_at_k"`` and
        ``"ndcg_at_k"``, each with a number for k, ``"r_precision"``, ``"map_at_r"``,
        ``"map"`` and ``"mrr"``.
    index : {array-like, sparse matrix} of shape (n_index, k), default=None
        Rows to search in place of the other rows of `E`. No query is excluded from them.
    index_labels : array-like of shape (n_index,) or {array-like, sparse matrix} of shape \
(n_index, n_labels), default=None
        Their labels, as those of `y`, needed with `index` and `y`.
    relevant : array-like of int of shape (n_relevant, 2), default=None
        In place of labels: a row of `E`, the query, and a row of `index` that is relevant
        to it. Without `index`, a different row of `E`, which need not be a query itself. It
        does not matter how often they are listed.
    grades : array-like of shape (n_relevant,), default=None
        How relevant each is, at least 0. nDCG has the grade as the gain. Other scores count
        all grades above 0 alike.
    unlabeled : object, default=None
        The label of rows that have none, such as -1. They are neither queries nor in the
        index, and neither are rows that have none of several labels.
    metric : {"euclidean", "sqeuclidean", "cosine", "manhattan"}, default="euclidean"
        The distance of scikit-learn's search for neighbors. The first two rank alike.

    Returns
    -------
    report : RetrievalReport
        A mapping from name to score, with attributes `n_queries` and `n_left_out`. It
        prints as a table.

    Raises
    ------
    TypeError, ValueError
        For an unknown name, a k below 1 or above the number of rows to search, missing
        labels, arrays that do not fit together, row indices out of range, different grades
        of the same query and row, or no query with a relevant row.

    Notes
    -----
    Rows at the same distance are ranked by row number, also where they are tied for the
    last rank. Two rows that are equally far except for rounding may be ranked either way.
    R, the number of relevant rows, is each query's own. The search is as deep as the
    largest R.

    A search takes O(n_queries · n_index · k) time. ``"map"`` needs the complete ranking,
    which is a sort of all distances. ``"mrr"`` needs distances to all rows for queries with
    no hit in the search. Memory is O(n_index · k), and blocks that scikit-learn's
    ``working_memory`` bounds.

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

    Queries, documents, and which document answers which query:

    >>> queries, documents = [[0.1], [5.2]], [[0.0], [4.0], [5.0]]
    >>> relevant = [[0, 0], [1, 1], [1, 2]]
    >>> scores = ["success_at_1", "recall_at_1"]
    >>> retrieval_report(queries, index=documents, relevant=relevant, scores=scores)
    success_at_1  1.0000
    recall_at_1   0.7500
    2 queries, 0 left out
    """
    parsed = parse_scores(scores)
    task = make_retrieval_task(
        E, y, index, index_labels, relevant, grades, unlabeled, metric
    )
    return report_of_hits(task, parsed, ranked_hits(task, depth_of(task, parsed.values())))


def report_of_hits(task, parsed, blocks):
    """Report of blocks of queries and hits, with the arguments of :func:`mean_scores`."""
    n_queries = int(np.count_nonzero(task.n_relevant))
    n_left_out = len(task.n_relevant) - n_queries + task.n_unlabeled
    return RetrievalReport(mean_scores(task, parsed, blocks), n_queries, n_left_out)
