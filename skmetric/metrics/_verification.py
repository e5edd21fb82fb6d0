"""Error rates of verification, and thresholds on the distance of a pair.

A pair is accepted as a match where its distance is at most a threshold. Two error rates
follow:

- The false match rate (FMR) is the share of dissimilar pairs that are accepted. It is also
  called false accept rate (FAR) or false positive rate (FPR), and 1 - FMR is the true
  negative rate (TNR).
- The false non-match rate (FNMR) is the share of similar pairs that are rejected. It is
  also called false reject rate (FRR) or false negative rate (FNR), and 1 - FNMR is the true
  accept rate (TAR) or true positive rate (TPR).
"""

import math
import warnings
from typing import NamedTuple

import numpy as np
from sklearn.utils import check_array

from .._validation import as_array, check_number, check_option, check_similar, short

# If none of n pairs is an error, the error rate is below 3 / n with a confidence of 95 %.
RULE_OF_THREE = 3


class VerificationCurve(NamedTuple):
    """Error rates by threshold, as from :func:`verification_curve`.

    Parameters
    ----------
    thresholds : ndarray of shape (n_thresholds,)
        Increasing. A pair is accepted where its distance is at most the threshold.
    fmr : ndarray of shape (n_thresholds,)
        False match rate: the share of dissimilar pairs that are accepted. Also called false
        accept rate (FAR) or false positive rate (FPR). Rises from 0 to 1.
    fnmr : ndarray of shape (n_thresholds,)
        False non-match rate: the share of similar pairs that are rejected. Also called
        false reject rate (FRR) or false negative rate (FNR). Falls from 1 to 0.
    """

    thresholds: np.ndarray
    fmr: np.ndarray
    fnmr: np.ndarray


def verification_curve(distances, similar):
    """False match rate and false non-match rate over all thresholds.

    Parameters
    ----------
    distances : array-like of shape (n_pairs,)
        In any unit. Similar pairs must have the smaller ones.
    similar : array-like of shape (n_pairs,)
        True where the two belong together, False where they do not. 1 and 0 are taken as
        True and False; anything else is an error.

    Returns
    -------
    curve : VerificationCurve
        Named tuple (thresholds, fmr, fnmr). The first threshold is ``-inf``, which accepts
        no pair. The others are the distinct distances, so that pairs of the same distance
        are accepted together.

    Raises
    ------
    ValueError
        For NaN or infinity, a `similar` that is not boolean, or only similar or only
        dissimilar pairs.

    Notes
    -----
    O(n log n) time for n pairs.

    Examples
    --------
    >>> from skmetric.metrics import verification_curve
    >>> curve = verification_curve([1.0, 2.0, 2.0, 3.0], [True, True, False, False])
    >>> curve.thresholds
    array([-inf,   1.,   2.,   3.])
    >>> curve.fmr
    array([0. , 0. , 0.5, 1. ])
    >>> curve.fnmr
    array([1. , 0.5, 0. , 0. ])
    """
    thresholds, true_matches, false_matches = _count_accepted(distances, similar)
    return VerificationCurve(thresholds, *_error_rates(true_matches, false_matches))


def equal_error_rate(distances, similar):
    """Error rate where the false match rate and the false non-match rate are equal.

    Parameters
    ----------
    distances : array-like of shape (n_pairs,)
        As for :func:`verification_curve`.
    similar : array-like of shape (n_pairs,)
        As for :func:`verification_curve`.

    Returns
    -------
    eer : float
        In [0, 1]. Chance is 0.5. Where the two rates cross between two thresholds, both
        are interpolated linearly. That is a point of the ROC curve with straight lines.

    Raises
    ------
    ValueError
        As for :func:`verification_curve`.

    Notes
    -----
    A rate well above 0.5 means that similar pairs have the larger numbers. If they are
    similarities, negate them.

    Examples
    --------
    >>> from skmetric.metrics import equal_error_rate
    >>> equal_error_rate([1.0, 2.0, 3.0, 4.0], [True, False, True, False])
    0.5
    """
    _, fmr, fnmr = verification_curve(distances, similar)
    return _rate_where_equal(fmr, fnmr)


