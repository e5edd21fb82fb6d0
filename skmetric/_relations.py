"""Who belongs with whom: the positives and the negatives of each anchor.

A relation between anchors and candidates answers for a block of anchors with two masks.
What is in neither is ignored. Mining chooses within the masks by distance and knows
nothing of labels, so a new kind of supervision is one class with these members:

``n_anchors``, ``n_candidates``
    How many rows there are of either.
``weights``
    Of the anchors, float64 of shape (n_anchors,): that of each of their constraints.
``masks(rows) -> (is_positive, is_negative)``
    Boolean arrays of shape (b, n_candidates) for the anchors of a slice.
``max_per_anchor() -> (n_positives, n_negatives)``
    The largest numbers that any anchor has; an upper bound will do.
"""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class LabelRelation:
    """Rows of one table with labels: positives share the label, negatives have another.

    A row is neither positive nor negative to itself.

    Parameters
    ----------
    codes : ndarray of int of shape (n,)
        Labels 0 … n_classes - 1.
    weights : ndarray of float64 of shape (n,), default=None
        Of the rows as anchors; None stands for 1 each.
    """

    codes: np.ndarray
    weights: np.ndarray = field(default=None)

    def __post_init__(self):
        if self.weights is None:
            object.__setattr__(self, "weights", np.ones(len(self.codes)))

    @property
    def n_anchors(self):
        """How many rows there are."""
        return len(self.codes)

    n_candidates = n_anchors

    def masks(self, rows):
        """Which rows are positives and which are negatives of those of a slice."""
        # Small integers compare faster.
        codes = self.codes.astype(np.min_scalar_type(self.codes.max()))
        is_positive = codes[rows, None] == codes  # (b, n)
        is_negative = ~is_positive
        within = np.arange(len(is_positive))
        is_positive[within, within + rows.start] = False
        return is_positive, is_negative

    def max_per_anchor(self):
        """The largest numbers of positives and of negatives that a row has."""
        sizes = np.bincount(self.codes)
        return int(sizes.max()) - 1, len(self.codes) - int(sizes[sizes > 0].min())
