"""The report of several scores, and the labels that it takes."""

import pickle

import numpy as np
import pytest

from skmetric.metrics import retrieval_report
from tests.metrics.score_loops import WORDS, call


@pytest.mark.parametrize("word", WORDS)
def test_the_report_and_the_function_agree(generic, word):
    E, y = generic
    report = retrieval_report(E, y, scores=WORDS)
    assert call(word, E, y) == pytest.approx(report[word], abs=1e-14)


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