def _rate_where_equal(fmr, fnmr):
    """Both rates where they are equal, interpolated linearly."""
    # Increases from -1 at the first threshold to 1 at the last, so it crosses 0 once.
    surplus = fmr - fnmr  # (n_thresholds,)
    after = int(np.argmax(surplus >= 0))
    before = after - 1
    fraction = surplus[before] / (surplus[before] - surplus[after])
    return float(fmr[before] + fraction * (fmr[after] - fmr[before]))


def tar_at_far(distances, similar, far):
    """True accept rate, 1 - FNMR, where the false match rate is at most `far`.

    FNMR is the false non-match rate. "False accept rate" (FAR) is another name of the false
    match rate.

    Parameters
    ----------
    distances : array-like of shape (n_pairs,)
        As for :func:`verification_curve`.
    similar : array-like of shape (n_pairs,)
        As for :func:`verification_curve`.
    far : float
        The largest false match rate that is allowed, in [0, 1]. A rate below 1 / (number of
        dissimilar pairs) allows no false match.

    Returns
    -------
    tar : float
        The share of similar pairs that are accepted, at the largest threshold whose false
        match rate is at most `far`. Nothing is interpolated.

    Raises
    ------
    ValueError
        As for :func:`verification_curve`, and for a `far` out of range.

    Notes
    -----
    The score holds for these pairs. With fewer than 3 / `far` dissimilar pairs it tells
    little about other pairs, see :func:`verification_threshold`.

    Examples
    --------
    >>> from skmetric.metrics import tar_at_far
    >>> tar_at_far([1.0, 2.0, 3.0, 4.0], [True, False, True, False], far=0.1)
    0.5
    """
    far = check_number("far", far, at_least=0, at_most=1)
    _, fmr, fnmr = verification_curve(distances, similar)
    # The rates are in order of the threshold, so the last is at the largest threshold.
    return float(1 - fnmr[fmr <= far][-1])


def verification_threshold(distances, similar, criterion="accuracy", rate=None):
    """Threshold that maximizes a criterion, for use on other pairs.

    Parameters
    ----------
    distances : array-like of shape (n_pairs,)
        As for :func:`verification_curve`.
    similar : array-like of shape (n_pairs,)
        As for :func:`verification_curve`.
    criterion : {"accuracy", "f1", "eer", "tpr_at_fpr", "tnr_at_tpr"}, default="accuracy"
        What to maximize:

        - ``"accuracy"``: the share of pairs that are decided correctly.
        - ``"f1"``: the F1 score of similar pairs.
        - ``"eer"``: minus the larger of the two error rates, which is best where they are
          equal, see :func:`equal_error_rate`.
        - ``"tpr_at_fpr"``: the share of similar pairs that are accepted (TPR), while the
          false match rate (FPR) is at most `rate`.
        - ``"tnr_at_tpr"``: the share of dissimilar pairs that are rejected (TNR), while at
          least `rate` of the similar pairs are accepted (TPR), so that the false non-match
          rate is at most 1 - `rate`.
    rate : float, default=None
        In [0, 1]. The last two criteria need it.

    Returns
    -------
    threshold : float
        In the unit of the distances. Accept a pair where ``distance <= threshold``. The
        threshold is midway between the largest accepted distance and the smallest rejected
        distance. If no pair is rejected it is the largest distance. If no pair is accepted
        it is the largest number below the smallest distance. Of several best thresholds it
        is the smallest.

    Raises
    ------
    ValueError
        As for :func:`verification_curve`. Also for an unknown criterion, for a `rate` that
        is missing, out of range or not used by the criterion, and if every threshold that
        accepts a similar pair has a false match rate above `rate`.

    Warns
    -----
    UserWarning
        For fewer than 3 / `rate` dissimilar pairs with ``"tpr_at_fpr"``, or fewer than
        3 / (1 - `rate`) similar pairs with ``"tnr_at_tpr"``, unless the allowed error rate
        is 0. Also if similar pairs have the larger distances.

    Notes
    -----
    By the rule of three, at least 3 / `rate` pairs are needed to show, with a confidence of
    95 %, that an error rate is kept on other pairs. That is enough only if there is no
    error among them. A threshold with some errors needs several times as many pairs.

    Accuracy depends on the mix of pairs. If other pairs hold a smaller share of dissimilar
    pairs than these, the threshold is for the wrong mix. Then a rate is the better
    criterion.

    Examples
    --------
    >>> from skmetric.metrics import verification_threshold
    >>> distances, similar = [1.0, 2.0, 4.0, 5.0], [True, True, False, True]
    >>> verification_threshold(distances, similar)
    3.0
    >>> verification_threshold(distances, similar, "tnr_at_tpr", rate=1.0)
    5.0
    """
    return find_threshold(distances, similar, criterion, rate, stacklevel=4)


