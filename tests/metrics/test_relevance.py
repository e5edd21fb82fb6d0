"""Listed relevant rows and grades: plain loops, labels, and the package ir-measures."""

import math
import tracemalloc
from itertools import product

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn import config_context
from sklearn.metrics import ndcg_score

from skmetric.metrics import ndcg_at_k, retrieval_report, retrieval_scorer
from tests.designs import covering
from tests.metrics.score_loops import METRICS, WORDS, call, ranking, score_by_loops

N_QUERIES, N_DOCUMENTS = 25, 40


@pytest.fixture(params=["apart", "tied"])
def log(request):
    """Queries, documents, and a log in which some are relevant to some queries."""
    rng = np.random.default_rng(5)
    queries = rng.standard_normal((N_QUERIES, 3))
    documents = rng.standard_normal((N_DOCUMENTS, 3))
    if request.param == "tied":
        queries, documents = (np.round(rows) for rows in (queries, documents))
    relevant = np.argwhere(rng.random((N_QUERIES, N_DOCUMENTS)) < 0.08)
    relevant = relevant[~np.isin(relevant[:, 0], [3, 11])]  # These two have none.
    return queries, documents, rng.permutation(relevant)


def as_dict(relevant, grades=None):
    """Grades by query and row."""
    grades = np.ones(len(relevant)) if grades is None else grades
    found = {}
    for (query, row), grade in zip(np.asarray(relevant).tolist(), grades, strict=True):
        if grade > 0:
            found.setdefault(query, {})[row] = grade
    return found


def by_loops(words, E, index, relevant, grades=None, metric="euclidean"):
    """Mean of each score over the queries with a relevant row, and their number."""
    listed = as_dict(relevant, grades)
    values = {word: [] for word in words}
    for query, grade_of in listed.items():
        itself = query if index is None else None
        order = ranking(E[query], E if index is None else index, metric, itself)
        gains = [grade_of.get(row, 0) for row in order]
        hits = [gain > 0 for gain in gains]
        for word in words:
            name, _, k = word.rpartition("_")
            if name == "ndcg_at":
                values[word].append(dcg(gains, k) / dcg(sorted(gains)[::-1], k))
            else:
                values[word].append(score_by_loops(word, hits, sum(hits)))
    return {word: sum(v) / len(v) for word, v in values.items()}, len(listed)


def dcg(gains, k):
    return sum(gain / math.log2(i + 2) for i, gain in enumerate(gains[: int(k)]))


@pytest.mark.parametrize(
    ("metric", "itself", "graded", "path"),
    covering(product(METRICS[:1] + METRICS[2:], [0, 1], [0, 1], ["search", "sort"])),
    indirect=["path"],
)
def test_scores_against_loops(log, metric, itself, graded, path):
    queries, documents, relevant = log
    if metric == "cosine":  # Its ties are decided by rounding.
        queries, documents = (
            rows + np.linspace(0.1, 1, len(rows))[:, None] ** [1, 2, 3]
            for rows in (queries, documents)
        )
    if itself:
        documents = None
        relevant = relevant[(relevant < N_QUERIES).all(axis=1)]
        relevant = relevant[relevant[:, 0] != relevant[:, 1]]
    grades = np.random.default_rng(0).integers(0, 4, len(relevant)) if graded else None
    expected, n_scored = by_loops(WORDS, queries, documents, relevant, grades, metric)
    options = {"index": documents, "relevant": relevant, "grades": grades}
    report = retrieval_report(queries, scores=WORDS, metric=metric, **options)
    assert dict(report) == pytest.approx(expected, abs=1e-12)
    assert (report.n_queries, report.n_left_out) == (n_scored, N_QUERIES - n_scored)
    assert report.n_left_out >= 2


