"""Epochs visit every row once, in stratified batches."""

import numpy as np
import pytest

from skmetric.mining._sampler import (
    ROWS_PER_CLASS,
    draws_by_class,
    epoch,
    hold_out,
    stratified_part,
)


def batches_of(y, batch_size, seed=0):
    return list(epoch(y, batch_size, np.random.RandomState(seed)))


def labels(*sizes):
    y = np.repeat(np.arange(len(sizes)), sizes)
    return np.random.RandomState(1).permutation(y)


MANY = labels(*np.random.RandomState(0).randint(2, 40, 150))
CASES = {
    "balanced": (labels(100, 100, 100), 60),
    "unequal": (labels(300, 40, 7, 2), 64),
    "singletons": (labels(50, 1, 1, 30, 1), 16),
    "one batch": (labels(5, 6), 256),
    "two rows": (labels(2, 1), 4),
    "150 classes": (MANY, 64),
    "150 classes, few rows a batch": (MANY, 4),
    "1,000 classes of 5": (labels(*[5] * 1000), 256),
}


@pytest.mark.parametrize("case", CASES)
def test_every_possible_anchor_is_visited_exactly_once(case):
    y, batch_size = CASES[case]
    visits, as_anchor = np.zeros(len(y), int), np.zeros(len(y), int)
    for rows in batches_of(y, batch_size):
        assert len(np.unique(rows)) == len(rows)
        sizes = np.bincount(y[rows], minlength=y.max() + 1)
        visits[rows] += 1
        as_anchor[rows] += sizes[y[rows]] > 1
    possible = np.bincount(y)[y] > 1
    assert visits.min() == 1
    np.testing.assert_array_equal(as_anchor, possible)


@pytest.mark.parametrize("case", CASES)
def test_every_batch_has_negatives(case):
    y, batch_size = CASES[case]
    assert all(len(np.unique(y[rows])) > 1 for rows in batches_of(y, batch_size))


def test_rows_are_visited_once_where_every_batch_has_two_classes():
    for y, batch_size in (CASES["balanced"], CASES["150 classes"]):
        rows = np.concatenate(batches_of(y, batch_size))
        np.testing.assert_array_equal(np.sort(rows), np.arange(len(y)))


def test_few_classes_are_shared_out_evenly():
    y, batch_size = CASES["balanced"]
    batches = batches_of(y, batch_size)
    assert len(batches) == 5
    for rows in batches:
        np.testing.assert_array_equal(np.bincount(y[rows]), [20, 20, 20])


def test_many_classes_take_turns_in_pieces():
    sizes = np.bincount(MANY)
    batches = batches_of(MANY, 64)
    assert len(batches) == round(len(MANY) / 64)
    for rows in batches:
        assert 64 - 2 * ROWS_PER_CLASS <= len(rows) <= 64 + 2 * ROWS_PER_CLASS
        in_batch = np.bincount(MANY[rows], minlength=150)
        assert in_batch[in_batch > 0].min() >= 2
        assert np.count_nonzero(in_batch) >= 64 / (3 * ROWS_PER_CLASS)
    # A class is spread over the epoch, not dealt out in one go.
    large = np.flatnonzero(sizes >= 4 * ROWS_PER_CLASS)
    assert len(large)
    for label in large:
        assert sum((MANY[rows] == label).any() for rows in batches) >= 3


def test_a_rare_class_leaves_no_batch_without_negatives():
    y = labels(1000, 3)
    batches = batches_of(y, 50)
    assert len(batches) == 20
    assert all((y[rows] == 1).any() and (y[rows] == 0).any() for rows in batches)
    common = np.concatenate([rows[y[rows] == 0] for rows in batches])
    np.testing.assert_array_equal(np.sort(common), np.flatnonzero(y == 0))


def test_epochs_differ_and_seeds_repeat():
    y, rng = CASES["balanced"][0], np.random.RandomState(0)
    one, other = (np.concatenate(list(epoch(y, 60, rng))) for _ in range(2))
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(one, np.concatenate(batches_of(y, 60)))


def test_hold_out_takes_a_share_of_each_class_and_leaves_two_rows():
    y = labels(100, 50, 9, 3, 2, 1)
    kept, held = hold_out(y, 0.5, np.random.RandomState(0))
    np.testing.assert_array_equal(np.sort(np.r_[kept, held]), np.arange(len(y)))
    assert np.bincount(y[held], minlength=6).tolist() == [50, 25, 4, 1, 0, 0]
    assert (np.diff(kept) > 0).all() and (np.diff(held) > 0).all()


def test_hold_out_refuses_classes_too_small():
    with pytest.raises(ValueError, match=r"validation_fraction=0\.1.*largest has 5"):
        hold_out(labels(5, 4), 0.1, np.random.RandomState(0))


@pytest.mark.parametrize(
    ("share", "counts"), [(0.01, [2, 1, 2, 2, 2]), (0.3, [3, 1, 2, 2, 6])]
)
def test_a_part_has_at_least_two_rows_of_each_class(share, counts):
    y = np.repeat([0, 1, 2, 3, 4], [9, 1, 2, 3, 20])
    rows = stratified_part(y, share, np.random.RandomState(0))
    assert np.bincount(y[rows]).tolist() == counts


def test_half_of_each_class():
    y = np.repeat([0, 1, 2, 3, 4], [9, 1, 2, 3, 20])
    rows = stratified_part(y, 0.5, np.random.RandomState(0))
    assert np.bincount(y[rows]).tolist() == [5, 1, 2, 2, 10]
    assert (np.diff(rows) > 0).all()
    other = stratified_part(y, 0.5, np.random.RandomState(1))
    assert not np.array_equal(rows, other)


def test_classes_come_as_often_as_asked_and_pieces_repeat_no_row():
    y, rng = labels(1000, *[4] * 60, 1), np.random.RandomState(0)
    counts = draws_by_class(np.bincount(y), len(y) / (62 * np.bincount(y)))
    np.testing.assert_array_equal(counts, np.full(62, 20))
    np.testing.assert_array_equal(
        draws_by_class(np.array([9, 1, 0]), np.zeros(3)), [2, 1, 0]
    )
    batches = list(epoch(y, 100, rng, counts))
    drawn = np.concatenate(batches)
    np.testing.assert_array_equal(np.bincount(y[drawn]), counts)
    times = np.bincount(drawn, minlength=len(y))
    for label in range(62):
        assert np.ptp(times[y == label]) <= 1
    again = [len(rows) - len(np.unique(rows)) for rows in batches]
    assert sum(again) < 0.1 * sum(counts)
