"""Class-disjoint splits, and splits of a log of matches."""

from itertools import product

import numpy as np
import pytest
from sklearn.model_selection import check_cv

from skmetric.model_selection import ClassDisjointShuffleSplit, MatchShuffleSplit

SIZES = np.array([1, 2, 3, 4, 10, 11, 12, 13, 40, 50, 60, 70])
Y = np.random.default_rng(0).permutation(np.repeat(list("abcdefghijkl"), SIZES))


def sizes_of(y, rows):
    return np.sort(np.unique(y[rows], return_counts=True)[1])


@pytest.mark.parametrize("test_size", [0.1, 0.25, 0.5, 0.7])
def test_classes_and_rows_are_parted(test_size):
    n_test = round(test_size * len(SIZES))
    for train, test in ClassDisjointShuffleSplit(20, test_size=test_size).split(Y, Y):
        np.testing.assert_array_equal(np.sort(np.r_[train, test]), np.arange(len(Y)))
        assert not set(Y[train]) & set(Y[test])
        assert len(set(Y[test])) == n_test


def test_every_split_has_classes_of_all_sizes():
    # Three test classes: one of the four smallest, middle, and largest each.
    for test_size in (0.25, 0.75):
        splits = ClassDisjointShuffleSplit(50, test_size=test_size, random_state=0)
        for train, test in splits.split(Y, Y):
            few = sizes_of(Y, test if test_size < 0.5 else train)
            assert np.searchsorted([5, 20], few).tolist() == [0, 1, 2]


def test_each_class_has_its_turn():
    splits = ClassDisjointShuffleSplit(400, test_size=0.25, random_state=0)
    times = dict.fromkeys(Y.tolist(), 0)
    for _, test in splits.split(Y, Y):
        for label in set(Y[test].tolist()):
            times[label] += 1
    # One in four, within 5 standard deviations.
    assert all(abs(n - 100) < 5 * np.sqrt(400 * 0.25 * 0.75) for n in times.values())


def test_classes_of_one_size_are_drawn_freely():
    y = np.repeat(np.arange(6), 3)
    splits = ClassDisjointShuffleSplit(300, test_size=2 / 6, random_state=0)
    drawn = {tuple(sorted(set(y[test].tolist()))) for _, test in splits.split(y, y)}
    assert len(drawn) == 15  # all pairs of six


def test_seeds():
    splits = ClassDisjointShuffleSplit(5, random_state=3)
    first, again = (list(splits.split(None, Y)) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one[1], other[1])
    assert len({tuple(test) for _, test in first}) > 1
    other = ClassDisjointShuffleSplit(5, random_state=4).split(None, Y)
    assert any(
        one[1].tolist() != two[1].tolist() for one, two in zip(first, other, strict=True)
    )


def test_labels_without_an_order():
    sets = [frozenset("ab"), frozenset("bc"), frozenset("c"), frozenset("a")]
    y = [frozenset(sets[code]) for code in np.arange(40) % 4]
    for train, test in ClassDisjointShuffleSplit(20, random_state=0).split(None, y):
        assert len(train) == len(test) == 20
        assert not {y[i] for i in train} & {y[i] for i in test}


def test_it_is_a_splitter():
    splits = ClassDisjointShuffleSplit(5, random_state=3)
    assert check_cv(splits) is splits
    assert splits.get_n_splits(Y, Y, Y) == 5
    expected = "ClassDisjointShuffleSplit(n_splits=5, test_size=0.5, random_state=3)"
    assert repr(splits) == expected


def test_two_classes():
    for test_size in (0.01, 0.99):
        splits = ClassDisjointShuffleSplit(3, test_size=test_size)
        for train, test in splits.split(None, ["a", "a", "b"]):
            assert sorted([len(train), len(test)]) == [1, 2]


@pytest.mark.parametrize(
    ("options", "y", "match"),
    [
        ({"n_splits": 0}, Y, "n_splits=0"),
        ({"test_size": 1.0}, Y, r"test_size=1\.0"),
        ({"test_size": 0}, Y, "test_size=0"),
        ({}, np.zeros(5), "at least 2 classes"),
        ({}, [np.nan, 1.0], "NaN"),
    ],
)
def test_bad_input(options, y, match):
    with pytest.raises(ValueError, match=match):
        next(ClassDisjointShuffleSplit(**options).split(None, y))


# Logs of matches


def log(n_queries, n_documents, n_matches, seed=0):
    rng = np.random.default_rng(seed)
    columns = [rng.integers(0, n, n_matches) for n in (n_queries, n_documents)]
    return np.column_stack(columns)


SPARSE, DENSE = log(700, 1400, 400), log(40, 60, 200)


def keys_of(match, unseen):
    """What of a match the two parts may not share."""
    query, document = match
    if unseen == "rows":
        return {query, document}
    return {("query", query)} | (
        {("document", document)} if unseen == "documents" else set()
    )


def groups_by_loops(matches, unseen):
    """Matches, by row number, that are linked by what the parts may not share."""
    groups = []  # Of (keys, matches).
    for i, match in enumerate(matches.tolist()):
        keys, members = keys_of(match, unseen), {i}
        for group in [group for group in groups if group[0] & keys]:
            groups.remove(group)
            keys, members = keys | group[0], members | group[1]
        groups.append((keys, members))
    return {frozenset(members) for _, members in groups}


