"""Pictures of a fit, of what it did to distances, and of what it finds.

Each is a class in the manner of scikit-learn's displays: ``from_estimator`` computes and
draws, the data are attributes, and ``plot`` draws them again. Drawing needs matplotlib,
``pip install 'skmetric[plot]'``, whose settings are left as they are. Colours are those
that the colour-blind can tell apart.

Several panels take several axes: ``ax`` is then an array of them, as ``plt.subplots``
gives.
"""

from ._curves import LossCurveDisplay, MarginSweepDisplay
from ._embedding import EmbeddingDisplay
from ._pair_distances import PairDistanceDisplay
from ._retrieval import RetrievalDisplay

__all__ = [
    "EmbeddingDisplay",
    "LossCurveDisplay",
    "MarginSweepDisplay",
    "PairDistanceDisplay",
    "RetrievalDisplay",
]


def __dir__():
    return __all__
