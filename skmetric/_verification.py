"""Verification: from the distance of a pair to "the same" or "not the same"."""

from typing import NamedTuple

import numpy as np
from sklearn.utils import check_array

from ._validation import check_number, check_similar, check_word, short

CRITERIA = ("accuracy", "f1", "tpr_at_fpr", "tnr_at_tpr")
WITH_RATE = ("tpr_at_fpr", "tnr_at_tpr")


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
    fnmr = (tp[-1] - tp) / tp[-1]
    return VerificationCurve(thresholds, fp / fp[-1], fnmr)


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

    Examples
    --------
    >>> from skmetric.metrics import equal_error_rate
    >>> equal_error_rate([1.0, 2.0, 3.0, 4.0], [True, False, True, False])
    0.5
    """
    _, fmr, fnmr = verification_curve(distances, similar)
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

    Examples
    --------
    >>> from skmetric.metrics import tar_at_far
    >>> tar_at_far([1.0, 2.0, 3.0, 4.0], [True, False, True, False], far=0.1)
    0.5
    """
    check_number("far", far, at_least=0, at_most=1)
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

    Notes
    -----
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
    check_criterion(criterion, rate)
    thresholds, tp, fp = _accepted(distances, similar)
    value = _values(criterion, rate, tp, fp)
    best = int(np.argmax(value))
    if criterion == "tpr_at_fpr" and tp[best] == 0:
        raise ValueError(
            f"Got rate={rate} for criterion='tpr_at_fpr', but no similar pair can be "
            f"accepted with less than {fp[tp > 0][0] / fp[-1]:.3g} of the dissimilar "
            "ones: raise rate."
        )
    return _between(thresholds, best)


def check_criterion(criterion, rate):
    """Refuse an unknown criterion, and a rate that does not go with it."""
    check_word("criterion", criterion, CRITERIA)
    if criterion in WITH_RATE:
        if rate is None:
            raise ValueError(
                f"Got rate=None, but expected a number in [0, 1] for criterion="
                f"{criterion!r}: the rate to be kept."
            )
        check_number("rate", rate, at_least=0, at_most=1)
    elif rate is not None:
        raise ValueError(
            f"Got rate={short(rate)}, but expected None for criterion={criterion!r}. Use "
            f"one of {list(WITH_RATE)} to keep a rate."
        )


def check_distances(distances, similar):
    """Float64 distances and booleans, with pairs of both kinds."""
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


def _accepted(distances, similar):
    """Thresholds, and how many similar and dissimilar pairs each accepts."""
    distances, similar = check_distances(distances, similar)
    values, inverse = np.unique(distances, return_inverse=True)
    tp, fp = (
        np.bincount(inverse[kind], minlength=len(values)) for kind in (similar, ~similar)
    )
    tp, fp = (np.concatenate([[0], np.cumsum(counts)]) for counts in (tp, fp))
    return np.concatenate([[-np.inf], values]), tp, fp


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
