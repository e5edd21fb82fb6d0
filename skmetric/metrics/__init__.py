"""How good an embedding is: retrieval, verification, and scorers for model selection.

Retrieval scores tell whether the nearest rows are of the class of a query. There are eight,
:func:`retrieval_report` computes several at once, and :func:`retrieval_scorer` makes a
scorer for ``scoring=``.

Verification decides whether two rows belong together. There are error rates over thresholds
on the distance, and :class:`PairVerifier` learns a threshold and finds duplicates.
"""

from ._duplicates import pairs_within
from ._pair_verifier import PairVerifier
from ._retrieval import RetrievalReport, retrieval_report
from ._scorers import retrieval_scorer
from ._scores import (
    mean_average_precision,
    mean_average_precision_at_r,
    mean_reciprocal_rank,
    ndcg_at_k,
    precision_at_k,
    r_precision,
    recall_at_k,
    success_at_k,
)
from ._verification import (
    VerificationCurve,
    equal_error_rate,
    tar_at_far,
    verification_curve,
    verification_threshold,
)

__all__ = [
    "PairVerifier",
    "RetrievalReport",
    "VerificationCurve",
    "equal_error_rate",
    "mean_average_precision",
    "mean_average_precision_at_r",
    "mean_reciprocal_rank",
    "ndcg_at_k",
    "pairs_within",
    "precision_at_k",
    "r_precision",
    "recall_at_k",
    "retrieval_report",
    "retrieval_scorer",
    "success_at_k",
    "tar_at_far",
    "verification_curve",
    "verification_threshold",
]


def __dir__():
    return __all__
