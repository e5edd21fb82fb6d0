"""Anchors in one table and candidates in another: against one table that holds both."""

from itertools import product

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn import config_context

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric._fit import constraints_for
from skmetric._objective._evaluate import evaluate, mine
from skmetric._relations import EdgeLists
from skmetric.distances import METRICS
from skmetric.losses import LOSSES
from tests.designs import covering

LEARNERS = (TripletMetricLearner, ContrastiveMetricLearner)
WORDS = [
    ("all", "all"),
    ("nearest", "nearest"),
    ("hard", "semihard"),
    ("all", "random"),
    ("random", "hard"),
]
# Blocks of one row.
TINY = 1e-4


class MaskRelation:
    """A relation that has its masks at hand; weights differ by anchor."""

    layout = "masks"

    def __init__(self, is_positive, is_negative):
        self.is_positive, self.is_negative = is_positive, is_negative
        self.weights = 1 + np.arange(len(is_positive)) % 3.0

    def masks(self, rows):
        return self.is_positive[rows].copy(), self.is_negative[rows].copy()

    def max_per_anchor(self):
        return self.is_positive.sum(axis=1).max(), self.is_negative.sum(axis=1).max()


@pytest.fixture(scope="module")
def tables():
    """Some candidates are neither to an anchor, one anchor has no positive."""
    rng = np.random.default_rng(0)
    A, B, W = (rng.normal(size=shape) for shape in ((14, 5), (60, 5), (3, 5)))
    kinds = rng.choice(3, size=(14, 60), p=[0.2, 0.5, 0.3])
    kinds[4, kinds[4] == 0] = 2
    return A, B, W / 3, MaskRelation(kinds == 0, kinds == 1)


def in_one_table(A, B, relation):
    """The same anchors and candidates as rows of one table."""
    n, m = len(A), len(B)
    masks = np.zeros((2, n + m, n + m), dtype=bool)
    masks[:, :n, n:] = relation.is_positive, relation.is_negative
    stacked = MaskRelation(*masks)
    stacked.weights[:n] = relation.weights
    return np.concatenate([A, B]), stacked


@pytest.mark.parametrize(
    ("learner", "words", "metric", "loss", "make", "memory"),
    covering(
        case
        for case in product(
            LEARNERS, WORDS, METRICS, LOSSES, [np.asarray, csr_matrix], [1024, TINY]
        )
        if not (case[0] is ContrastiveMetricLearner and case[1][1] == "semihard")
    ),
)
def test_two_tables_against_one(tables, learner, words, metric, loss, make, memory):
    A, B, W, relation = tables
    X, stacked = in_one_table(A, B, relation)
    margins = {"pos_margin": 0.2} if learner is ContrastiveMetricLearner else {}
    positives, negatives = words
    options = {"positives": positives, "negatives": negatives, "n_neighbors": 2}
    constraints = constraints_for(
        learner(metric=metric, loss=loss, margin=0.6, n_impostors=3, **options, **margins),
        3,
    )

    def evaluated(*given, **options):
        rng = np.random.RandomState(0)
        return evaluate(W, *given, metric, constraints, random_state=rng, **options)

    expected = evaluated(X, stacked)
    with config_context(working_memory=memory):
        rng = np.random.RandomState(0)
        given, others = (make(A), relation, metric, constraints), {"candidates": make(B)}
        mined = mine(W, *given, rng, **others)
        found = [
            evaluate(W, *given, mined=mined, **others),
            evaluated(make(A), relation, **others),
        ]
    # Edge by edge, and block by block.
    assert isinstance(mined, EdgeLists) or words != ("nearest", "nearest")
    assert 0 < expected.active_fraction <= 1
    for each in found:
        assert each.n_constraints == pytest.approx(expected.n_constraints)
        assert each.loss == pytest.approx(expected.loss, rel=1e-10)
        assert each.active_fraction == pytest.approx(expected.active_fraction)
        np.testing.assert_allclose(each.gradient, expected.gradient, rtol=1e-9, atol=1e-11)
