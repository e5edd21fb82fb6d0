"""Plots of a fit, of its effect on distances, and of what retrieval finds.

Each is a class like scikit-learn's displays: ``from_estimator`` computes and draws, the
data are attributes, and ``plot`` draws them again. Drawing needs matplotlib
(``pip install 'skmetric[plot]'``). Its settings are not changed. The colors are safe for
color-blind readers.

A display with several panels takes an array of axes as ``ax``, such as ``plt.subplots``
returns.
"""

from ._contributions import ContributionDisplay
from ._curves import LossCurveDisplay
from ._embedding import EmbeddingDisplay
from ._pair_distances import PairDistanceDisplay
from ._retrieval import RetrievalDisplay
from ._searches import MarginSweepDisplay, SearchHeatmapDisplay

__all__ = [
    "ContributionDisplay",
    "EmbeddingDisplay",
    "LossCurveDisplay",
    "MarginSweepDisplay",
    "PairDistanceDisplay",
    "RetrievalDisplay",
    "SearchHeatmapDisplay",
]


def __dir__():
    return __all__
