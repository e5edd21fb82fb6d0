"""What a fit to given triplets or pairs minimises, in blocks of tuples.

Tuples are indices only. Rows of X are mapped first, ``X @ W.T``, and then looked up for a
block of tuples at a time, so features are never expanded to one set a tuple. A mini-batch
maps only the rows that it names.
"""

from dataclasses import replace
from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix
from sklearn import get_config
from sklearn.utils import gen_batches

from ._objective import Evaluation
from ._problem import OnRows
from ._tuples import in_units_of
from .distances import embed, embed_pullback, paired_distances, paired_pullback
from .losses import LOSSES


def named_rows(tuples, n):
    """The rows that tuples name, and where among them.

    Returns
    -------
    rows : slice or ndarray of int
        All n rows if tuples have at least as many places.
    places : ndarray of int of the shape of `tuples`
    """
    if tuples.size >= n:
        return slice(None), tuples
    rows, places = np.unique(tuples, return_inverse=True)
    return rows, places.reshape(tuples.shape)


def edges_of(tuples):
    """Pairs of the first with each other member, shape (n_edges * m, 2)."""
    others = tuples[:, 1:].T.ravel()
    first = np.tile(tuples[:, 0], tuples.shape[1] - 1)
    return np.stack([first, others], axis=1).astype(np.intp, copy=False)


def edge_lengths(E, tuples, metric):
    """Distances of shape (n_edges, m), in blocks of tuples."""
    lengths = np.empty((tuples.shape[1] - 1, len(tuples)), dtype=E.dtype)
    for block in tuple_blocks(len(tuples), E):
        A, B = (E[at] for at in edges_of(tuples[block]).T)
        lengths[:, block] = paired_distances(A, B, metric).reshape(len(lengths), -1)
    return lengths


