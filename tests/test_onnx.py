"""Conversion to ONNX, compared with what scikit-learn computes."""

import subprocess
import sys
from itertools import product

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric.onnx import register_converters
from tests.designs import covering

X, Y = (part[:600] for part in load_digits(return_X_y=True))


def test_without_skl2onnx_a_sentence_says_what_to_install():
    code = (
        "import sys\n"
        "sys.modules['skl2onnx'] = None\n"
        "from skmetric.onnx import register_converters\n"
        "register_converters()\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ImportError: Got no module skl2onnx, but expected it" in run.stderr
    assert "skmetric[onnx]" in run.stderr


@pytest.fixture
def run_onnx():
    """A function that converts a model for some rows, and what it gives for them."""
    skl2onnx = pytest.importorskip("skl2onnx")
    runtime = pytest.importorskip("onnxruntime")
    register_converters()

    def run(model, rows, **options):
        graph = skl2onnx.to_onnx(model, rows[:1], **options)
        providers = ["CPUExecutionProvider"]
        session = runtime.InferenceSession(graph.SerializeToString(), providers=providers)
        return session.run(None, {session.get_inputs()[0].name: rows})

    return run


@pytest.mark.parametrize(
    ("Learner", "metric", "dtype", "n_components"),
    covering(
        product(
            [TripletMetricLearner, ContrastiveMetricLearner],
            ["sqeuclidean", "euclidean", "cosine"],
            [np.float32, np.float64, np.int64],
            [None, 5],
        )
    ),
)
def test_a_pipeline_maps_and_predicts_the_same(
    run_onnx, Learner, metric, dtype, n_components
):
    learner = Learner(n_components, metric=metric, init="pca", max_iter=5, random_state=0)
    learner.set_params(solver="adam")
    steps = StandardScaler(), learner, KNeighborsClassifier(3)
    model = make_pipeline(*steps).fit(X[:400], Y[:400])
    rows = X[400:].astype(dtype)
    (Z,) = run_onnx(model[:-1], rows)
    assert Z.dtype == (np.float64 if dtype == np.float64 else np.float32)
    tol = 1e-12 if dtype == np.float64 else 1e-5
    np.testing.assert_allclose(Z, model[:-1].transform(rows), atol=tol)
    for options in ({}, {"optim": "cdist"}):
        options = {KNeighborsClassifier: {"zipmap": False, **options}}
        labels, _ = run_onnx(model, rows, options=options)
        np.testing.assert_array_equal(labels, model.predict(rows))


@pytest.mark.parametrize("metric", ["sqeuclidean", "cosine"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_a_learner_alone_maps_the_same(run_onnx, metric, dtype):
    learner = TripletMetricLearner(8, metric=metric, max_iter=5, solver="adam")
    learner.set_params(random_state=0).fit(X, Y)
    rows = X.astype(dtype)
    rows[0] = 0
    (Z,) = run_onnx(learner, rows)
    np.testing.assert_allclose(Z, learner.transform(rows), rtol=1e-5, atol=1e-5)
    assert not Z[0].any()


def test_a_learner_without_a_fit_is_refused(run_onnx):
    with pytest.raises(NotFittedError):
        run_onnx(TripletMetricLearner(), X)
