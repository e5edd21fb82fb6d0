"""Metric learning for scikit-learn: learn the linear map that puts like with like."""

from importlib import import_module

from ._contrastive import ContrastiveMetricLearner
from ._triplet import TripletMetricLearner

__all__ = ["ContrastiveMetricLearner", "TripletMetricLearner", "__version__"]

__version__ = "0.1.0"

_MODULES = (
    "dask",
    "distances",
    "losses",
    "metrics",
    "mining",
    "model_selection",
    "plotting",
)


def __dir__():
    return [*__all__, *_MODULES]


def __getattr__(name):
    """Import a public module when it is first asked for."""
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
