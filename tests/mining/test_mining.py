"""Every selection against plain loops, on data where ties and duplicates abound."""

import itertools

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn import config_context

from skmetric.mining import _strategies, mine_pairs, mine_triplets
from tests.designs import covering

METRICS = ("sqeuclidean", "euclidean", "cosine")
POSITIVES = ("all", "nearest", "hard", "random")
N_IMPOSTORS = 3
NEGATIVES = ("all", "nearest", "semihard", "hard", "random", "distance_weighted")


def designed(negatives):
    """Cases of every selection under every metric, and of few and many neighbours."""
    cases = [
        case
        for case in itertools.product(POSITIVES, negatives, METRICS, [3, 100])
        if case[1] != "distance_weighted" or case[2] == "cosine"
    ]
    names = ("positives", "negatives", "metric", "n_neighbors")
    return pytest.mark.parametrize(names, covering(cases))


@pytest.fixture(scope="module")
def data():
    """Corners of the 24-cell, some twice as far out: exact distances in every metric."""
    axes = np.vstack([2 * np.eye(4), -2 * np.eye(4)])
    corners = np.array(list(itertools.product([-1, 1], repeat=4)))
    rng = np.random.default_rng(5)
    E = rng.permutation(np.vstack([axes, corners]))
    E = np.vstack([E, E[:8]])  # duplicates
    E[::3] *= 2
    E = np.asarray(E, dtype=float)
    y = np.array(["b"] * 15 + ["a"] * 1 + ["d"] * 6 + ["c"] * 10)
    return E, rng.permutation(y)


def distances(E, metric):
    if metric == "cosine":
        E = E / np.linalg.norm(E, axis=1, keepdims=True)
        return np.array([[((a - b) ** 2).sum() / 2 for b in E] for a in E])
    D = np.array([[((a - b) ** 2).sum() for b in E] for a in E])
    return np.sqrt(D) if metric == "euclidean" else D


def positives_by_loops(D, y, word, n_neighbors):
    """For each anchor its positives; a list of alternatives if drawn."""
    chosen = {}
    for a in range(len(y)):
        same = [p for p in range(len(y)) if y[p] == y[a] and p != a]
        if word == "nearest":
            same = sorted(same, key=lambda p: (D[a, p], p))[:n_neighbors]
        elif word == "hard":
            same = sorted(same, key=lambda p: (-D[a, p], p))[:1]
        chosen[a] = same
    return chosen


def negatives_by_loops(D, y, word, a, p):
    others = [n for n in range(len(y)) if y[n] != y[a]]
    if word == "hard":
        return [min(others, key=lambda n: (D[a, n], n))]
    if word == "nearest":
        return sorted(sorted(others, key=lambda n: (D[a, n], n))[:N_IMPOSTORS])
    if word == "semihard":
        farther = [n for n in others if D[a, n] > D[a, p]]
        if farther:
            return [min(farther, key=lambda n: (D[a, n], n))]
        return [min(others, key=lambda n: (-D[a, n], n))]
    return others


@designed(NEGATIVES)
def test_triplets_against_loops(data, positives, negatives, metric, n_neighbors):
    E, y = data
    D = distances(E, metric)
    triplets = mine_triplets(
        E,
        y,
        positives=positives,
        negatives=negatives,
        metric=metric,
        n_neighbors=n_neighbors,
        n_impostors=N_IMPOSTORS,
        random_state=0,
    )
    assert triplets.dtype.kind == "i"
    assert triplets.shape[1] == 3
    assert (np.diff(triplets[:, 0]) >= 0).all()
    found = {}
    for a, p, n in triplets.tolist():
        found.setdefault(a, {}).setdefault(p, []).append(n)
    expected = positives_by_loops(D, y, positives, n_neighbors)
    assert set(found) == {a for a, chosen in expected.items() if chosen}
    for a, by_positive in found.items():
        if positives == "random":
            assert len(by_positive) == 1
            assert set(by_positive) <= set(expected[a])
        else:
            assert set(by_positive) == set(expected[a])
        for p, chosen in by_positive.items():
            allowed = negatives_by_loops(D, y, negatives, a, p)
            if negatives in ("random", "distance_weighted"):
                assert len(chosen) == 1
                assert set(chosen) <= set(allowed)
            else:
                assert sorted(chosen) == allowed