def tuple_blocks(m, E, bytes_per_entry=128):
    """Slices of tuples, such that an array of their embedded rows stays bounded.

    By scikit-learn's ``working_memory``, and by 2 MiB or a quarter of `E`, beyond which
    larger blocks gain nothing.
    """
    entries = get_config()["working_memory"] * 2**20 / bytes_per_entry
    entries = min(entries, max(2**21 // E.itemsize, E.size // 4))
    # Indices, lengths and slopes of a tuple take as much as some entries.
    return gen_batches(m, max(1, int(entries / (E.shape[1] + 16))))


def evaluate_tuples(W, X, tuples, metric):
    """Loss and gradient of a map on tuples.

    Parameters
    ----------
    W : ndarray of shape (k, d)
    X : ndarray or CSR of shape (n, d)
    tuples : Triplets or Pairs
    metric : str

    Returns
    -------
    evaluation : Evaluation
        Of tuples that were taken out of more, the loss and its gradient are what theirs
        are on average if each tuple is as likely as any other.

    Notes
    -----
    Time O(n d k + m k) for m tuples; memory O(n k) and a block of tuples.
    """
    E, norms = embed(X @ W.T, metric)
    loss, active, dE = 0.0, 0.0, np.zeros_like(E)
    for block in tuple_blocks(len(tuples), E):
        part, part_active = _add_share(dE, E, tuples.take(block), metric, len(tuples))
        loss += part
        active += part_active
    dZ = embed_pullback(dE, E, norms)
    gradient = np.ascontiguousarray(dZ.T @ X)
    return Evaluation(loss, gradient, active / len(tuples), len(tuples))


def _add_share(dE, E, tuples, metric, n_tuples):
    """Add what a block contributes to `dE`; returns its loss and active weight."""
    edges = edges_of(tuples.rows)
    A, B = (E[at] for at in edges.T)
    lengths = paired_distances(A, B, metric).reshape(-1, len(tuples))
    v, signs = tuples.slack(lengths)
    cost, slope = LOSSES[tuples.loss](v)
    importance = tuples.importance / n_tuples
    slopes = (signs * (importance * slope)).ravel()
    active = np.flatnonzero(slopes)
    pull = paired_pullback(slopes[active], A[active], B[active], metric)
    dE += incidence(edges[active], len(E), E.dtype).T @ pull
    return float(importance @ cost), float(tuples.weights @ (v > 0))


def incidence(edges, n, dtype):
    """Sparse matrix of shape (n_edges, n): 1 at the head and -1 at the tail of an edge."""
    ends = np.tile(np.array([1, -1], dtype=dtype), len(edges))
    starts = np.arange(0, edges.size + 1, 2)
    return csr_matrix((ends, edges.ravel(), starts), shape=(len(edges), n))


def dealt(strata, random_state):
    """All indices in random order, those of each stratum spread evenly.

    Parameters
    ----------
    strata : list of ndarrays of int
    random_state : RandomState

    Returns
    -------
    order : ndarray of int
    """
    shuffled = [random_state.permutation(stratum) for stratum in strata]
    if len(shuffled) == 1:
        return shuffled[0]
    places = [(np.arange(len(s)) + random_state.uniform()) / len(s) for s in strata]
    return np.concatenate(shuffled)[np.argsort(np.concatenate(places), kind="stable")]


class Given:
    """In the place of a choice: where the tuples' rows are, the same under every map."""

    def __init__(self, places):
        self.places = places

    def same_as(self, other):
        """There is no other."""
        return True


class TupleProblem(OnRows):
    """What a fit to tuples minimises; the counterpart of ``_problem.Problem``.

    Parameters
    ----------
    X : ndarray or CSR of shape (n, d)
    tuples : Triplets or Pairs
    W0, metric, by_entry
        See :class:`~skmetric._problem.OnRows`.
    """

    def __init__(self, X, tuples, W0, metric, by_entry=False):
        super().__init__(X, W0, metric, by_entry)
        self.constraints = tuples

    @cached_property
    def _named(self):
        return named_rows(self.constraints.rows, self.X.shape[0])

    def all_rows(self):
        """The rows that the tuples name."""
        return self.rows(self._named[0])

    def choose(self, U, X, random_state):
        """The tuples, which no map changes."""
        return Given(self._named[1])

    def share(self, U, X, choice):
        """Evaluation on all tuples without the pull, with X from ``all_rows()``."""
        W, tuples = self.components(U), replace(self.constraints, rows=choice.places)
        return self.by_parameters(evaluate_tuples(W, X, tuples, self.metric))

    def with_open_margins(self, measure):
        """The problem with margins that follow from the lengths of all tuples under W₀."""
        if "auto" not in self.margins.values():
            return self
        length = self.constraints.length(self._lengths(self.W0))
        return self.with_constraints(in_units_of(length, self.constraints))

    def batches(self, batch_size, random_state):
        """Batches of tuples that together hold each exactly once, by strata."""
        n_batches = max(1, round(len(self.constraints) / batch_size))
        return np.array_split(dealt(self.constraints.strata, random_state), n_batches)

    def on_batch(self, U, batch, random_state):
        """Evaluation on the tuples of a batch, which takes only the rows they name."""
        W, tuples = self.components(U), self.constraints.take(batch)
        rows, places = named_rows(tuples.rows, self.X.shape[0])
        evaluation = evaluate_tuples(
            W, self.rows(rows), replace(tuples, rows=places), self.metric
        )
        return self.penalised(U, self.by_parameters(evaluation))

    def hold_out(self, fraction, random_state, scoring=None):
        """A problem without some of the tuples, and the score of parameters on those.

        Parameters
        ----------
        fraction : float
            The share to hold out, rounded down in each stratum.
        random_state : RandomState
        scoring : None
            There are no labels for another score.

        Returns
        -------
        problem : TupleProblem
        score : callable
            ``score(U)``, from 0 to 1, larger is better.

        Raises
        ------
        ValueError
            If a stratum is too small to give one, or for a `scoring`.
        """
        if scoring is not None:
            raise ValueError(
                "Got scoring with given constraints, but a scorer needs labels. Set "
                "scoring=None, which judges by the order of the constraints held out."
            )
        strata = [random_state.permutation(stratum) for stratum in self.constraints.strata]
        counts = [int(fraction * len(stratum)) for stratum in strata]
        if not all(counts):
            raise ValueError(
                f"Got early_stopping=True with validation_fraction={fraction}, but "
                f"{min(map(len, strata))} constraints of a kind are too few to hold any "
                "out. Raise validation_fraction, or set early_stopping=False."
            )
        parts = [np.split(s, [count]) for s, count in zip(strata, counts, strict=True)]
        held, kept = (np.sort(np.concatenate(part)) for part in zip(*parts, strict=True))
        kept, held = (self._with(self.constraints.take(part)) for part in (kept, held))
        return kept, held.score

    def score(self, U):
        """Score of parameters on all tuples."""
        return self.constraints.score(self._lengths(self.components(U)))

    def _lengths(self, W):
        rows, places = self._named
        # In float32 rows far from 0 would lose the digits that tell them apart.
        E, _ = embed(self.X[rows].astype(np.float64, copy=False) @ W.T, self.metric)
        return edge_lengths(E, places, self.metric)

    def _with(self, tuples):
        return TupleProblem(self.X, tuples, self.W0, self.metric, self.by_entry)