@pytest.mark.parametrize("unseen", ["queries", "documents", "rows"])
def test_groups_of_matches_stay_whole(unseen):
    groups = groups_by_loops(SPARSE, unseen)
    assert len(groups) > 50
    splits = MatchShuffleSplit(20, unseen=unseen, random_state=0)
    tested = set()
    for train, test in splits.split(SPARSE):
        np.testing.assert_array_equal(np.sort(np.r_[train, test]), np.arange(len(SPARSE)))
        parts = [
            set().union(*(keys_of(match, unseen) for match in SPARSE[part].tolist()))
            for part in (train, test)
        ]
        assert not parts[0] & parts[1]
        here = {group for group in groups if group <= set(test.tolist())}
        assert sum(map(len, here)) == len(test)
        tested |= here
    # No more is kept together than must be: nearly all small groups have had their turn.
    small = {group for group in groups if len(group) < 5}
    assert len(tested & small) > 0.95 * len(small)


@pytest.mark.parametrize(
    ("unseen", "test_size"),
    list(product(["queries", "documents", "rows"], [0.05, 0.25, 0.5])),
)
def test_the_share_of_matches(unseen, test_size):
    splits = MatchShuffleSplit(20, unseen=unseen, test_size=test_size, random_state=0)
    shares = [len(test) / len(SPARSE) for _, test in splits.split(SPARSE)]
    # A group of one match fills the part at the end.
    assert min(shares) > test_size - 2 / len(SPARSE)
    assert max(shares) <= test_size


def test_new_queries_of_a_log_that_is_linked():
    with pytest.raises(ValueError, match=r"1 group of linked queries.*unseen='queries'"):
        next(MatchShuffleSplit(unseen="documents").split(DENSE))
    for train, test in MatchShuffleSplit(5).split(DENSE):
        assert set(DENSE[train, 1]) & set(DENSE[test, 1])
        assert not set(DENSE[train, 0]) & set(DENSE[test, 0])


def test_rows_of_one_table_are_one_node():
    chain = np.array([[0, 1], [1, 2], [2, 3]])
    for train, test in MatchShuffleSplit(3, unseen="documents").split(chain):
        assert set(chain[train].ravel()) & set(chain[test].ravel())
    with pytest.raises(ValueError, match="1 group of linked rows"):
        next(MatchShuffleSplit(unseen="rows").split(chain))


def test_one_large_group_is_a_warning():
    matches = np.column_stack([np.arange(100), np.maximum(np.arange(100) - 95, 0)])
    splits = MatchShuffleSplit(1, unseen="documents", random_state=0)
    with pytest.warns(UserWarning, match=r"test part of 0\.04 of the matches.*0\.25"):
        ((train, test),) = splits.split(matches)
    assert (len(train), len(test)) == (96, 4)
    splits = MatchShuffleSplit(1, unseen="documents", test_size=0.01)
    with pytest.warns(UserWarning, match=r"test part of 0\.25 of the matches"):
        ((_, test),) = splits.split(np.repeat([[0, 0], [1, 1], [2, 2], [3, 3]], 5, axis=0))
    assert len(test) == 5


def test_seeds_of_matches():
    splits = MatchShuffleSplit(4, unseen="documents", random_state=3)
    first, again = ([t.tolist() for _, t in splits.split(SPARSE)] for _ in range(2))
    assert first == again
    assert len(set(map(tuple, first))) == 4
    other = MatchShuffleSplit(4, unseen="documents", random_state=4).split(SPARSE)
    assert first != [test.tolist() for _, test in other]


def test_names_of_rows_do_not_matter():
    names = np.random.default_rng(0).permutation(10**6)[: SPARSE.max() + 1] - 500
    for unseen in ("queries", "documents", "rows"):
        splits = MatchShuffleSplit(3, unseen=unseen, random_state=0)
        expected = groups_by_loops(SPARSE, unseen)
        assert groups_by_loops(names[SPARSE], unseen) == expected
        for train, test in splits.split(names[SPARSE].tolist()):
            assert not any(
                group & set(train.tolist()) and group & set(test.tolist())
                for group in expected
            )


def test_it_is_a_splitter_of_matches():
    splits = MatchShuffleSplit(5, unseen="rows", random_state=3)
    assert check_cv(splits) is splits
    assert splits.get_n_splits(SPARSE) == 5
    expected = (
        "MatchShuffleSplit(n_splits=5, unseen='rows', test_size=0.25, random_state=3)"
    )
    assert repr(splits) == expected


@pytest.mark.parametrize(
    ("options", "matches", "error", "match"),
    [
        ({"n_splits": 0}, SPARSE, ValueError, "n_splits=0"),
        ({"test_size": 1.0}, SPARSE, ValueError, r"test_size=1\.0"),
        ({"unseen": "both"}, SPARSE, ValueError, "unseen='both'.*'documents', 'queries'"),
        ({}, SPARSE.astype(str), TypeError, "get_indexer"),
        ({}, SPARSE.astype(float), TypeError, "dtype=int"),
        ({}, SPARSE[:, 0], ValueError, r"shape \(400,\).*a query and a document"),
        ({}, SPARSE[:0], ValueError, "Got no matches"),
        ({}, SPARSE[[0, 0]], ValueError, "2 matches of 1 query, but expected at least 2"),
    ],
)
def test_bad_matches(options, matches, error, match):
    with pytest.raises(error, match=match):
        next(MatchShuffleSplit(**options).split(matches))


def test_unlabelled_rows_are_always_trained_on():
    y = np.array(list("aabbccdd????"))
    splits = ClassDisjointShuffleSplit(20, unlabeled="?", random_state=0)
    plain = ClassDisjointShuffleSplit(20, random_state=0)
    both = zip(splits.split(y, y), plain.split(y[:8], y[:8]), strict=True)
    for (train, test), (expected_train, expected_test) in both:
        np.testing.assert_array_equal(test, expected_test)
        np.testing.assert_array_equal(train, [*expected_train, 8, 9, 10, 11])
    assert "unlabeled='?'" in repr(splits)
