"""Verification: from the distance of a pair to "the same" or "not the same"."""

import math
import warnings
from typing import NamedTuple

import numpy as np
from sklearn.utils import check_array

from ._validation import as_array, check_number, check_similar, check_word, short

CRITERIA = ("accuracy", "f1", "tpr_at_fpr", "tnr_at_tpr")
WITH_RATE = ("tpr_at_fpr", "tnr_at_tpr")
# The rule of three: if none of n pairs is an error, the error rate is below 3 / n, at a
# confidence of 95 %.
RULE_OF_THREE = 3


class VerificationCurve(NamedTuple):
    """Error rates by threshold, see :func:`verification_curve`.

    Parameters
    ----------
    thresholds : ndarray of shape (n_thresholds,)
        Increasing; a pair is accepted where its distance is at most the threshold.
    fmr : ndarray of shape (n_thresholds,)
        False match rate: the share of dissimilar pairs accepted. Rises from 0 to 1.
    fnmr : ndarray of shape (n_thresholds,)
        False non-match rate: the share of similar pairs rejected. Falls from 1 to 0.
    """

    thresholds: np.ndarray
    fmr: np.ndarray
    fnmr: np.ndarray


def verification_curve(distances, similar):
    """False match and false non-match rates over all thresholds.

    Parameters
    ----------
    distances : array-like of shape (n_pairs,)
        Of any unit; similar pairs shall have the smaller ones.
    similar : array-like of shape (n_pairs,)
        True where the two belong together, False where they do not. 1 and 0 are taken as
        True and False; anything else is an error.

    Returns
    -------
    curve : VerificationCurve
        Named tuple (thresholds, fmr, fnmr). The thresholds are ``-inf``, which accepts
        nothing, and each distinct distance once, so that equal distances are accepted
        together.

    Raises
    ------
    ValueError
        For NaN or infinity, a `similar` that is not boolean, or pairs of one kind only.

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
    thresholds, tp, fp = _accepted(distances, similar)
    return VerificationCurve(thresholds, *_error_rates(tp, fp))


def equal_error_rate(distances, similar):
    """Error rate at which false matches and false non-matches are as frequent.

    Parameters
    ----------
    distances : array-like of shape (n_pairs,)
        As for :func:`verification_curve`.
    similar : array-like of shape (n_pairs,)
        As for :func:`verification_curve`.

    Returns
    -------
    eer : float
        In [0, 1]; 0.5 is chance. Where the two rates cross between two thresholds, both
        are taken to be linear there: the point of the ROC curve, drawn with straight
        lines, at which they are equal.

    Raises
    ------
    ValueError
        As for :func:`verification_curve`.

    Notes
    -----
    A rate well above 0.5 is that of numbers which are larger for similar pairs, such as
    similarities: negate them.

    Examples
    --------
    >>> from skmetric.metrics import equal_error_rate
    >>> equal_error_rate([1.0, 2.0, 3.0, 4.0], [True, False, True, False])
    0.5
    """
    _, fmr, fnmr = verification_curve(distances, similar)
    return _crossing(fmr, fnmr)


def _crossing(fmr, fnmr):
    """Where the two rates of a curve are equal."""
    surplus = fmr - fnmr
    after = int(np.argmax(surplus >= 0))
    share = surplus[after - 1] / (surplus[after - 1] - surplus[after])
    return float(fmr[after - 1] + share * (fmr[after] - fmr[after - 1]))


def tar_at_far(distances, similar, far):
    """Share of similar pairs accepted when at most a share of dissimilar ones may be.

    Parameters
    ----------
    distances : array-like of shape (n_pairs,)
        As for :func:`verification_curve`.
    similar : array-like of shape (n_pairs,)
        As for :func:`verification_curve`.
    far : float
        False accept rate, in [0, 1]. One below 1 / (number of dissimilar pairs) allows
        for no false accept.

    Returns
    -------
    tar : float
        The largest true accept rate at a threshold whose false accept rate is at most
        `far`; nothing is interpolated.

    Raises
    ------
    ValueError
        As for :func:`verification_curve`, and for a `far` out of range.

    Notes
    -----
    The score is of the pairs given. With fewer than 3 / `far` dissimilar ones it says
    little about others, see :func:`verification_threshold`.

    Examples
    --------
    >>> from skmetric.metrics import tar_at_far
    >>> tar_at_far([1.0, 2.0, 3.0, 4.0], [True, False, True, False], far=0.1)
    0.5
    """
    far = check_number("far", far, at_least=0, at_most=1)
    _, fmr, fnmr = verification_curve(distances, similar)
    return float(1 - fnmr[fmr <= far][-1])


def verification_threshold(distances, similar, criterion="accuracy", rate=None):
    """Threshold that serves a purpose best, to be used on other pairs.

    Parameters
    ----------
    distances : array-like of shape (n_pairs,)
        As for :func:`verification_curve`.
    similar : array-like of shape (n_pairs,)
        As for :func:`verification_curve`.
    criterion : {"accuracy", "f1", "tpr_at_fpr", "tnr_at_tpr"}, default="accuracy"
        What to maximise: the share of pairs decided rightly; the F1 score of "similar";
        the share of similar pairs accepted while at most `rate` of the dissimilar ones
        are; or the share of dissimilar pairs rejected while at least `rate` of the similar
        ones are accepted.
    rate : float, default=None
        In [0, 1], for the last two, which need it.

    Returns
    -------
    threshold : float
        In units of the distance; accept where ``distance <= threshold``. Midway between
        the largest distance accepted here and the smallest rejected. If nothing is
        rejected it is the largest distance, if nothing is accepted the largest number
        below the smallest. Of thresholds that serve equally well, the smallest.

    Raises
    ------
    ValueError
        As for :func:`verification_curve`; for an unknown criterion, a `rate` that is
        missing, out of range or of no use; or if no similar pair can be accepted without
        more than `rate` of the dissimilar ones.

    Warns
    -----
    UserWarning
        For fewer than 3 / `rate` dissimilar pairs under ``"tpr_at_fpr"``, or fewer than
        3 / (1 - `rate`) similar ones under ``"tnr_at_tpr"``, unless the share of errors
        asked for is 0; and for similar pairs with the larger distances.

    Notes
    -----
    By the rule of three, 3 / `rate` pairs are the fewest that can show, with 95 %
    confidence, that a rate is kept on other pairs: that takes not a single error among
    them. A threshold that allows for some errors takes several times as many.

    Accuracy is of the pairs given: where these hold more dissimilar pairs than will be
    met later, it is the threshold for the wrong mix, and a rate is the better criterion.

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
    """As :func:`verification_threshold`, with warnings that point at so far a caller."""
    rate = check_criterion(criterion, rate)
    thresholds, tp, fp = _accepted(distances, similar)
    _warn_of_similarities(tp, fp, stacklevel)
    value = _values(criterion, rate, tp, fp)
    best = int(np.argmax(value))
    if criterion == "tpr_at_fpr" and tp[best] == 0:
        raise ValueError(
            f"Got rate={rate} for criterion='tpr_at_fpr', but no similar pair can be "
            f"accepted with less than {fp[tp > 0][0] / fp[-1]:.3g} of the dissimilar "
            "ones: raise rate."
        )
    if criterion == "tpr_at_fpr":
        _warn_of_few(rate, rate, fp[-1], "dissimilar", stacklevel)
    if criterion == "tnr_at_tpr":
        _warn_of_few(rate, 1 - rate, tp[-1], "similar", stacklevel)
    return _between(thresholds, best)


