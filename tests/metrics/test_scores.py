"""Each score against plain loops, and on rankings whose score is known."""

import inspect

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from skmetric.metrics import (
    mean_average_precision,
    mean_average_precision_at_r,
    mean_reciprocal_rank,
    ndcg_at_k,
    precision_at_k,
    r_precision,
    recall_at_k,
    retrieval_report,
    success_at_k,
)
from tests.metrics.score_loops import AT_K, METRICS, OTHERS, WORDS, by_loops


@pytest.mark.parametrize("metric", METRICS)
def test_scores_against_loops(generic, metric, path):
    E, y = generic
    expected, left_out = by_loops(WORDS, E, y, metric)
    report = retrieval_report(E, y, scores=WORDS, metric=metric)
    assert dict(report) == pytest.approx(expected, abs=1e-12)
    assert (report.n_queries, report.n_left_out) == (60, left_out) == (60, 2)


def test_perfect():
    y = np.repeat([0, 1, 2], [4, 2, 5])
    E = 100.0 * y[:, None] + np.arange(11)[:, None]
    report = retrieval_report(E, y, scores=["map_at_r", "r_precision", "map", "mrr"])
    assert list(report.values()) == [1, 1, 1, 1]
    assert success_at_k(E, y, 1) == ndcg_at_k(E, y, 10) == precision_at_k(E, y, 1) == 1
    # Of R = 3, 1 and 4 others, one is found at once.
    assert recall_at_k(E, y, 1) == pytest.approx((4 / 3 + 2 / 1 + 5 / 4) / 11)
    assert recall_at_k(E, y, 4) == 1
    # One of the others is all that a row of the class of two can find.
    assert precision_at_k(E, y, 2) == pytest.approx((4 * 1 + 2 * 0.5 + 5 * 1) / 11)


def test_worst():
    # Two far apart groups; the only other row of a class is in the other group.
    E = np.array([[0.0], [1.0], [2.5], [100.0], [101.0], [102.5]])
    y = [0, 1, 2, 2, 0, 1]
    words = [
        "precision_at_1",
        "success_at_2",
        "recall_at_2",
        "ndcg_at_2",
        "r_precision",
        "map_at_r",
    ]
    assert set(retrieval_report(E, y, scores=words).values()) == {0}
    # By hand: ranks 4, 5, 3, 3, 4, 5.
    reciprocal = (1 / 4 + 1 / 5 + 1 / 3) / 3
    assert mean_reciprocal_rank(E, y) == pytest.approx(reciprocal)
    assert mean_average_precision(E, y) == pytest.approx(reciprocal)


@pytest.mark.parametrize(
    ("hits", "r_precision_", "map_at_r"),
    [
        # The paper's example, R = 10, and one more.
        ([1, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0.1, 0.1),
        ([1, 0, 0, 0, 0, 0, 0, 0, 0, 1], 0.2, 0.12),
        ([1, 1, 0, 0, 0, 0, 0, 0, 0, 0], 0.2, 0.2),
        ([0, 0, 0, 0, 0, 0, 0, 0, 1, 1], 0.2, (1 / 9 + 2 / 10) / 10),
        ([1] * 10, 1.0, 1.0),
    ],
)
def test_map_at_r_heeds_the_order(hits, r_precision_, map_at_r):
    hits = hits + [1] * (10 - sum(hits))
    index = np.arange(1.0, len(hits) + 1)[:, None]
    options = {"index": index, "index_labels": hits}
    assert r_precision([[0.0]], [1], **options) == pytest.approx(r_precision_)
    assert mean_average_precision_at_r([[0.0]], [1], **options) == pytest.approx(map_at_r)


def test_ndcg_is_that_of_scikit_learn(generic):
    E, y = generic
    D = np.linalg.norm(E[:, None] - E, axis=2)
    others = ~np.eye(len(y), dtype=bool)
    relevant = (y[:, None] == y)[others].reshape(len(y), -1)
    nearness = -D[others].reshape(len(y), -1)
    scored = relevant.any(axis=1)
    expected = ndcg_score(relevant[scored], nearness[scored], k=7)
    assert ndcg_at_k(E, y, 7) == pytest.approx(expected)


@pytest.mark.parametrize("function", AT_K.values())
def test_k_out_of_range(generic, function):
    E, y = generic
    with pytest.raises(ValueError, match="Got k=0"):
        function(E, y, 0)
    with pytest.raises(TypeError, match=r"Got k=1\.5"):
        function(E, y, 1.5)
    with pytest.raises(TypeError, match="Got k=None, but expected an integer >= 1"):
        function(E, y, None)
    with pytest.raises(ValueError, match="k=a huge integer, but expected an integer"):
        function(E, y, 10**5000)
    with pytest.raises(ValueError, match=r"k=10{15}, but expected at most 61"):
        function(E, y, 10**15)
    with pytest.raises(ValueError, match=r"k=62, .* at most 61, the number of other rows"):
        function(E, y, 62)
    with pytest.raises(
        ValueError, match=r"k=10, .* at most 9, the number of rows in index"
    ):
        function(E, y, 10, index=E[:9], index_labels=y[:9])
    assert 0 < function(E, y, 61) <= 1


@pytest.mark.parametrize("function", [*AT_K.values(), *OTHERS.values()])
def test_docstrings_are_complete(function):
    text = inspect.getdoc(function)
    for name in inspect.signature(function).parameters:
        assert f"\n{name} : " in text
    for title in ("Returns", "Raises", "See Also", "Examples"):
        assert f"\n\n{title}\n{'-' * len(title)}\n" in text
    assert "%(" not in text
