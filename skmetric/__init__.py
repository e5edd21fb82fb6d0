"""Metric learning for scikit-learn: learn the linear map that puts like with like."""

from ._contrastive import ContrastiveMetricLearner
from ._triplet import TripletMetricLearner

__all__ = ["ContrastiveMetricLearner", "TripletMetricLearner", "__version__"]

__version__ = "0.1.0"