def find_threshold(distances, similar, criterion, rate, stacklevel):
    """As :func:`verification_threshold`, with the `stacklevel` of its warnings."""
    rate = check_criterion(criterion, rate)
    thresholds, true_matches, false_matches = _count_accepted(distances, similar)
    _warn_about_similarities(true_matches, false_matches, stacklevel)
    # Of several best thresholds, argmax takes the first, which is the smallest.
    best = int(np.argmax(CRITERIA[criterion](true_matches, false_matches, rate)))
    if criterion == "tpr_at_fpr" and true_matches[best] == 0:
        fmr = false_matches / false_matches[-1]
        raise ValueError(
            f"Got rate={rate} for criterion='tpr_at_fpr', but no similar pair can be "
            f"accepted with less than {fmr[true_matches > 0][0]:.3g} of the dissimilar "
            "ones: raise rate."
        )
    if criterion == "tpr_at_fpr":
        _warn_about_few_pairs(rate, rate, false_matches[-1], "dissimilar", stacklevel)
    if criterion == "tnr_at_tpr":
        _warn_about_few_pairs(rate, 1 - rate, true_matches[-1], "similar", stacklevel)
    return _midway_to_next(thresholds, best)


def check_criterion(criterion, rate):
    """The rate as a number, or None for a criterion without a rate."""
    check_option("criterion", criterion, CRITERIA)
    if criterion in CRITERIA_WITH_RATE:
        if rate is None:
            raise ValueError(
                f"Got rate=None, but expected a number in [0, 1] for criterion="
                f"{criterion!r}: the rate to be kept."
            )
        return check_number("rate", rate, at_least=0, at_most=1)
    if rate is not None:
        raise ValueError(
            f"Got rate={short(rate)}, but expected None for criterion={criterion!r}. Use "
            f"one of {list(CRITERIA_WITH_RATE)} to keep a rate."
        )


def check_distances(distances, similar):
    """Float64 distances and booleans, of similar and dissimilar pairs."""
    as_array("distances", distances, "one number a pair")
    distances = check_array(
        distances, dtype=np.float64, ensure_2d=False, input_name="distances"
    )
    if distances.ndim != 1:
        raise ValueError(
            f"Got distances of shape {distances.shape}, but expected one number a pair."
        )
    similar = check_similar(similar, len(distances))
    if similar.all() or not similar.any():
        kind = "similar" if similar.all() else "dissimilar"
        raise ValueError(
            f"Got {len(similar)} {kind} pairs only, but expected some of both kinds: "
            "without them there are no error rates."
        )
    return distances, similar


def _warn_about_few_pairs(rate, max_error_rate, n_pairs, kind, stacklevel):
    """Warn if there are too few pairs to show that an error rate is kept."""
    min_pairs = 0
    if 0 < max_error_rate < 1:
        # Rounding makes 3 / (1 - .9) larger than 30.
        min_pairs = np.ceil(RULE_OF_THREE / float(max_error_rate) - 1e-6)
    if n_pairs < min_pairs:
        warnings.warn(
            f"Got rate={rate} with {n_pairs} {kind} pairs, but expected at least "
            f"{min_pairs:.10g}: with fewer, not even the lack of any error among them "
            "shows that the rate is kept on other pairs. Give more pairs, or allow for "
            "more errors.",
            UserWarning,
            stacklevel=stacklevel,
        )


