"""Retrieval scores as scorers for scikit-learn's model selection."""

from dataclasses import dataclass

from .._validation import check_option, check_unlabeled
from ._ranking import SEARCH_METRICS
from ._retrieval import retrieval_report
from ._scores import parse_score, parse_scores


class NamedScore(float):
    """A score that also reads as ``{name: score}``.

    scikit-learn's ``ScoringMonitor`` adds what a scorer returns to a dict.
    """

    def __new__(cls, score, name):
        named = super().__new__(cls, score)
        named.name = name
        return named

    def __getnewargs__(self):
        return float(self), self.name

    def keys(self):
        """The name, which makes this a mapping for ``dict.update``."""
        return (self.name,)

    def __getitem__(self, name):
        return {self.name: float(self)}[name]


@dataclass(frozen=True)
class RetrievalScorer:
    """A scorer, made by :func:`retrieval_scorer`.

    Parameters
    ----------
    scores : str or tuple of str
    metric : str
    unlabeled : object
    """

    scores: object
    metric: str
    unlabeled: object

    def __call__(self, estimator, X, y=None):
        """Score ``estimator.transform(X)``, each row a query against the others.

        Parameters
        ----------
        estimator : estimator instance
            Fitted, with ``transform``, or a `TupleLearner` of matches.
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Or matches, of shape (n_matches, 2): which documents are relevant.
        y : array-like, default=None
            Labels, as for :func:`retrieval_report`. Ignored for matches.

        Returns
        -------
        score : float, or dict of float
            A float if `scores` is one name, else a dict by name.
        """
        if hasattr(estimator, "embed_tables"):
            E, index = estimator.embed_tables()
            return self.score_embedding(E, index=index, relevant=X)
        if not hasattr(estimator, "transform"):
            raise TypeError(
                f"Got an estimator without transform, {type(estimator).__name__}, but "
                "expected a learner, a transformer, or a Pipeline of transformers. Leave "
                "out a classifier at its end."
            )
        return self.score_embedding(estimator.transform(X), y)

    def score_embedding(
        self,
        E,
        y=None,
        *,
        index=None,
        index_labels=None,
        relevant=None,
        grades=None,
    ):
        """Score an embedding.

        Parameters
        ----------
        E, y, index, index_labels, relevant, grades
            As for :func:`retrieval_report`.

        Returns
        -------
        score : float, or dict of float
            A float if `scores` is one name, else a dict by name.
        """
        single = isinstance(self.scores, str)
        report = retrieval_report(
            E,
            y,
            scores=(self.scores,) if single else self.scores,
            index=index,
            index_labels=index_labels,
            relevant=relevant,
            grades=grades,
            unlabeled=self.unlabeled,
            metric=self.metric,
        )
        return NamedScore(report[self.scores], self.scores) if single else dict(report)

    def __repr__(self):
        scores = self.scores if isinstance(self.scores, str) else list(self.scores)
        metric = "" if self.metric == "euclidean" else f", metric={self.metric!r}"
        unlabeled = "" if self.unlabeled is None else f", unlabeled={self.unlabeled!r}"
        return f"retrieval_scorer({scores!r}{metric}{unlabeled})"


def retrieval_scorer(scores, *, metric="euclidean", unlabeled=None):
    """Make a scorer for ``scoring=`` in scikit-learn's model selection.

    The scorer embeds rows with ``estimator.transform`` and takes each as a query against
    the others: the test fold is both queries and index. The estimator may be a learner, any
    transformer, or a `Pipeline` of transformers. If it is a
    :class:`~skmetric.model_selection.TupleLearner` of matches, the test fold lists which of
    all documents are relevant to which query.

    Parameters
    ----------
    scores : str or sequence of str
        ``"map_at_r"``, ``"r_precision"``, ``"map"``, ``"mrr"``, or ``"precision_at_k"``,
        ``"success_at_k"``, ``"recall_at_k"`` and ``"ndcg_at_k"`` with a number for k, as
        ``"precision_at_1"``. All scores of a sequence come from one search for neighbors.
    metric : {"euclidean", "sqeuclidean", "cosine", "manhattan"}, default="euclidean"
        The distance of embedded rows. A learner with ``metric="cosine"`` returns rows of
        length 1, which the default ranks as the cosine distance does.
    unlabeled : object, default=None
        The label of rows that have none, such as -1, which are left out.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y)`` returns a float for one name, or a dict for a sequence,
        as ``cross_validate`` takes it, and `GridSearchCV` with ``refit="map_at_r"``.
        ``scorer.score_embedding(E, y)`` does the same for rows that are embedded already.
        It also takes `index` and `relevant`, as :func:`retrieval_report` does.
        Greater is better. The scorer can be pickled.

    Raises
    ------
    ValueError
        For an unknown name. The scorer itself raises what :func:`retrieval_report` does.

    Notes
    -----
    To score classes that the training fold does not have, use ``cv=GroupKFold()`` with
    ``groups=y``, or :class:`skmetric.model_selection.ClassDisjointShuffleSplit`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import GroupKFold, cross_val_score
    >>> from skmetric import TripletMetricLearner
    >>> from skmetric.metrics import retrieval_scorer
    >>> X, y = (array[::8] for array in load_digits(return_X_y=True))
    >>> learner = TripletMetricLearner(n_components=8)
    >>> scores = cross_val_score(
    ...     learner, X, y, groups=y, cv=GroupKFold(2), scoring=retrieval_scorer("mrr")
    ... )
    >>> scores.shape
    (2,)
    """
    if isinstance(scores, str):
        parse_score(scores)
    else:
        scores = tuple(parse_scores(scores))
    metric = check_option("metric", metric, SEARCH_METRICS)
    return RetrievalScorer(scores, metric, check_unlabeled(unlabeled))