@pytest.mark.parametrize("word", WORDS)
def test_functions_and_scorers_are_the_report(log, word):
    queries, documents, relevant = log
    options = {"index": documents, "relevant": relevant, "grades": np.arange(len(relevant))}
    expected = retrieval_report(queries, scores=[word], **options)[word]
    assert call(word, queries, None, **options) == pytest.approx(expected, abs=1e-14)
    assert retrieval_scorer(word).score_embedding(queries, **options) == expected


@pytest.mark.parametrize("itself", [True, False])
def test_labels_are_a_list(generic, itself, path):
    E, y = generic
    index, labels = (None, None) if itself else (E[20:], y[20:])
    same = y[:, None] == (y if itself else labels)
    if itself:
        np.fill_diagonal(same, False)
    expected = retrieval_report(E, y, scores=WORDS, index=index, index_labels=labels)
    found = retrieval_report(E, scores=WORDS, index=index, relevant=np.argwhere(same))
    assert dict(found) == dict(expected)
    assert found.n_left_out == expected.n_left_out


def test_order_and_copies_of_the_list_do_not_matter(log):
    queries, documents, relevant = log
    grades = np.arange(len(relevant)) % 4
    expected = retrieval_report(
        queries, scores=WORDS, index=documents, relevant=relevant, grades=grades
    )
    again = np.random.default_rng(0).integers(0, len(relevant), 3 * len(relevant))
    again = np.append(again, np.arange(len(relevant)))
    found = retrieval_report(
        queries,
        scores=WORDS,
        index=documents,
        relevant=relevant[again],
        grades=grades[again],
    )
    assert dict(found) == dict(expected)


def test_the_unit_of_grades_does_not_matter(log):
    queries, documents, relevant = log
    grades = np.arange(len(relevant)) % 4
    options = {"index": documents, "relevant": relevant}
    expected = ndcg_at_k(queries, None, 5, grades=grades, **options)
    for unit in (3, 1e-300, 5e307):
        found = ndcg_at_k(queries, None, 5, grades=unit * grades, **options)
        assert found == pytest.approx(expected, rel=1e-12)


def test_ndcg_is_that_of_scikit_learn(log):
    queries, documents, relevant = log
    D = np.linalg.norm(queries[:, None] - documents, axis=2)
    D += 1e-9 * np.arange(N_DOCUMENTS)  # Ties by row number.
    grades = np.random.default_rng(1).random(len(relevant))
    table = np.zeros(D.shape)
    table[tuple(relevant.T)] = grades
    scored = table.any(axis=1)
    options = {"index": documents, "relevant": relevant, "grades": grades}
    for k in (1, 4, 40):
        expected = ndcg_score(table[scored], -D[scored], k=k)
        assert ndcg_at_k(queries, None, k, **options) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("graded", [False, True])
def test_scores_are_those_of_ir_measures(graded):
    ir_measures = pytest.importorskip("ir_measures")
    from ir_measures import AP, RR, P, R, Rprec, Success, nDCG

    pytest.importorskip("pytrec_eval")
    rng = np.random.default_rng(2)
    queries, documents = rng.standard_normal((30, 4)), rng.standard_normal((80, 4))
    relevant = np.argwhere(rng.random((30, 80)) < 0.05)
    grades = rng.integers(1, 5, len(relevant)) if graded else None
    listed = as_dict(relevant, grades)
    qrels = {
        str(query): {str(row): int(grade) for row, grade in grade_of.items()}
        for query, grade_of in listed.items()
    }
    run = {
        query: {
            str(row): -float(np.linalg.norm(queries[int(query)] - documents[row]))
            for row in range(len(documents))
        }
        for query in qrels
    }
    measures = {
        "precision_at_5": P @ 5,
        "success_at_5": Success @ 5,
        "recall_at_5": R @ 5,
        "recall_at_30": R @ 30,
        "ndcg_at_5": nDCG @ 5,
        "ndcg_at_80": nDCG @ 80,
        "r_precision": Rprec,
        "map": AP,
        "mrr": RR,
    }
    expected = ir_measures.calc_aggregate(measures.values(), qrels, run)
    report = retrieval_report(
        queries, scores=list(measures), index=documents, relevant=relevant, grades=grades
    )
    for word, measure in measures.items():
        assert report[word] == pytest.approx(expected[measure], abs=1e-12), word


