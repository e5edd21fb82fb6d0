"""TupleLearner: pairs, triplets or matches as the samples of scikit-learn's searches."""

from sklearn.base import BaseEstimator, clone
from sklearn.metrics import roc_auc_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._base import SIDES, rollback_on_error
from .._compat import PAGE
from .._validation import check_option
from ..metrics._pair_verifier import distances_of_pairs
from ..metrics._shared_rows import shared_rows, unshared
from ..metrics._verification import check_distances


def _is_of_matches(estimator):
    return estimator.kind == "matches"


class TupleLearner(BaseEstimator):
    """Learn from pairs, triplets or matches of rows, which scikit-learn's searches split.

    A search calls ``fit`` with a part of the samples. For a learner these are rows, but
    what ``fit_pairs`` and ``fit_triplets`` learn from are tuples. Here, tuples are the
    samples, and the rows are a parameter. Clones share the rows and do not copy them.

    Parameters
    ----------
    learner : estimator instance
        A learner of this package, or another with the method ``fit_pairs``,
        ``fit_triplets`` or ``fit_matches``. It is cloned.
    rows : {array-like, sparse matrix} of shape (n_samples, n_features)
        The rows that tuples refer to; for matches, the queries.
    documents : {array-like, sparse matrix} of shape (n_documents, n_features), default=None
        For matches: the documents. None means other rows of `rows`.
    kind : {"pairs", "triplets", "matches"}
        What a tuple is:

        - ``"pairs"``: two rows, with y that says whether they belong together.
        - ``"triplets"``: an anchor, a positive and a negative.
        - ``"matches"``: a query and a document that belong together.
    side : {"both", "queries"}, default="both"
        For matches: whether both tables are mapped, or the queries only, as for
        ``fit_matches``.

    Attributes
    ----------
    learner_ : estimator instance
        The fitted learner.

    See Also
    --------
    MatchShuffleSplit : Splits of matches without a query or a document in common.
    skmetric.metrics.PairVerifier : Learns a threshold on the distance of pairs.

    Notes
    -----
    Two parts of the tuples may share rows, so the scores of splits at random are those of
    new tuples of known rows. For those of new rows, give `groups` to a splitter.

    With ``n_jobs``, joblib gives large arrays to the workers as memory maps, without a copy
    for each candidate. Pickling a `TupleLearner` pickles its rows, too; keep `learner_`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skmetric import TripletMetricLearner
    >>> from skmetric.mining import mine_triplets
    >>> from skmetric.model_selection import TupleLearner
    >>> X, y = load_iris(return_X_y=True)
    >>> triplets = mine_triplets(X, y, max_triplets=300, random_state=0)
    >>> learner = TupleLearner(TripletMetricLearner(), X, kind="triplets")
    >>> search = GridSearchCV(learner, {"learner__margin": [0.1, 1.0]}, cv=3)
    >>> search = search.fit(triplets)
    >>> bool(search.best_score_ > 0.5)
    True
    >>> search.best_estimator_.learner_.transform(X).shape
    (150, 4)
    """

    _doc_link_module = "skmetric"
    _doc_link_template = PAGE.replace("{estimator_module}", "skmetric.model_selection")

    rows = shared_rows("rows")
    documents = shared_rows("documents")

    def __init__(self, learner, rows, documents=None, *, kind, side="both"):
        self.learner = learner
        self.rows = rows
        self.documents = documents
        self.kind = kind
        self.side = side

    @rollback_on_error
    def fit(self, tuples, y=None, sample_weight=None):
        """Learn from some tuples.

        Parameters
        ----------
        tuples : array-like of int of shape (n_tuples, 2) or (n_tuples, 3)
            Row indices, as the method of the learner takes them.
        y : array-like of bool of shape (n_tuples,), default=None
            For pairs: whether the two rows belong together. Ignored otherwise.
        sample_weight : array-like of shape (n_tuples,), default=None
            Weights of tuples.

        Returns
        -------
        self : object
            With the fitted learner in `learner_`.

        Raises
        ------
        ValueError
            For an unknown kind or side, documents or a side that the kind has no use for,
            or a learner without the method. Also what the method of the learner raises.
        """
        kind = check_option("kind", self.kind, _KINDS)
        if self.documents is not None and kind != "matches":
            raise ValueError(
                f"Got documents for kind={kind!r}, but expected None: only matches are of "
                "rows of two tables."
            )
        side = check_option("side", self.side, SIDES)
        if side != "both" and kind != "matches":
            raise ValueError(
                f"Got side={side!r} for kind={kind!r}, but expected 'both': only matches "
                "are of queries and documents."
            )
        if not hasattr(self.learner, f"fit_{kind}"):
            raise ValueError(
                f"Got kind={kind!r} for {type(self.learner).__name__}, which has no "
                f"fit_{kind}, but expected a learner that has it."
            )
        options = {"sample_weight": sample_weight}
        if kind == "matches":
            options["side"] = side
        fit, _ = _KINDS[kind]
        learner = clone(self.learner)
        fit(learner, *self._tables(), tuples, y, **options)
        self.learner_ = learner
        return self

    def score(self, tuples, y=None):
        """How well the learnt distance decides tuples.

        Parameters
        ----------
        tuples, y
            As for :meth:`fit`.

        Returns
        -------
        score : float
            In [0, 1]. For triplets, the share in the right order. For pairs, the ROC AUC:
            how often a similar pair is nearer than a dissimilar one. For matches, what
            ``score_matches`` of the learner returns.
        """
        check_is_fitted(self)
        _, score = _KINDS[self.kind]
        return float(score(self.learner_, *self._tables(), tuples, y))

    @available_if(_is_of_matches)
    def embed_tables(self):
        """The queries and the documents, as their distances are compared.

        Only for matches. :func:`skmetric.metrics.retrieval_scorer` scores these.

        Returns
        -------
        queries : ndarray of shape (n_samples, n_components)
            All rows, mapped.
        documents : ndarray of shape (n_documents, n_components), or None
            As they are, if the learner maps queries only. None if they are other queries.
        """
        check_is_fitted(self)
        rows, documents = self._tables()
        if documents is not None and getattr(self.learner_, "side_", "both") == "both":
            documents = self.learner_.transform(documents)
        return self.learner_.transform(rows), documents

    def _tables(self):
        return unshared(self.rows), unshared(self.documents)


def _fit_pairs(learner, rows, documents, pairs, similar, **options):
    learner.fit_pairs(rows, pairs, similar, **options)


def _score_pairs(learner, rows, documents, pairs, similar):
    distances = distances_of_pairs(learner, pairs, rows)
    distances, similar = check_distances(distances, similar)
    return roc_auc_score(similar, -distances)


def _fit_triplets(learner, rows, documents, triplets, y, **options):
    learner.fit_triplets(rows, triplets, **options)


def _score_triplets(learner, rows, documents, triplets, y):
    return learner.score_triplets(rows, triplets)


def _fit_matches(learner, rows, documents, matches, y, **options):
    learner.fit_matches(rows, documents, matches, **options)


def _score_matches(learner, rows, documents, matches, y):
    return learner.score_matches(rows, documents, matches)


_KINDS = {
    "pairs": (_fit_pairs, _score_pairs),
    "triplets": (_fit_triplets, _score_triplets),
    "matches": (_fit_matches, _score_matches),
}