@designed([word for word in NEGATIVES if word != "semihard"])
def test_pairs_against_loops(data, positives, negatives, metric, n_neighbors):
    E, y = data
    D = distances(E, metric)
    pairs, similar = mine_pairs(
        E,
        y,
        positives=positives,
        negatives=negatives,
        metric=metric,
        n_neighbors=n_neighbors,
        n_impostors=N_IMPOSTORS,
        random_state=0,
    )
    assert pairs.dtype.kind == "i"
    assert similar.dtype == bool
    np.testing.assert_array_equal(similar, y[pairs[:, 0]] == y[pairs[:, 1]])
    near = positives_by_loops(D, y, positives, n_neighbors)
    far = {a: negatives_by_loops(D, y, negatives, a, None) for a in range(len(y))}
    drawn = ("random", "distance_weighted")
    for part, word, expected in (
        (pairs[similar], positives, near),
        (pairs[~similar], negatives, far),
    ):
        found = sorted(map(tuple, part.tolist()))
        every = sorted((a, b) for a, chosen in expected.items() for b in chosen)
        if word == "all":
            assert found == [(a, b) for a, b in every if a < b]
        elif word in drawn:
            assert [a for a, _ in found] == [a for a in expected if expected[a]]
            assert set(found) <= set(every)
        else:
            assert found == every


def drawn_positive(distances, candidates, random_state):
    anchors = np.flatnonzero(candidates.any(axis=1))
    keys = np.where(candidates, random_state.uniform(size=candidates.shape), -1)
    return anchors, keys.argmax(axis=1)[anchors]


def drawn_negative(distances, candidates, anchors, positives, random_state):
    keys = np.where(
        candidates[anchors], random_state.normal(size=(len(anchors), len(distances.T))), -99
    )
    return keys.argmax(axis=1)


@pytest.mark.parametrize("limit", [None, 20])
@pytest.mark.parametrize("n_neighbors", [2, 100])
@pytest.mark.parametrize("negatives", [*NEGATIVES, drawn_negative])
@pytest.mark.parametrize("positives", [*POSITIVES, drawn_positive])
@pytest.mark.parametrize("mine", [mine_triplets, mine_pairs])
def test_blocks_do_not_matter(data, mine, positives, negatives, n_neighbors, limit):
    if mine is mine_pairs and negatives == "semihard":
        pytest.skip("refused, see below")
    E, y = data
    words = {
        "positives": positives,
        "negatives": negatives,
        "metric": "cosine",
        "n_neighbors": n_neighbors,
        "max_triplets" if mine is mine_triplets else "max_pairs": limit,
        "random_state": 0,
    }
    expected = mine(E, y, **words)
    # Blocks of one row, and of seven.
    for entries in (16, 7 * len(y)):
        with config_context(working_memory=64 * entries / 2**20):
            assert len(_strategies.row_blocks(len(y), len(y))) > 1
            np.testing.assert_equal(mine(E, y, **words), expected)


def test_positives_and_negatives_are_drawn_apart():
    E, y = np.zeros((40, 1)), np.repeat([0, 1], 20)
    words = {"positives": "random", "negatives": "random", "random_state": 0}
    positives, negatives = mine_triplets(E, y, **words)[:, 1:].T
    # Whose ranks among their candidates would be equal, were they of the same numbers.
    ranks = positives - 20 * y - (positives > np.arange(40)), negatives - 20 * (1 - y)
    assert np.count_nonzero(ranks[0] == ranks[1]) < 20


@pytest.fixture(params=[0, 99], ids=["sorted", "compared"])
def either_way(request, monkeypatch):
    """Have negatives of few positives found as those of many are, and the reverse."""
    monkeypatch.setattr(_strategies, "FEW_POSITIVES", request.param)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_semihard_against_loops_either_way(data, metric, dtype, either_way):
    E, y = data
    D = distances(E, metric)
    triplets = mine_triplets(
        E.astype(dtype), y, positives="all", negatives="semihard", metric=metric
    )
    assert len(triplets) == sum((y == label).sum() - 1 for label in y)
    for a, p, n in triplets.tolist():
        assert [n] == negatives_by_loops(D, y, "semihard", a, p)