@pytest.mark.parametrize("working_memory", [0.05, 0.005])
def test_blocks_do_not_matter(log, working_memory, path):
    queries, documents, relevant = log
    options = {"index": documents, "relevant": relevant, "grades": np.arange(len(relevant))}
    expected = retrieval_report(queries, scores=WORDS, **options)
    with config_context(working_memory=working_memory):
        found = retrieval_report(queries, scores=WORDS, **options)
    assert dict(found) == pytest.approx(dict(expected), abs=1e-13)


@pytest.mark.parametrize("scores", [["map_at_r", "ndcg_at_10"], ["map"], ["mrr"]])
def test_memory_is_bounded(scores):
    rng = np.random.default_rng(0)
    queries, documents = rng.standard_normal((4000, 8)), rng.standard_normal((4000, 8))
    relevant = rng.integers(0, 4000, (8000, 2))
    options = {"index": documents, "relevant": relevant, "grades": np.full(8000, 2.0)}
    with config_context(working_memory=8):
        tracemalloc.start()
        retrieval_report(queries, scores=scores, **options)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    # The data, and blocks; all distances would be 128 MB.
    assert peak < 16 * 2**20


def test_forms_of_the_list(log):
    pd = pytest.importorskip("pandas")
    queries, documents, relevant = log
    expected = dict(retrieval_report(queries, index=documents, relevant=relevant))
    for form in (
        relevant.tolist(),
        tuple(relevant.T),
        relevant.astype(np.uint8),
        pd.DataFrame(relevant, columns=["query", "document"]),
        pd.MultiIndex.from_arrays(relevant.T),
    ):
        assert dict(retrieval_report(queries, index=documents, relevant=form)) == expected


RELEVANT = np.array([[0, 0], [1, 39]])


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"relevant": [[0, 40]]}, ValueError, "40 to 40, .* 0 to 39: index has 40 rows"),
        ({"relevant": [[25, 0]]}, ValueError, "25 to 25, .* 0 to 24: E has 25 rows"),
        ({"relevant": [[-1, 0]]}, ValueError, "from -1 to -1"),
        ({"relevant": [[0, 1, 2]]}, ValueError, r"shape \(1, 3\).*into the index"),
        ({"relevant": np.zeros((2, 5), int)}, ValueError, "Transpose it"),
        ({"relevant": RELEVANT / 1.0}, TypeError, "integers.*dtype=int"),
        ({"relevant": RELEVANT.astype(str)}, TypeError, "get_indexer"),
        ({"relevant": []}, ValueError, "Got no relevant"),
        ({"relevant": 3}, ValueError, "relevant=3"),
        ({"relevant": RELEVANT, "grades": [1]}, ValueError, r"grades of shape \(1,\)"),
        ({"relevant": RELEVANT, "grades": [1, -1]}, ValueError, "from -1.0 to 1.0"),
        ({"relevant": RELEVANT, "grades": [0, 0]}, ValueError, "from 0.0 to 0.0"),
        ({"relevant": RELEVANT, "grades": [1, np.nan]}, ValueError, "grades contains NaN"),
        (
            {"relevant": RELEVANT[[0, 1, 0]], "grades": [1, 1, 2]},
            ValueError,
            "different grades",
        ),
        ({"grades": [1]}, ValueError, "grades without relevant"),
        ({}, ValueError, "y=None and relevant=None"),
        ({"y": np.zeros(25), "relevant": RELEVANT}, ValueError, "one of them"),
        (
            {"index_labels": np.zeros(40), "relevant": RELEVANT},
            ValueError,
            "one of them",
        ),
        ({"index": None, "relevant": [[3, 3]]}, ValueError, "a query and itself"),
        ({"index": None, "relevant": [[3, 30]]}, ValueError, "0 to 24: E has 25 rows"),
    ],
)
def test_bad_input(options, error, match):
    options = {"index": np.zeros((N_DOCUMENTS, 3))} | options
    with pytest.raises(error, match=match):
        retrieval_report(np.zeros((N_QUERIES, 3)), **options)


