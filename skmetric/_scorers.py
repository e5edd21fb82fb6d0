"""Retrieval scores in the form that scikit-learn's model selection takes."""

from dataclasses import dataclass

from ._ranking import METRICS
from ._retrieval import parse_score, parse_scores, retrieval_report
from ._validation import check_word


class NamedScore(float):
    """A score that also reads as ``{word: score}``.

    scikit-learn's ``ScoringMonitor`` adds what a scorer returns to a dict.
    """

    def __new__(cls, score, word):
        named = super().__new__(cls, score)
        named.word = word
        return named

    def __getnewargs__(self):
        return float(self), self.word

    def keys(self):
        """The word, by which ``dict.update`` knows a mapping."""
        return (self.word,)

    def __getitem__(self, word):
        return {self.word: float(self)}[word]


@dataclass(frozen=True)
class RetrievalScorer:
    """A scorer, made by :func:`retrieval_scorer`.

    Parameters
    ----------
    scores : str or tuple of str
    metric : str
    """

    scores: object
    metric: str

    def __call__(self, estimator, X, y):
        """Score ``estimator.transform(X)``, each row a query against the others.

        Parameters
        ----------
        estimator : estimator instance
            Fitted, with ``transform``.
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Class labels.

        Returns
        -------
        score : float, or dict of float
            As many as `scores` asks for.
        """
        if not hasattr(estimator, "transform"):
            raise TypeError(
                f"Got an estimator without transform, {type(estimator).__name__}, but "
                "expected a learner, a transformer, or a Pipeline of transformers. Leave "
                "out a classifier at its end."
            )
        return self.score_embedding(estimator.transform(X), y)

    def score_embedding(self, E, y, *, index=None, index_labels=None):
        """Score an embedding.

        Parameters
        ----------
        E, y, index, index_labels
            As for :func:`retrieval_report`.

        Returns
        -------
        score : float, or dict of float
            As many as `scores` asks for.
        """
        single = isinstance(self.scores, str)
        report = retrieval_report(
            E,
            y,
            scores=(self.scores,) if single else self.scores,
            index=index,
            index_labels=index_labels,
            metric=self.metric,
        )
        return NamedScore(report[self.scores], self.scores) if single else dict(report)

    def __repr__(self):
        scores = self.scores if isinstance(self.scores, str) else list(self.scores)
        metric = "" if self.metric == "euclidean" else f", metric={self.metric!r}"
        return f"retrieval_scorer({scores!r}{metric})"


def retrieval_scorer(scores, *, metric="euclidean"):
    """Make a scorer for ``scoring=`` in scikit-learn's model selection.

    It embeds the rows it is given with ``estimator.transform`` and takes each as a query
    against the others: the fold that is left out is both queries and index. For a learner,
    any transformer, and a `Pipeline` of transformers.

    Parameters
    ----------
    scores : str or sequence of str
        ``"map_at_r"``, ``"r_precision"``, ``"map"``, ``"mrr"``, or ``"precision_at_k"``,
        ``"recall_at_k"`` and ``"ndcg_at_k"`` with a number for k, as
        ``"precision_at_1"``. Of a sequence, all are read from one neighbour search.
    metric : {"euclidean", "sqeuclidean", "cosine", "manhattan"}, default="euclidean"
        Between embedded rows. Those of a learner with ``metric="cosine"`` have length 1,
        so that the default ranks them as the cosine would.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y)`` gives a float for one word, or a dict for a sequence,
        as ``cross_validate`` takes it, and `GridSearchCV` with ``refit="map_at_r"``.
        ``scorer.score_embedding(E, y)`` does the same for rows that are embedded already.
        Greater is better. It can be pickled.

    Raises
    ------
    ValueError
        For an unknown word; when called, as :func:`retrieval_report` does.

    Notes
    -----
    For classes that no training fold has seen, use ``cv=GroupKFold()`` with ``groups=y``,
    or :class:`skmetric.model_selection.ClassDisjointShuffleSplit`.

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
    return RetrievalScorer(scores, check_word("metric", metric, METRICS))
