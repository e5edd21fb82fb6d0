"""Splits without a class, a query or a document in common, and searches over tuples.

``GroupKFold()`` and ``GroupShuffleSplit()`` with ``groups=y`` also separate the classes.
But they do not give every split classes of all sizes on both sides.

scikit-learn's searches split what ``fit`` takes, which is rows.
:class:`TupleLearner` takes pairs, triplets or matches, and so has these split.
"""

from ._splits import ClassDisjointShuffleSplit, MatchShuffleSplit
from ._tuple_learner import TupleLearner

__all__ = ["ClassDisjointShuffleSplit", "MatchShuffleSplit", "TupleLearner"]


def __dir__():
    return __all__