# Several labels a row, and rows without one


@pytest.mark.parametrize(
    ("metric", "itself", "path"),
    covering(product(METRICS, [0, 1], ["search", "sort"])),
    indirect=["path"],
)
def test_rows_with_a_label_in_common(metric, itself, path):
    rng = np.random.default_rng(0)
    E, index = rng.standard_normal((30, 3)), rng.standard_normal((45, 3))
    y, index_y = rng.random((30, 5)) < 0.15, rng.random((45, 5)) < 0.15
    labeled, among = y.any(axis=1), index_y.any(axis=1)
    if itself:
        index, index_y, among = E, y, labeled
    shared = (y[labeled].astype(int) @ index_y[among].T.astype(int)) > 0
    if itself:
        np.fill_diagonal(shared, False)
    listed = {"relevant": np.argwhere(shared)}
    options = {"metric": metric, "scores": WORDS}
    if not itself:
        listed["index"] = index[among]
        options |= {"index": index}
    for make in (np.asarray, csr_matrix):
        labels = {} if itself else {"index_labels": make(index_y)}
        found = retrieval_report(E, make(y), **options, **labels)
        expected = retrieval_report(E[labeled], metric=metric, scores=WORDS, **listed)
        assert dict(found) == pytest.approx(dict(expected))
        assert 0 < found.n_queries == expected.n_queries
        assert found.n_left_out == len(E) - expected.n_queries > (~labeled).sum() - 1
    assert call(
        WORDS[0], E, y, **{k: v for k, v in options.items() if k != "scores"}, **labels
    )


@pytest.mark.parametrize("itself", [0, 1])
def test_unlabelled_rows_are_neither_queries_nor_found(itself):
    rng = np.random.default_rng(0)
    E, index = rng.standard_normal((30, 3)), rng.standard_normal((45, 3))
    y, index_y = rng.integers(-1, 4, 30), rng.integers(-1, 4, 45)
    given = {} if itself else {"index": index, "index_labels": index_y}
    labeled = {} if itself else {"index": index[index_y >= 0]}
    if not itself:
        labeled["index_labels"] = index_y[index_y >= 0]
    found = retrieval_report(E, y, scores=WORDS, unlabeled=-1, **given)
    expected = retrieval_report(E[y >= 0], y[y >= 0], scores=WORDS, **labeled)
    assert dict(found) == dict(expected)
    assert found.n_left_out == (y < 0).sum() + expected.n_left_out
    scorer = retrieval_scorer(WORDS, unlabeled=-1)
    assert scorer.score_embedding(E, y, **given) == dict(expected)
    assert repr(scorer).endswith(", unlabeled=-1)")
    for word in WORDS:
        assert call(word, E, y, unlabeled=-1, **given) == pytest.approx(expected[word])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"y": [1, -1], "unlabeled": np.nan}, "unlabeled=nan, but expected"),
        ({"y": [-1, -1], "unlabeled": -1}, "Got y of 2 rows with the label -1"),
        ({"relevant": [[0, 1]], "unlabeled": -1}, "expected one of them"),
        (
            {"y": np.eye(2), "index": [[0.0]], "index_labels": np.ones((1, 3))},
            r"y of shape \(2, 2\) and index_labels of shape \(1, 3\)",
        ),
        (
            {"y": np.eye(2), "index": [[0.0]], "index_labels": [1]},
            r"y of shape \(2, 2\) and index_labels of shape \(1,\)",
        ),
    ],
)
def test_labels_that_do_not_fit(given, message):
    with pytest.raises(ValueError, match=message):
        retrieval_report([[0.0], [1.0]], **given)
