"""Rankings with ties, duplicates and a separate index, against plain loops."""

import tracemalloc
from itertools import product

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn import config_context

from skmetric.metrics import mean_reciprocal_rank, precision_at_k, retrieval_report
from tests.designs import covering
from tests.metrics.score_loops import METRICS, OTHERS, WORDS, by_loops, call


@pytest.mark.parametrize(
    ("word", "metric", "path"),
    covering(product(WORDS, [m for m in METRICS if m != "cosine"], ["search", "sort"])),
    indirect=["path"],
)
def test_ties_go_to_the_smaller_row_number(tied, word, metric, path):
    E, y = tied
    expected, _ = by_loops([word], E, y, metric)
    assert call(word, E, y, metric=metric) == pytest.approx(expected[word], abs=1e-12)


@pytest.mark.parametrize("word", WORDS)
def test_a_separate_index(tied, word, path):
    E, y = tied
    queries, labels = E[:20] + 1, np.append(y[:19], "unknown")
    expected, left_out = by_loops(
        [word], queries, labels, index=E[20:], index_labels=y[20:]
    )
    options = {"index": E[20:], "index_labels": y[20:]}
    assert call(word, queries, labels, **options) == pytest.approx(
        expected[word], abs=1e-12
    )
    report = retrieval_report(queries, labels, scores=[word], **options)
    assert report[word] == pytest.approx(expected[word], abs=1e-12)
    assert (report.n_queries, report.n_left_out) == (20 - left_out, left_out)
    assert left_out >= 1


def test_each_depth_of_boundary(tied, path):
    E, y = tied
    words = [f"precision_at_{k}" for k in range(1, len(E))]
    expected, _ = by_loops(words, E, y)
    found = {word: call(word, E, y) for word in words}
    assert found == pytest.approx(expected, abs=1e-12)


def test_a_query_in_the_index_is_a_hit(generic):
    E, y = generic
    assert precision_at_k(E, y, 1, index=E, index_labels=y) == 1
    assert precision_at_k(E, y, 1) < 1


def test_duplicates_do_not_stand_for_oneself():
    # More duplicates than neighbors asked for: a query need not be among its nearest.
    E, y = np.zeros((9, 2)), [0, 0, 0, 1, 1, 1, 2, 2, 2]
    for k in range(1, 9):
        word = f"precision_at_{k}"
        expected, _ = by_loops([word], E, y)
        assert precision_at_k(E, y, k) == pytest.approx(expected[word])
    assert precision_at_k(E, y, 1) == pytest.approx(3 / 9)


def test_first_hit_among_duplicates():
    # Deeper than the R = 1 neighbors of the search, and after rows equally far.
    options = {"index": np.zeros((5, 1)), "index_labels": list("aaabc")}
    assert mean_reciprocal_rank([[0.0]], ["b"], **options) == 1 / 4
    # The ranks are 4, 3, 2 and 1; the class of one is left out.
    found = mean_reciprocal_rank(np.zeros((5, 1)), list("abcba"))
    assert found == pytest.approx((1 / 4 + 1 / 3 + 1 / 2 + 1) / 4)


def test_large_classes_of_duplicates():
    rng = np.random.default_rng(0)
    E = np.repeat(rng.integers(-3, 4, (40, 3)), 30, axis=0).astype(float)
    y = np.repeat(np.arange(40), 30) % 3
    shuffled = rng.permutation(1200)
    E, y = E[shuffled], y[shuffled]
    D = ((E[:, None] - E) ** 2).sum(axis=2)
    np.fill_diagonal(D, np.inf)
    hits = y[np.argsort(D, axis=1, kind="stable")] == y[:, None]
    for k in (1, 17, 29, 30, 100):
        assert precision_at_k(E, y, k) == pytest.approx(hits[:, :k].mean())


@pytest.mark.parametrize("working_memory", [1024, 0.05, 0.005])
def test_blocks_do_not_matter(generic, tied, working_memory, path):
    for E, y in (generic, tied):
        expected = retrieval_report(E, y, scores=WORDS)
        with config_context(working_memory=working_memory):
            found = retrieval_report(E, y, scores=WORDS)
        assert dict(found) == pytest.approx(dict(expected), abs=1e-13)


def test_order_of_rows_does_not_matter(generic):
    E, y = generic
    shuffled = np.random.default_rng(1).permutation(len(y))
    expected = dict(retrieval_report(E, y, scores=WORDS))
    found = dict(retrieval_report(E[shuffled], y[shuffled], scores=WORDS))
    assert found == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("itself", [True, False])
def test_far_from_the_origin(generic, itself, path):
    E, y = generic
    E = np.round(E * 2**20) / 2**20  # so that adding an integer is exact
    index = {} if itself else {"index": E[30:], "index_labels": y[30:]}
    moved = {} if itself else {"index": E[30:] + 2**25, "index_labels": y[30:]}
    expected = retrieval_report(E, y, scores=WORDS, **index)
    found = retrieval_report(E + 2**25, y, scores=WORDS, **moved)
    assert dict(found) == pytest.approx(dict(expected), abs=1e-13)


@pytest.mark.parametrize("scores", [["map_at_r"], ["map"], ["mrr"]])
def test_memory_is_bounded(scores):
    rng = np.random.default_rng(0)
    E, y = rng.standard_normal((4000, 8)), np.arange(4000) % 800
    with config_context(working_memory=8):
        tracemalloc.start()
        retrieval_report(E, y, scores=scores)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    # The data, and blocks; all distances would be 128 MB.
    assert peak < 16 * 2**20


def test_float32_is_computed_in_float64(generic):
    E, y = generic
    E = E.astype(np.float32)
    expected = retrieval_report(E.astype(np.float64), y, scores=WORDS)
    assert dict(retrieval_report(E, y, scores=WORDS)) == dict(expected)


@pytest.mark.parametrize("metric", METRICS)
def test_sparse(generic, metric, path):
    E, y = generic
    E = E * (np.abs(E) > 0.5)
    expected = retrieval_report(E, y, scores=WORDS, metric=metric)
    found = retrieval_report(csr_matrix(E), y, scores=WORDS, metric=metric)
    assert dict(found) == pytest.approx(dict(expected), abs=1e-12)


def refuse_with(word, match, E, y, error=ValueError, **options):
    with pytest.raises(error, match=match):
        call(word, E, y, **options)


@pytest.mark.parametrize("word", ["precision_at_1", "recall_at_1", "ndcg_at_1", *OTHERS])
def test_bad_rows_and_labels(generic, word):
    E, y = generic
    hole = E.copy()
    hole[3, 2] = np.nan
    refuse_with(word, "E contains NaN", hole, y)
    refuse_with(word, "inconsistent numbers", E, y[:-1])
    refuse_with(word, "y contains NaN", E, np.where(y == "a", np.nan, 1.0))
    refuse_with(word, "62 queries of which none has a further row in E", E, np.arange(62))
    refuse_with(word, "metric='l2'", E, y, metric="l2")
    refuse_with(word, "labels of types", E, y, index=E, index_labels=np.arange(62))
    refuse_with(word, "only one of index and index_labels", E, y, index=E)
    refuse_with(word, "only one of index and index_labels", E, y, index_labels=y)
    options = {"index": E[:, :4], "index_labels": y}
    refuse_with(word, "5 columns in E and 4 in index", E, y, **options)
    options = {"index": E, "index_labels": np.full(62, "z")}
    refuse_with(word, "none has a further row in index", E, y, **options)
