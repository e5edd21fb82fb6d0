"""The same two learners for rows that are spread over a cluster, in dask collections.

Needs dask's arrays, and distributed for a cluster: ``pip install 'skmetric[dask]'``. The
current ``dask.distributed.Client`` is used; ``with client.as_current():`` chooses one.
Without a client, threads of this process do the work.
"""

from ._learners import DaskContrastiveMetricLearner, DaskTripletMetricLearner
from ._retrieval import retrieval_report

__all__ = [
    "DaskContrastiveMetricLearner",
    "DaskTripletMetricLearner",
    "retrieval_report",
]


def __dir__():
    return __all__
