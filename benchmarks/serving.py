"""What it costs to serve a map: one row at a time, and the order of its components.

``python benchmarks/serving.py`` compares ways to map a row, and to predict its class, with
``transform`` and ``predict``. It needs ``pip install skl2onnx onnxruntime faiss-cpu``.
Times are the median of many calls; every library has one thread. ``--fits`` also says which
share of a fit goes into the order of the components, in times of the processor.
"""

import argparse
import time
import warnings

import faiss
import numpy as np
import onnxruntime
from datasets import timed_calls
from skl2onnx import to_onnx
from sklearn.datasets import make_classification
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skmetric import TripletMetricLearner
from skmetric._objective._rotation import principal_axes, rotate_to
from skmetric.onnx import register_converters

N_ROWS, N_FEATURES, N_COMPONENTS = 2000, 384, 64
FITS = [(1000, 64, None), (10_000, 384, 64), (10_000, 384, None), (100_000, 384, None)]
WIDE_FITS = [(100, 2000, None), (5000, 2000, None)]


def data(n, d):
    """Rows of twenty classes."""
    X, y = make_classification(n, d, n_informative=20, n_classes=20, random_state=0)
    return X.astype(np.float32), y


def seconds(function):
    """The median time of a call."""
    return np.median(timed_calls(function, 300))


def onnx_runner(model, row, options=None):
    """A function that runs a model on a row by onnxruntime, in one thread."""
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        to_onnx(model, row, options=options).SerializeToString(),
        settings,
        providers=["CPUExecutionProvider"],
    )
    return lambda: session.run(None, {"X": row})


def compare(reference, ways):
    """Print how often the way of reference takes as long as the others."""
    base = seconds(reference)
    for name, function in ways.items():
        print(f"  {name}: {base / seconds(function):.2f} times as fast")


def serve():
    """One row."""
    X, y = data(N_ROWS, N_FEATURES)
    learner = TripletMetricLearner(N_COMPONENTS, metric="cosine", random_state=0)
    knn = KNeighborsClassifier(5)
    model = make_pipeline(StandardScaler(), learner, knn).fit(X, y)
    row, W = X[:1], learner.components_.T.copy()
    index = faiss.IndexFlatIP(N_COMPONENTS)
    index.add(model[:-1].transform(X))

    def by_numpy(rows=row):
        Z = rows @ W
        return Z / np.linalg.norm(Z, axis=1, keepdims=True)

    print(f"mapping a row of {N_FEATURES} features, against transform:")
    ways = {"numpy": by_numpy, "ONNX": onnx_runner(learner, row)}
    compare(lambda: learner.transform(row), ways)
    print("mapping 1000 rows:")
    compare(lambda: learner.transform(X[:1000]), {"numpy": lambda: by_numpy(X[:1000])})
    print(f"5-NN of a row among {N_ROWS}, against predict of the pipeline:")
    loop = onnx_runner(model, row, {"zipmap": False})
    cdist = {KNeighborsClassifier: {"zipmap": False, "optim": "cdist"}}
    whole = onnx_runner(model, row, cdist)
    ways = {"ONNX, a loop": loop, "ONNX, cdist": whole}
    ways["numpy and faiss"] = lambda: index.search(by_numpy(), 5)
    compare(lambda: model.predict(row), ways)


def share_of_order(n, d, k):
    """Which share of a fit the order of the components takes."""
    X, y = data(n, d)
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        learner = TripletMetricLearner(k, metric="cosine", random_state=0).fit(X, y)
    whole = time.process_time() - start
    W = learner.components_

    def order():
        rotate_to(W, principal_axes(X, W, "cosine"))

    return np.median(timed_calls(order, 5, time.process_time)) / whole


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fits", action="store_true")
    arguments = parser.parse_args()
    register_converters()
    faiss.omp_set_num_threads(1)
    with threadpool_limits(1):
        serve()
        for n, d, k in (FITS + WIDE_FITS) * arguments.fits:
            print(f"{n} x {d}, n_components={k}: {share_of_order(n, d, k):.1%} of a fit")
