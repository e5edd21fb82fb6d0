"""Every score against plain loops, on data with singletons, duplicates and ties."""

import math
import pickle
import tracemalloc
from itertools import product

import numpy as np
import pytest
from designs import covering
from scipy.sparse import csr_matrix
from sklearn import config_context
from sklearn.metrics import ndcg_score

from skmetric import _ranking
from skmetric.metrics import (
    mean_average_precision,
    mean_average_precision_at_r,
    mean_reciprocal_rank,
    ndcg_at_k,
    precision_at_k,
    r_precision,
    recall_at_k,
    retrieval_report,
)

METRICS = ("euclidean", "sqeuclidean", "cosine", "manhattan")
AT_K = {
    "precision_at_k": precision_at_k,
    "recall_at_k": recall_at_k,
    "ndcg_at_k": ndcg_at_k,
}
OTHERS = {
    "r_precision": r_precision,
    "map_at_r": mean_average_precision_at_r,
    "map": mean_average_precision,
    "mrr": mean_reciprocal_rank,
}
WORDS = [word.replace("_k", f"_{k}") for word in AT_K for k in (1, 3, 11)] + list(OTHERS)


def call(word, E, y, **options):
    """The function that a word stands for."""
    if word in OTHERS:
        return OTHERS[word](E, y, **options)
    name, k = word.rsplit("_", 1)
    return AT_K[f"{name}_k"](E, y, int(k), **options)


def distance(a, b, metric):
    if metric == "manhattan":
        return sum(abs(a - b))
    if metric == "cosine":
        lengths = math.sqrt(a @ a) * math.sqrt(b @ b)
        return 1 - (a @ b) / lengths if lengths else 1.0
    squared = sum((a - b) ** 2)
    return math.sqrt(squared) if metric == "euclidean" else squared


def ranking(query, index, metric, itself=None):
    """Row numbers by distance, equal ones by row number."""
    rows = [i for i in range(len(index)) if i != itself]
    return sorted(rows, key=lambda i: (distance(query, index[i], metric), i))


def score_by_loops(word, hits, R):
    """From the definitions; `hits` are of the whole ranking."""
    name, _, k = word.rpartition("_")
    if name == "precision_at":
        return sum(hits[: int(k)]) / int(k)
    if name == "recall_at":
        return float(any(hits[: int(k)]))
    if name == "ndcg_at":
        gain = sum(1 / math.log2(i + 2) for i, hit in enumerate(hits[: int(k)]) if hit)
        return gain / sum(1 / math.log2(i + 2) for i in range(min(int(k), R)))
    if word == "r_precision":
        return sum(hits[:R]) / R
    if word == "mrr":
        return 1 / (1 + hits.index(True))
    depth = R if word == "map_at_r" else len(hits)
    return sum(sum(hits[: i + 1]) / (i + 1) for i in range(depth) if hits[i]) / R


def by_loops(words, E, y, metric="euclidean", index=None, index_labels=None):
    """Mean of each score, and how many queries were left out."""
    values = {word: [] for word in words}
    left_out = 0
    for q in range(len(E)):
        if index is None:
            order, labels = ranking(E[q], E, metric, itself=q), y
        else:
            order, labels = ranking(E[q], index, metric), index_labels
        hits = [labels[i] == y[q] for i in order]
        left_out += not any(hits)
        for word in words if any(hits) else ():
            values[word].append(score_by_loops(word, hits, sum(hits)))
    return {word: sum(v) / len(v) for word, v in values.items()}, left_out


@pytest.fixture
def generic():
    """Unbalanced classes with singletons, no two distances alike."""
    rng = np.random.default_rng(3)
    y = rng.permutation(np.repeat(list("abcdefg"), [30, 14, 9, 5, 2, 1, 1]))
    centres = dict(zip("abcdefg", rng.standard_normal((7, 5)), strict=True))
    return np.array([centres[label] for label in y]) + rng.standard_normal((62, 5)), y


@pytest.fixture
def tied():
    """Points of a small grid, many of them several times: exact distances, many ties."""
    rng = np.random.default_rng(8)
    y = rng.permutation(np.repeat(list("abcdef"), [25, 18, 9, 4, 1, 1]))
    return rng.integers(-1, 3, (58, 2)).astype(float), y


@pytest.fixture(params=["search", "sort"])
def path(request, monkeypatch):
    """Both ways to the neighbours, whatever the depth."""
    share = 1.0 if request.param == "search" else 0.0
    monkeypatch.setattr(_ranking, "MOST_OF_INDEX", share)


@pytest.mark.parametrize("metric", METRICS)
def test_scores_against_loops(generic, metric, path):
    E, y = generic
    expected, left_out = by_loops(WORDS, E, y, metric)
    report = retrieval_report(E, y, scores=WORDS, metric=metric)
    assert dict(report) == pytest.approx(expected, abs=1e-12)
    assert (report.n_queries, report.n_left_out) == (60, left_out) == (60, 2)


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


@pytest.mark.parametrize("word", WORDS)
def test_the_report_and_the_function_agree(generic, word):
    E, y = generic
    report = retrieval_report(E, y, scores=WORDS)
    assert call(word, E, y) == pytest.approx(report[word], abs=1e-14)


