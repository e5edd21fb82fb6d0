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
    "onnx",
    "plotting",
)


def __dir__():
    return [*__all__, *_MODULES]


def __getattr__(name):
    """Import a public module when it is first asked for."""
    if name in _MODULES:
        try:
            return import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            # Whoever looks through the attributes of a module expects this one.
            raise AttributeError(
                f"{__name__}.{name} needs {error.name}, which is not installed. Try "
                f"pip install '{__name__}[{name}]'."
            ) from error
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