def _warn_about_similarities(true_matches, false_matches, stacklevel):
    """Warn if similar pairs have larger distances than chance explains."""
    error_rate = _rate_where_equal(*_error_rates(true_matches, false_matches))
    # The standard deviation if all pairs are independent and of one distribution. Pairs
    # that share rows are not independent: hence the minimum of 0.1 below.
    deviation = math.sqrt(1 / true_matches[-1] + 1 / false_matches[-1]) / 4
    if error_rate > 0.5 + max(4 * deviation, 0.1):
        warnings.warn(
            f"Got distances with an equal error rate of {error_rate:.3g}, but expected at "
            "most 0.5: similar pairs must have the smaller distances. Negate "
            "similarities, and check that similar is True for pairs that belong together.",
            UserWarning,
            stacklevel=stacklevel,
        )


def _count_accepted(distances, similar):
    """Thresholds, and the numbers of similar and of dissimilar pairs that each accepts."""
    distances, similar = check_distances(distances, similar)
    values, inverse = np.unique(distances, return_inverse=True)  # (n_values,), (n_pairs,)
    # Count the pairs at each distance, then those at most as far. -inf accepts none.
    true_matches, false_matches = (
        np.append(0, np.cumsum(np.bincount(inverse[kind], minlength=len(values))))
        for kind in (similar, ~similar)
    )
    return np.append(-np.inf, values), true_matches, false_matches  # (n_thresholds,) each


def _error_rates(true_matches, false_matches):
    """False match rate and false non-match rate, each of shape (n_thresholds,)."""
    n_similar, n_dissimilar = true_matches[-1], false_matches[-1]
    return false_matches / n_dissimilar, (n_similar - true_matches) / n_similar


# What each criterion maximizes over the thresholds, shape (n_thresholds,). For a rate, it
# is -1 where the rate is not kept.


def _accuracy(true_matches, false_matches, rate):
    # Up to a constant, the number of pairs that are decided correctly.
    return true_matches - false_matches


def _f1(true_matches, false_matches, rate):
    # 2 TP / (2 TP + FN + FP), where TP + FN is the number of similar pairs.
    return 2 * true_matches / (true_matches[-1] + true_matches + false_matches)


def _tpr_at_fpr(true_matches, false_matches, rate):
    fmr = false_matches / false_matches[-1]
    return np.where(fmr <= rate, true_matches, -1)


def _tnr_at_tpr(true_matches, false_matches, rate):
    tpr = true_matches / true_matches[-1]
    return np.where(tpr >= rate, false_matches[-1] - false_matches, -1)


def _eer(true_matches, false_matches, rate):
    # The one that rises and the one that falls are equal where their maximum is smallest.
    return -np.maximum(*_error_rates(true_matches, false_matches))


CRITERIA = {
    "accuracy": _accuracy,
    "f1": _f1,
    "eer": _eer,
    "tpr_at_fpr": _tpr_at_fpr,
    "tnr_at_tpr": _tnr_at_tpr,
}
CRITERIA_WITH_RATE = ("tpr_at_fpr", "tnr_at_tpr")


def _midway_to_next(thresholds, i):
    """Midway between threshold i and the next, if both are distances."""
    if i == 0:  # The threshold -inf, which accepts no pair.
        return float(np.nextafter(thresholds[1], -np.inf))
    if i == len(thresholds) - 1:
        return float(thresholds[i])
    middle = thresholds[i] / 2 + thresholds[i + 1] / 2  # Unlike the sum, cannot overflow.
    # Rounding may make the middle equal to the next distance, which must stay rejected.
    return float(middle if middle < thresholds[i + 1] else thresholds[i])