def test_perfect():
    y = np.repeat([0, 1, 2], [4, 2, 5])
    E = 100.0 * y[:, None] + np.arange(11)[:, None]
    report = retrieval_report(E, y, scores=["map_at_r", "r_precision", "map", "mrr"])
    assert list(report.values()) == [1, 1, 1, 1]
    assert recall_at_k(E, y, 1) == ndcg_at_k(E, y, 10) == precision_at_k(E, y, 1) == 1
    # One of the others is all that a row of the class of two can find.
    assert precision_at_k(E, y, 2) == pytest.approx((4 * 1 + 2 * 0.5 + 5 * 1) / 11)


def test_worst():
    # Two far apart groups; the only other row of a class is in the other group.
    E = np.array([[0.0], [1.0], [2.5], [100.0], [101.0], [102.5]])
    y = [0, 1, 2, 2, 0, 1]
    words = ["precision_at_1", "recall_at_2", "ndcg_at_2", "r_precision", "map_at_r"]
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


def test_duplicates_do_not_stand_for_oneself():
    # More duplicates than neighbours asked for: a query need not be among its nearest.
    E, y = np.zeros((9, 2)), [0, 0, 0, 1, 1, 1, 2, 2, 2]
    for k in range(1, 9):
        word = f"precision_at_{k}"
        expected, _ = by_loops([word], E, y)
        assert precision_at_k(E, y, k) == pytest.approx(expected[word])
    assert precision_at_k(E, y, 1) == pytest.approx(3 / 9)


def test_first_hit_among_duplicates():
    # Deeper than the R = 1 neighbours of the search, and after rows equally far.
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


def test_data_frames(generic):
    pd = pytest.importorskip("pandas")
    E, y = generic
    frame, labels = pd.DataFrame(E), pd.Series(y, index=range(100, 162), dtype="category")
    assert dict(retrieval_report(frame, labels)) == dict(retrieval_report(E, y))


@pytest.mark.parametrize("kind", [str, int, float, object, bool])
def test_labels_of_any_type(generic, kind):
    E, y = generic
    codes = (y == "a").astype(int)
    names = codes.astype(kind) if kind is not object else np.where(codes, "x", "yy")
    assert dict(retrieval_report(E, names)) == dict(retrieval_report(E, codes))
    options = {"index": E[30:], "index_labels": names[30:].tolist()}
    expected = retrieval_report(E[:30], codes[:30], index=E[30:], index_labels=codes[30:])
    assert dict(retrieval_report(E[:30], names[:30], **options)) == dict(expected)


def test_labels_without_an_order(generic):
    E, y = generic
    codes = np.unique(y, return_inverse=True)[1]
    sets = [frozenset([code, (code + 1) % 3]) for code in codes]
    assert dict(retrieval_report(E, sets)) == dict(retrieval_report(E, codes))
    found = retrieval_report(E[:30], sets[:30], index=E[30:], index_labels=sets[30:])
    expected = retrieval_report(E[:30], codes[:30], index=E[30:], index_labels=codes[30:])
    assert dict(found) == dict(expected)


def test_scores_do_not_warn_of_numbers(generic):
    E, _ = generic
    for y in (np.arange(len(E)) % 5 - 1, np.arange(len(E)) % 20.0):
        names = np.char.add("c", y.astype(int).astype(str))
        assert dict(retrieval_report(E, y)) == dict(retrieval_report(E, names))


def test_report_is_a_mapping_and_a_table(generic):
    E, y = generic
    report = retrieval_report(E, y, scores=["mrr", "precision_at_3"])
    assert list(report) == ["mrr", "precision_at_3"]
    lines = str(report).split("\n")
    assert lines[0].split() == ["mrr", f"{report['mrr']:.4f}"]
    assert lines[1].split() == ["precision_at_3", f"{report['precision_at_3']:.4f}"]
    assert lines[2] == "60 queries, 2 left out"
    again = pickle.loads(pickle.dumps(report))
    assert dict(again) == dict(report)
    assert again.n_left_out == 2


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


@pytest.mark.parametrize(
    ("scores", "match"),
    [
        (["precision_at_0"], "Got k=0"),
        (["precision_at_k"], "number for k.*precision_at_10"),
        (["map_at_1"], "expected one of"),
        (["MAP@R"], "expected one of .*'map_at_r'"),
        (["map-at-r"], "Did you mean 'map_at_r'"),
        ([3], "expected one of"),
        (["mrr", "precision_at_62"], "at most 61"),
        ([], "at least one word"),
        ("mrr", "sequence"),
        (None, "Got scores=None, but expected a sequence"),
        (3, "Got scores=3, but expected a sequence"),
        (np.array("mrr"), "but expected a sequence"),
        ({}, "at least one word"),
        ([["mrr"]], r"Got score=\['mrr'\]"),
        ([None], "Got score=None"),
        (["precision_at_" + "9" * 5000], "Got score='precision_at_9{,80}[.]{3}"),
        (["precision_at_9999999"], "k=9999999, but expected at most 61"),
    ],
)
def test_unknown_scores(generic, scores, match):
    with pytest.raises(ValueError, match=match):
        retrieval_report(*generic, scores=scores)
