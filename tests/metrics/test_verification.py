"""Thresholds against every threshold in loops, and curves whose shape is known."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_curve
from sklearn.preprocessing import FunctionTransformer

from skmetric.metrics import (
    PairVerifier,
    equal_error_rate,
    tar_at_far,
    verification_curve,
    verification_threshold,
)


def tied_pairs(seed, n=40):
    """Distances of few values, so that most are shared by pairs of both kinds."""
    rng = np.random.default_rng(seed)
    similar = rng.random(n) < 0.4
    similar[:2] = True, False
    return rng.integers(0, 9, n) + 3.0 * ~similar, similar


def rates(distances, similar, threshold):
    """Share of dissimilar pairs accepted, and of similar pairs rejected, by counting."""
    fp = sum(d <= threshold for d, s in zip(distances, similar, strict=True) if not s)
    fn = sum(d > threshold for d, s in zip(distances, similar, strict=True) if s)
    return fp / sum(~similar), fn / sum(similar)


@pytest.mark.parametrize("seed", range(5))
def test_curve_against_loops(seed):
    distances, similar = tied_pairs(seed)
    thresholds, fmr, fnmr = verification_curve(distances, similar)
    assert thresholds.tolist() == [-np.inf, *sorted(set(distances.tolist()))]
    expected = [rates(distances, similar, t) for t in thresholds]
    np.testing.assert_allclose(np.column_stack([fmr, fnmr]), expected, rtol=1e-15)
    assert (fmr[0], fnmr[0], fmr[-1], fnmr[-1]) == (0, 1, 1, 0)


def test_curve_is_the_roc_of_scikit_learn():
    distances, similar = tied_pairs(0, n=300)
    curve = verification_curve(distances, similar)
    fpr, tpr, _ = roc_curve(similar, -distances, drop_intermediate=False)
    np.testing.assert_allclose(curve.fmr, fpr)
    np.testing.assert_allclose(1 - curve.fnmr, tpr)


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.1, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_tar_at_far_against_loops(seed, rate):
    distances, similar = tied_pairs(seed)
    points = [rates(distances, similar, t) for t in [-np.inf, *distances]]
    expected = max(1 - fnmr for fmr, fnmr in points if fmr <= rate)
    assert tar_at_far(distances, similar, rate) == pytest.approx(expected)


def test_a_far_of_one_pair_in_so_many_is_met_exactly():
    similar = np.array([True] * 3 + [False] * 10)
    distances = np.array([1.0, 3.0, 9.0, 2.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10, 11, 12, 13])
    assert tar_at_far(distances, similar, 0.1) == pytest.approx(2 / 3)
    assert tar_at_far(distances, similar, 0.0999) == pytest.approx(1 / 3)
    assert tar_at_far(distances, similar, 0.6) == 1


@pytest.mark.parametrize(
    ("distances", "similar", "expected"),
    [
        ([1, 2, 3, 4], [1, 1, 0, 0], 0),
        ([1, 2, 3, 4], [0, 0, 1, 1], 1),
        # One threshold for all: the straight line from (0, 1) to (1, 0) is crossed midway.
        ([5, 5, 5], [1, 1, 0], 0.5),
        # (0, 1/2) and (1, 1/2): a level line, crossed at its height.
        ([1, 2, 3], [1, 0, 1], 0.5),
        # From (1/2, 2/3) to (1/2, 1/3): a plumb line, crossed at its foot.
        ([1, 2, 3, 4, 5], [1, 0, 1, 1, 0], 0.5),
        # From (0, 3/4) to (1/4, 0): fmr s/4 meets fnmr 3/4 (1 - s) at s = 3/4.
        ([1, 2, 2, 2, 2, 3, 4, 5], [1, 1, 1, 1, 0, 0, 0, 0], 3 / 16),
    ],
)
def test_equal_error_rate_by_hand(distances, similar, expected):
    assert equal_error_rate(distances, similar) == pytest.approx(expected)


def test_equal_error_rate_of_two_uniform_distributions():
    # Similar on [0, 1], dissimilar on [a, 1 + a]: the rates are equal at (1 + a) / 2.
    grid, a = (np.arange(5000) + 0.5) / 5000, 0.4
    distances, similar = np.r_[grid, grid + a], np.repeat([True, False], 5000)
    assert equal_error_rate(distances, similar) == pytest.approx((1 - a) / 2, abs=2e-4)
    assert tar_at_far(distances, similar, 0.1) == pytest.approx(0.5, abs=4e-4)
    middle = verification_threshold(distances, similar, "tnr_at_tpr", rate=0.9)
    assert middle == pytest.approx(0.9, abs=2e-4)


def test_only_the_order_of_distances_matters():
    rng = np.random.default_rng(0)
    similar = rng.random(200) < 0.5
    distances = rng.gamma(2.0, size=200) + ~similar
    for stretched in (distances**2, np.exp(distances), 3 * distances - 7):
        assert equal_error_rate(stretched, similar) == equal_error_rate(distances, similar)
        for far in (0.01, 0.1, 0.5):
            assert tar_at_far(stretched, similar, far) == tar_at_far(
                distances, similar, far
            )


def worth(criterion, rate, distances, similar, threshold):
    """What is to be maximized, from the predictions at a threshold; None if not allowed."""
    accepted = distances <= threshold
    fmr, fnmr = rates(distances, similar, threshold)
    if criterion == "accuracy":
        return np.mean(accepted == similar)
    if criterion == "f1":
        return f1_score(similar, accepted, zero_division=0)
    if criterion == "eer":
        return -max(fmr, fnmr)
    if criterion == "tpr_at_fpr":
        return 1 - fnmr if fmr <= rate else None
    return 1 - fmr if 1 - fnmr >= rate else None


@pytest.mark.parametrize(
    ("criterion", "rate"),
    [
        ("accuracy", None),
        ("f1", None),
        ("eer", None),
        ("tpr_at_fpr", 0.2),
        ("tpr_at_fpr", 1.0),
        ("tnr_at_tpr", 0.0),
        ("tnr_at_tpr", 0.8),
        ("tnr_at_tpr", 1.0),
    ],
)
@pytest.mark.filterwarnings("ignore:Got rate=0.8 with")
@pytest.mark.parametrize("seed", range(6))
def test_threshold_against_every_other(seed, criterion, rate):
    distances, similar = tied_pairs(seed)
    values = sorted(set(distances.tolist()))
    middles = [(a + b) / 2 for a, b in itertools.pairwise(values)]
    candidates = [np.nextafter(values[0], -np.inf), *middles, values[-1]]
    worths = [worth(criterion, rate, distances, similar, t) for t in candidates]
    best = max(w for w in worths if w is not None)
    expected = next(
        t
        for t, w in zip(candidates, worths, strict=True)
        if w is not None and w > best - 1e-12
    )
    found = verification_threshold(distances, similar, criterion, rate)
    assert found == expected


def test_error_rates_are_equal_at_the_threshold_of_eer():
    rng = np.random.default_rng(1)
    similar = rng.random(4000) < 0.2
    distances = rng.gamma(3.0, size=4000) + ~similar
    threshold = verification_threshold(distances, similar, "eer")
    expected = equal_error_rate(distances, similar)
    # An error rate changes by 1/800 at a similar pair.
    np.testing.assert_allclose(
        rates(distances, similar, threshold), [expected, expected], atol=1 / 800
    )


def test_threshold_between_neighboring_numbers():
    for low in (1.0, np.nextafter(1, 2)):  # The middle is rounded down, and up.
        high = np.nextafter(low, 2)
        threshold = verification_threshold([low, high], [True, False])
        assert low <= threshold < high


@pytest.mark.parametrize("function", [verification_curve, equal_error_rate])
def test_bad_distances(function):
    with pytest.raises(ValueError, match="distances contains NaN"):
        function([1.0, np.nan], [True, False])
    with pytest.raises(ValueError, match=r"distances of shape \(2, 1\)"):
        function([[1.0], [2.0]], [True, False])
    with pytest.raises(ValueError, match="3 values in similar"):
        function([1.0, 2.0], [True, False, True])
    with pytest.raises(ValueError, match="expected booleans"):
        function([1.0, 2.0], [1, -1])
    with pytest.raises(ValueError, match="2 similar pairs only"):
        function([1.0, 2.0], [True, True])
    with pytest.raises(ValueError, match="2 dissimilar pairs only"):
        function([1.0, 2.0], [0, 0])


@pytest.mark.parametrize(
    ("criterion", "rate", "match"),
    [
        ("acuracy", None, "Did you mean 'accuracy'"),
        ("accuracy", 0.5, "expected None for criterion='accuracy'"),
        ("tpr_at_fpr", None, "rate=None"),
        ("tnr_at_tpr", 1.5, r"rate=1\.5"),
        ("tpr_at_fpr", -0.1, r"rate=-0\.1"),
        ("tpr_at_fpr", 0.4, r"no similar pair .* less than 0\.5 of the dissimilar"),
    ],
)
def test_bad_criteria(criterion, rate, match):
    distances, similar = [1.0, 2.0, 3.0], [False, True, False]
    with pytest.raises(ValueError, match=match):
        verification_threshold(distances, similar, criterion, rate)
    verifier = PairVerifier(FunctionTransformer(), criterion=criterion, rate=rate)
    with pytest.raises(ValueError, match=match):
        verifier.fit((np.zeros((3, 1)), np.array(distances)[:, None]), similar)


def pairs_of(n_similar, n_dissimilar, apart=0.0):
    """Distances that are uniform, those of dissimilar pairs farther by so much."""
    near, far = (np.arange(n) / n for n in (n_similar, n_dissimilar))
    return np.r_[near, far + apart], np.arange(n_similar + n_dissimilar) < n_similar


@pytest.mark.parametrize(
    ("criterion", "rate", "fewest"),
    [
        ("tpr_at_fpr", 0.01, (1, 300)),
        ("tpr_at_fpr", 0.7, (1, 5)),
        ("tnr_at_tpr", 0.99, (300, 1)),
        ("tnr_at_tpr", 0.9, (30, 1)),
    ],
)
def test_a_rate_that_so_few_pairs_cannot_show_is_a_warning(criterion, rate, fewest):
    # Whoever errs at that rate shows no error in 3 / rate pairs once in 20 times.
    errors = rate if criterion == "tpr_at_fpr" else 1 - rate
    n = max(fewest)
    assert (1 - errors) ** n <= 0.051
    verification_threshold(*pairs_of(*fewest, apart=2), criterion, rate)
    fewer = [m - (m == n) for m in fewest]
    with pytest.warns(UserWarning, match=f"rate={rate} with {n - 1} .* at least {n}:") as w:
        verification_threshold(*pairs_of(*fewer, apart=2), criterion, rate)
    assert [warning.filename for warning in w] == [__file__]
    distances, similar = pairs_of(*fewer, apart=2)
    verifier = PairVerifier(FunctionTransformer(), criterion=criterion, rate=rate)
    with pytest.warns(UserWarning, match=f"at least {n}:") as w:
        verifier.fit((np.zeros((len(similar), 1)), distances[:, None]), similar)
    assert [warning.filename for warning in w] == [__file__]


@pytest.mark.parametrize(
    ("criterion", "rate"),
    [("tpr_at_fpr", 0), ("tpr_at_fpr", 1), ("tnr_at_tpr", 0), ("tnr_at_tpr", 1)],
)
def test_no_errors_or_any_are_a_rate_for_few_pairs(criterion, rate):
    # A warning would be an error.
    assert np.isfinite(verification_threshold(*pairs_of(2, 2, apart=2), criterion, rate))


def test_similarities_in_the_place_of_distances_get_a_hint():
    distances, similar = pairs_of(50, 50, apart=0.5)
    verification_threshold(distances, similar)
    for wrong in ((-distances, similar), (distances, ~similar)):
        with pytest.warns(UserWarning, match=r"error rate of 0\.75.*Negate") as w:
            verification_threshold(*wrong)
        assert [warning.filename for warning in w] == [__file__]
    rows = distances.max() - distances[:, None]
    with pytest.warns(UserWarning, match="Negate"):
        PairVerifier(FunctionTransformer()).fit((np.zeros_like(rows), rows), similar)
    # The hint comes before the error that would have the rate raised.
    with (
        pytest.warns(UserWarning, match="Negate"),
        pytest.raises(ValueError, match="raise rate"),
    ):
        verification_threshold(-distances, similar, "tpr_at_fpr", 0.1)


def test_chance_gets_no_hint():
    rng = np.random.default_rng(0)
    for n in rng.integers(4, 1000, 500):
        similar = rng.random(n) < rng.uniform(0.05, 0.95)
        similar[:2] = True, False
        # A warning would be an error.
        assert verification_threshold(rng.random(n), similar) < 1


def test_far_out_of_range():
    with pytest.raises(ValueError, match="far=2"):
        tar_at_far([1.0, 2.0], [True, False], 2)