def test_semihard_falls_back_to_the_farthest(either_way):
    E, y = [[0.0], [9.0], [2.0], [-3.0], [3.0]], [0, 0, 1, 1, 1]
    triplets = mine_triplets(E, y, positives="all", negatives="semihard").tolist()
    # Row 0 has no negative beyond row 1, and rows 3 and 4 are equally far.
    assert [0, 1, 3] in triplets
    # Row 1 has: row 3 is farther than row 0.
    assert [1, 0, 3] in triplets


def test_semihard_is_strictly_farther(either_way):
    E, y = [[0.0], [1.0], [-1.0], [-2.0]], [0, 0, 1, 1]
    triplets = mine_triplets(E, y, positives="all", negatives="semihard").tolist()
    assert [0, 1, 3] in triplets


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_minus_zero_is_not_less_than_zero(dtype, either_way):
    D = np.array([[0, -0.0, 0, 1]], dtype=dtype)
    candidates = np.array([[False, False, True, True]])
    found = _strategies.semihard_negatives(
        D, candidates, np.array([0]), np.array([1]), None
    )
    assert found.tolist() == [3]


def test_duplicates_are_no_reason_to_miss_a_row():
    E, y = np.zeros((4, 2)), [0, 0, 1, 1]
    for metric in METRICS:
        found = mine_triplets(E, y, positives="hard", negatives="hard", metric=metric)
        assert found.tolist() == [[0, 1, 2], [1, 0, 2], [2, 3, 0], [3, 2, 0]]


@pytest.mark.parametrize("labels", [["x", "y"], [-1, 1], [0.0, 5.0], [True, False]])
def test_labels_of_any_type(labels):
    E = [[0.0], [1.0], [3.0], [9.0]]
    expected = mine_triplets(E, [0, 0, 1, 1])
    y = np.repeat(np.array(labels), 2)
    np.testing.assert_array_equal(mine_triplets(E, y), expected)


@pytest.mark.parametrize("mine", [mine_triplets, mine_pairs])
def test_labels_without_an_order(mine):
    E = np.random.default_rng(0).normal(size=(30, 2))
    sets = [frozenset("ab"), frozenset("bc"), frozenset("c")]
    y = np.arange(30) % 3
    expected = mine(E, y, random_state=0)
    found = mine(E, [frozenset(sets[code]) for code in y], random_state=0)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("mine", [mine_triplets, mine_pairs])