def check_criterion(criterion, rate):
    """The rate; an unknown criterion, and a rate that does not go with it, are refused."""
    check_word("criterion", criterion, CRITERIA)
    if criterion in WITH_RATE:
        if rate is None:
            raise ValueError(
                f"Got rate=None, but expected a number in [0, 1] for criterion="
                f"{criterion!r}: the rate to be kept."
            )
        return check_number("rate", rate, at_least=0, at_most=1)
    if rate is not None:
        raise ValueError(
            f"Got rate={short(rate)}, but expected None for criterion={criterion!r}. Use "
            f"one of {list(WITH_RATE)} to keep a rate."
        )


def check_distances(distances, similar):
    """Float64 distances and booleans, with pairs of both kinds."""
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


def _warn_of_few(rate, allowed, n_pairs, kind, stacklevel):
    """Warn of a share of errors that so few pairs cannot show to be kept."""
    # The last digits of 1 - rate are lost: 3 / (1 - .9) is a bit above 30.
    least = np.ceil(RULE_OF_THREE / float(allowed) - 1e-6) if 0 < allowed < 1 else 0
    if n_pairs < least:
        warnings.warn(
            f"Got rate={rate} with {n_pairs} {kind} pairs, but expected at least "
            f"{least:.10g}: with fewer, not even the lack of any error among them shows "
            "that the rate is kept on other pairs. Give more pairs, or allow for more "
            "errors.",
            UserWarning,
            stacklevel=stacklevel,
        )


def _warn_of_similarities(tp, fp, stacklevel):
    """Warn of distances that are larger for similar pairs, by more than chance."""
    error_rate = _crossing(*_error_rates(tp, fp))
    # Its standard deviation for pairs of one distribution, independent of each other.
    # Those of the same rows are not, so four of these must be a tenth at least.
    deviation = math.sqrt(1 / tp[-1] + 1 / fp[-1]) / 4
    if error_rate > 0.5 + max(4 * deviation, 0.1):
        warnings.warn(
            f"Got distances with an equal error rate of {error_rate:.3g}, but expected at "
            "most 0.5: similar pairs must have the smaller distances. Negate "
            "similarities, and check that similar is True for pairs that belong together.",
            UserWarning,
            stacklevel=stacklevel,
        )


def _accepted(distances, similar):
    """Thresholds, and how many similar and dissimilar pairs each accepts."""
    distances, similar = check_distances(distances, similar)
    values, inverse = np.unique(distances, return_inverse=True)
    tp, fp = (
        np.bincount(inverse[kind], minlength=len(values)) for kind in (similar, ~similar)
    )
    tp, fp = (np.concatenate([[0], np.cumsum(counts)]) for counts in (tp, fp))
    return np.concatenate([[-np.inf], values]), tp, fp


def _error_rates(tp, fp):
    """False match and false non-match rates."""
    return fp / fp[-1], (tp[-1] - tp) / tp[-1]


def _values(criterion, rate, tp, fp):
    """What a threshold is worth; -1 where it breaks the condition."""
    if criterion == "accuracy":
        return tp - fp
    if criterion == "f1":
        return 2 * tp / (tp[-1] + tp + fp)
    if criterion == "tpr_at_fpr":
        return np.where(fp / fp[-1] <= rate, tp, -1)
    return np.where(tp / tp[-1] >= rate, fp[-1] - fp, -1)


def _between(thresholds, i):
    """Midway between a threshold and the next, if both are distances."""
    if i == 0:
        return float(np.nextafter(thresholds[1], -np.inf))
    if i == len(thresholds) - 1:
        return float(thresholds[i])
    middle = thresholds[i] / 2 + thresholds[i + 1] / 2
    # Of two neighbouring numbers the middle is one; the next must stay rejected.
    return float(middle if middle < thresholds[i + 1] else thresholds[i])