@pytest.mark.parametrize(
    ("y", "words"),
    [
        (np.arange(12.0) // 2, "6 different values in 12 rows: a regression target"),
        (np.arange(12) % 4 - 1, "unlabelled rows"),
    ],
)
def test_numbers_that_are_hardly_classes(mine, y, words):
    with pytest.warns(UserWarning, match=words) as caught:
        mine(np.eye(12), y)
    assert [warning.filename for warning in caught] == [__file__]


def assert_close_to_counts(counts, share):
    """Counts of independent draws, each within 5 standard deviations."""
    n = counts.sum()
    expected = n * np.asarray(share)
    spread = np.sqrt(np.maximum(expected * (1 - share), 1))
    assert (np.abs(counts - expected) < 5 * spread).all()


def test_random_is_uniform_and_seeded(data):
    rng = np.random.RandomState(0)
    E, y = np.zeros((7, 1)), [0, 0, 0, 0, 1, 1, 1]
    words = {"positives": "random", "negatives": "random"}
    drawn = np.array(
        [mine_triplets(E, y, **words, random_state=rng)[0] for _ in range(600)]
    )
    assert_close_to_counts(np.bincount(drawn[:, 1], minlength=4)[1:], np.full(3, 1 / 3))
    assert_close_to_counts(np.bincount(drawn[:, 2], minlength=7)[4:], np.full(3, 1 / 3))
    first, again, other = (
        mine_triplets(*data, **words, random_state=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_distance_weighted_frequencies():
    angles = np.array([0, 0.1, 0.2, 0.7, 1.3, 2.2, 3.0])
    k = 4
    E = np.zeros((len(angles), k))
    E[:, 0], E[:, 1] = np.cos(angles), np.sin(angles)
    y = np.array([0, 0, 1, 1, 1, 1, 1])
    d = np.linalg.norm(E[2:] - E[0], axis=1)

    def density(d):
        return d ** (k - 2) * (1 - d**2 / 4) ** ((k - 3) / 2)

    weight = np.minimum(1 / density(0.5), 1 / density(d))
    rng = np.random.RandomState(0)
    words = {"negatives": "distance_weighted", "metric": "cosine", "n_neighbors": 3}
    drawn = [mine_triplets(E, y, **words, random_state=rng)[0, 2] for _ in range(1500)]
    counts = np.bincount(drawn, minlength=7)[2:]
    assert_close_to_counts(counts, weight / weight.sum())
    assert counts[0] > counts[2] > counts[3]


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean"])
@pytest.mark.parametrize("mine", [mine_triplets, mine_pairs])
def test_distance_weighted_needs_cosine(data, mine, metric):
    with pytest.raises(ValueError, match="cosine"):
        mine(*data, negatives="distance_weighted", metric=metric)


def test_semihard_has_no_meaning_for_pairs(data):
    with pytest.raises(ValueError, match=r"semihard.*hard"):
        mine_pairs(*data, negatives="semihard")


@pytest.mark.parametrize("negatives", ["all", "semihard"])
@pytest.mark.parametrize("limit", [1, 10, 100, 10**6])
def test_max_triplets(data, negatives, limit):
    options = {"positives": "all", "negatives": negatives}
    every = mine_triplets(*data, **options)
    some = mine_triplets(*data, **options, max_triplets=limit, random_state=0)
    assert len(some) == min(limit, len(every))
    chosen = set(map(tuple, some.tolist()))
    assert len(chosen) == len(some)
    assert chosen <= set(map(tuple, every.tolist()))
    assert (np.diff(some[:, 0]) >= 0).all()


@pytest.mark.parametrize("limit", [1, 10, 100, 10**6])
def test_max_pairs(data, limit):
    every, _ = mine_pairs(*data)
    some, similar = mine_pairs(*data, max_pairs=limit, random_state=0)
    assert len(some) == len(similar) == min(limit, len(every))
    chosen = set(map(tuple, some.tolist()))
    assert len(chosen) == len(some)
    assert chosen <= set(map(tuple, every.tolist()))
    np.testing.assert_array_equal(similar, data[1][some[:, 0]] == data[1][some[:, 1]])


@pytest.mark.parametrize("working_memory", [1024, 0.0001])
@pytest.mark.parametrize("kind", ["all", "semihard", "pairs"])
def test_caps_are_uniform(kind, working_memory):
    E, y = [[0.0], [1.0], [3.0], [9.0], [4.0]], [0, 0, 1, 1, 2]
    rng = np.random.RandomState(0)

    def mine(limit=None):
        if kind == "pairs":
            return mine_pairs(E, y, max_pairs=limit, random_state=rng)[0]
        return mine_triplets(E, y, negatives=kind, max_triplets=limit, random_state=rng)

    every = list(map(tuple, mine().tolist()))
    counts = dict.fromkeys(every, 0)
    with config_context(working_memory=working_memory):
        for _ in range(400):
            for row in mine(2).tolist():
                counts[tuple(row)] += 1
    assert_close_to_counts(
        np.array(list(counts.values())), np.full(len(every), 1 / len(every))
    )


def test_callables_are_strategies(data):
    E, y = data

    def last_positive(distances, candidates, random_state):
        assert distances.shape == candidates.shape
        anchors = np.flatnonzero(candidates.any(axis=1))
        columns = np.arange(candidates.shape[1])
        return anchors, (candidates * columns).max(axis=1)[anchors]

    def last_negative(distances, candidates, anchors, positives, random_state):
        columns = np.arange(candidates.shape[1])
        return (candidates * columns).max(axis=1)[anchors]

    n = len(y)
    last_same = [
        max((p for p in range(n) if y[p] == y[a] and p != a), default=None)
        for a in range(n)
    ]
    last_other = [max(p for p in range(n) if y[p] != y[a]) for a in range(n)]
    expected = [
        [a, last_same[a], last_other[a]] for a in range(n) if last_same[a] is not None
    ]
    words = {"positives": last_positive, "negatives": last_negative}
    assert mine_triplets(E, y, **words).tolist() == expected
    pairs, similar = mine_pairs(E, y, **words)
    assert pairs[similar].tolist() == [[a, p] for a, p, _ in expected]
    assert pairs[~similar].tolist() == [[a, last_other[a]] for a in range(n)]


def none_of_its_own(distances, candidates, random_state):
    return np.nonzero(~candidates)


def itself(distances, candidates, random_state):
    within = np.arange(len(candidates))
    return within, within


def in_disorder(distances, candidates, random_state):
    anchors, columns = np.nonzero(candidates)
    return anchors[::-1], columns[::-1]


def of_two_lengths(distances, candidates, random_state):
    anchors, columns = np.nonzero(candidates)
    return anchors, columns[:-1]


@pytest.mark.parametrize("strategy", [none_of_its_own, itself, in_disorder, of_two_lengths])
@pytest.mark.parametrize("mine", [mine_triplets, mine_pairs])
def test_positives_that_are_none_are_refused(data, mine, strategy):
    with pytest.raises(ValueError, match="strategy for positives"):
        mine(*data, positives=strategy)


def own_class(distances, candidates, anchors, positives, random_state):
    return candidates.argmin(axis=1)[anchors]


def too_few(distances, candidates, anchors, positives, random_state):
    return candidates.argmax(axis=1)[anchors][:-1]


@pytest.mark.parametrize("strategy", [own_class, too_few])
@pytest.mark.parametrize("mine", [mine_triplets, mine_pairs])
def test_negatives_that_are_none_are_refused(data, mine, strategy):
    with pytest.raises(ValueError, match="strategy for negatives"):
        mine(*data, negatives=strategy)


@pytest.mark.parametrize("mine", [mine_triplets, mine_pairs])
@pytest.mark.parametrize(
    ("option", "names"),
    [
        ({"positives": "farthest"}, "'all', 'hard', 'nearest', 'random'"),
        ({"positives": "Nearest"}, "Did you mean 'nearest'"),
        ({"negatives": "semi-hard"}, "semihard"),
        ({"negatives": "distance-weighted"}, "'distance_weighted'"),
        ({"metric": "manhattan"}, "sqeuclidean"),
        ({"n_neighbors": 0}, "n_neighbors"),
    ],
)
def test_unknown_words(data, mine, option, names):
    with pytest.raises(ValueError, match=names):
        mine(*data, **option)


@pytest.mark.parametrize("y", [[0, 0, 0, 0], [0, 1, 2, 3], [0, 0, 1]])
@pytest.mark.parametrize("mine", [mine_triplets, mine_pairs])
def test_labels_of_no_use(mine, y):
    with pytest.raises(ValueError):
        mine(np.eye(4), y)


def test_caps_below_one():
    E, y = np.eye(4), [0, 0, 1, 1]
    with pytest.raises(ValueError, match="max_triplets"):
        mine_triplets(E, y, max_triplets=0)
    with pytest.raises(ValueError, match="max_pairs"):
        mine_pairs(E, y, max_pairs=0)


def test_ties_whatever_the_mean():
    E = [[1.0, 3.0], [2.0, 3.0], [2.0, 0.0], [0.0, 0.0], [2.0, 2.0]]
    triplets = mine_triplets(E, [0, 1, 0, 1, 0], positives="all", negatives="semihard")
    assert [2, 4, 1] in triplets.tolist()


@pytest.mark.parametrize("column", [-1, 99, 0.5, np.nan, None, "a", True])
def test_callables_must_give_column_indices(column):
    def strategy(distances, candidates, anchors, positives, random_state):
        return np.full(len(anchors), column)

    with pytest.raises(ValueError, match="strategy for negatives"):
        mine_triplets([[0.0], [1.0], [3.0]], [0, 0, 1], negatives=strategy)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        7,
        (i for i in range(2)),
        ([0, 1], [1, 0], [2, 2]),
        (None, None),
        ([0.0, np.nan], [1, 0]),
        ([[0], [1]], [[1], [0]]),
        ([0, 1], [[1], [0]]),
        ([[0], [0, 1]], [1, 0]),
        (np.array([1, 0], dtype=np.uint8), np.array([0, 1], dtype=np.uint8)),
        ([0, -1], [1, 0]),
        ([0, 1], (i for i in (1, 0))),
    ],
)
def test_what_is_not_two_arrays_of_indices_is_refused(answer):
    E, y = [[0.0], [1.0], [3.0]], [0, 0, 1]
    with pytest.raises(ValueError, match="strategy for positives"):
        mine_triplets(E, y, positives=lambda *_: answer)
    if not isinstance(answer, tuple):
        with pytest.raises(ValueError, match="strategy for negatives"):
            mine_triplets(E, y, negatives=lambda *_: answer)


def test_callables_may_find_nothing():
    E, y = [[0.0], [1.0], [3.0]], [0, 0, 1]
    triplets = mine_triplets(E, y, positives=lambda *_: ([], []))
    assert triplets.shape == (0, 3)
    pairs, similar = mine_pairs(E, y, positives=lambda *_: ([], []))
    assert len(pairs) and not similar.any()


def test_callables_may_give_integers_of_any_width():
    rng = np.random.default_rng(0)
    E, y = rng.normal(size=(400, 2)), rng.integers(0, 3, 400)

    def narrow(distances, candidates, random_state):
        anchors = np.arange(len(candidates), dtype=np.uint8)
        return anchors, candidates.argmax(axis=1).astype(np.uint16)

    with config_context(working_memory=64 * 100 * 400 / 2**20):
        found = mine_triplets(E, y, positives=narrow, negatives="hard")
    first = [min(p for p in range(400) if y[p] == y[a] and p != a) for a in range(400)]
    np.testing.assert_array_equal(found[:, :2], np.column_stack([np.arange(400), first]))


@pytest.mark.parametrize("side", ["positives", "negatives"])
def test_callables_cannot_change_what_others_need(data, side):
    def meddle(distances, candidates, *others):
        distances[~candidates] = np.inf

    with pytest.raises(ValueError, match="read-only"):
        mine_triplets(*data, **{side: meddle})


@pytest.mark.parametrize("few", [0, 10**9], ids=["partitioned", "in turn"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 3, 40, 69, 70, 10**6])
def test_nearest_against_sorting_either_way(k, dtype, few, monkeypatch):
    monkeypatch.setattr(_strategies, "FEW_NEAREST", few)
    # Many ties, also at the k-th place; anchors with few candidates, and with none.
    rng = np.random.default_rng(0)
    D = rng.integers(0, 5, (30, 70)).astype(dtype)
    candidates = rng.random((30, 70)) < np.linspace(0, 1.2, 30)[:, None]
    candidates[5], candidates[6] = False, True
    anchors, columns = _strategies.nearest_rows(D, candidates, None, k)
    found = list(zip(anchors.tolist(), columns.tolist(), strict=True))
    expected = []
    for a in range(30):
        by_distance = sorted(np.flatnonzero(candidates[a]), key=lambda n: (D[a, n], n))
        chosen = by_distance[:k]
        expected += [(a, n) for n in (chosen if few else sorted(chosen))]
    assert found == expected


@pytest.mark.parametrize("k", [np.uint8(3), np.int8(100), np.int64(2**62)])
def test_any_integer_is_a_number_of_neighbors(data, k):
    words = {"positives": "nearest", "negatives": "nearest"}
    same = min(int(k), 1000)
    expected = mine_triplets(*data, **words, n_neighbors=same, n_impostors=same)
    found = mine_triplets(*data, **words, n_neighbors=k, n_impostors=k)
    np.testing.assert_array_equal(found, expected)
    # Rows so long that far columns are left out first.
    D, candidates = np.arange(3000.0)[None], np.ones((1, 3000), dtype=bool)
    strategy, _ = _strategies.resolve_strategies(
        **words, n_neighbors=k, n_impostors=k, metric="cosine", n_components=2, pairs=False
    )
    assert len(strategy(D, candidates, None)[0]) == min(int(k), 3000)


def test_anchors_without_candidates_are_drawn_none(data):
    D, candidates = np.ones((3, 4)), np.zeros((3, 4), dtype=bool)
    candidates[1, 2:] = True
    found = _strategies.distance_weighted_negatives(
        D, candidates, np.array([1, 1]), None, np.random.RandomState(0), 3
    )
    assert set(found) <= {2, 3}


# Rows without a label, and with several


@pytest.fixture(scope="module")
def sets(data):
    """Sets of labels, some of them empty."""
    n = len(data[0])
    return np.random.default_rng(3).random((n, 4)) < [0.4, 0.3, 0.1, 0.05]


def by_label_sets(E, sets, positives, negatives, n_neighbors):
    """Triplets by loops, of rows with a label."""
    D = distances(E, "sqeuclidean")
    labeled = sets.any(axis=1).nonzero()[0]
    triplets = set()
    for a in labeled:
        near = [p for p in labeled if p != a and (sets[a] & sets[p]).any()]
        far = [p for p in labeled if not (sets[a] & sets[p]).any()]
        by_distance = [sorted(side, key=lambda p: (D[a, p], p)) for side in (near, far)]
        if positives == "nearest":
            near = by_distance[0][:n_neighbors]
        far = by_distance[1][: {"all": None, "nearest": N_IMPOSTORS, "hard": 1}[negatives]]
        triplets |= {(a, p, n) for p in near for n in far}
    return triplets


@pytest.mark.parametrize("memory", [1024, 1e-4])
@pytest.mark.parametrize("negatives", ["all", "nearest", "hard"])
@pytest.mark.parametrize("positives", ["all", "nearest"])
def test_triplets_of_several_labels(data, sets, positives, negatives, memory):
    E, _ = data
    words = {"positives": positives, "negatives": negatives, "n_neighbors": 3}
    with config_context(working_memory=memory):
        found = mine_triplets(E, sets, n_impostors=N_IMPOSTORS, **words)
    expected = by_label_sets(E, sets, **words)
    assert len(found) == len(expected) > 0
    assert set(map(tuple, found.tolist())) == expected
    assert (np.diff(found[:, 0]) >= 0).all()
    few = mine_triplets(
        E, sets, n_impostors=N_IMPOSTORS, max_triplets=20, random_state=0, **words
    )
    assert len(few) == len(set(map(tuple, few.tolist()))) == 20
    assert set(map(tuple, few.tolist())) < expected


def test_pairs_of_several_labels(data, sets):
    E, _ = data
    pairs, similar = mine_pairs(E, sets)
    labeled = sets.any(axis=1).nonzero()[0].tolist()
    expected = {
        (i, j): bool((sets[i] & sets[j]).any())
        for i, j in itertools.combinations(labeled, 2)
    }
    found = zip(map(tuple, pairs.tolist()), similar.tolist(), strict=True)
    assert dict(found) == expected
    assert (np.diff(similar.astype(int)) <= 0).all()
    assert len(mine_pairs(E, sets, max_pairs=7, random_state=0)[0]) == 7


@pytest.mark.parametrize("mine", [mine_triplets, mine_pairs])
def test_unlabelled_rows_are_in_no_constraint(data, mine):
    E, y = data
    labeled = np.random.default_rng(0).random(len(y)) < 0.7
    found = mine(E, np.where(labeled, y, "?"), unlabeled="?")
    expected = mine(E[labeled], y[labeled])
    pairs = mine is mine_pairs
    rows = labeled.nonzero()[0][expected[0] if pairs else expected]
    np.testing.assert_array_equal(found[0] if pairs else found, rows)
    if pairs:
        np.testing.assert_array_equal(found[1], expected[1])
    with pytest.raises(ValueError, match=f"Got y of {len(y)} rows with the label"):
        mine(E, np.full(len(y), "?"), unlabeled="?")


@pytest.mark.parametrize("mine", [mine_pairs, mine_triplets])
def test_sparse_rows_are_refused_in_words(mine):
    with pytest.raises(TypeError, match=r"sparse E, but expected an array.*transform"):
        mine(csr_array(np.eye(4)), [0, 0, 1, 1])
