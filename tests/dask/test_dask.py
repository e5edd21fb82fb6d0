"""Learners over a cluster: two processes, and threads without one."""

import inspect
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction
from itertools import permutations, product

import numpy as np
import pytest
from scipy.sparse import csr_matrix, issparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

import skmetric
from skmetric import ContrastiveMetricLearner
from skmetric._fit import constraints_for, resolve_auto
from skmetric._objective._evaluate import evaluate, mine
from skmetric._relations import EdgeLists, LabelRelation
from skmetric.metrics import retrieval_report as local_report

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")

import skmetric.dask as skdask  # noqa: E402
from skmetric.dask._fit import PartitionedProblem  # noqa: E402
from skmetric.dask._labeled_partitions import LabeledPartitions  # noqa: E402

PAIRS = [
    (skdask.DaskTripletMetricLearner, skmetric.TripletMetricLearner),
    (skdask.DaskContrastiveMetricLearner, skmetric.ContrastiveMetricLearner),
]
NAMES = ["triplet", "contrastive"]
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # distributed says so where it closes.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

rng = np.random.default_rng(0)
CENTRES = rng.standard_normal((4, 6))
Y = rng.integers(0, 4, 240)
X = (CENTRES[Y] + rng.standard_normal((240, 6))) * [1, 2, 3, 1, 2, 3] + 5


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    ) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def idle_client(cluster):
    with distributed.Client(cluster, set_as_default=False) as client:
        yield client


@pytest.fixture
def client(idle_client):
    with idle_client.as_current():
        yield idle_client


def parted(rows, X=X, y=Y):
    """As dask arrays, in chunks of so many rows, or of the given ones."""
    return da.from_array(X, chunks=(rows, -1)), da.from_array(y, chunks=(rows,))


def settings(**more):
    """A smooth objective, whose minimisation does not magnify rounding."""
    return {
        "solver": "lbfgs",
        "loss": "squared_hinge",
        "margin": 1.0,
        "positives": "all",
        "negatives": "all",
        "max_iter": 10,
        "n_subsamples": 1,
        "random_state": 0,
    } | more


def triplets(**more):
    return skdask.DaskTripletMetricLearner(**settings(**more))


def at_step(monkeypatch, number, action):
    """Do something in the midst of a fit, as a step begins."""
    evaluate, steps = PartitionedProblem.value_and_grad, []

    def counted(*args):
        steps.append(None)
        if len(steps) == number:
            action()
        return evaluate(*args)

    monkeypatch.setattr(PartitionedProblem, "value_and_grad", counted)
    return steps


def eventually(condition, seconds=20):
    """Whether it holds before long."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


@pytest.mark.parametrize(("over_cluster", "local"), PAIRS, ids=NAMES)
def test_constructors_are_the_same(over_cluster, local):
    assert inspect.signature(over_cluster) == inspect.signature(local)
    learner = over_cluster(n_components=3, margin=2.5)
    assert clone(learner).get_params() == learner.get_params()


@pytest.mark.parametrize(("over_cluster", "local"), PAIRS, ids=NAMES)
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"metric": "cosine", "init": "pca", "n_components": 3},
        {"metric": "euclidean", "init": "lda", "loss": "softplus"},
        {"positives": "nearest", "negatives": "hard", "init": "random"},
        {"positives": "nearest", "negatives": "nearest", "init": "identity"},
    ],
    ids=lambda more: more.get("init", "default"),
)
def test_one_partition_is_the_local_fit(client, over_cluster, local, more):
    more = settings(max_iter=4, **more)
    there = over_cluster(**more).fit(*parted(-1))
    with threadpool_limits(1):  # as in a worker
        here = local(**more).fit(X, Y)
    expected = here.get_mahalanobis_matrix()
    np.testing.assert_allclose(
        there.get_mahalanobis_matrix(), expected, atol=1e-8 * np.abs(expected).max()
    )
    np.testing.assert_allclose(there.loss_curve_, here.loss_curve_, rtol=1e-8)
    np.testing.assert_allclose(
        there.active_fraction_curve_, here.active_fraction_curve_, rtol=1e-8
    )
    assert (there.n_iter_, there.solver_) == (here.n_iter_, "lbfgs")


@pytest.mark.parametrize("rows", [-1, 30])
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_softmax_over_partitions(client, solver, rows):
    """The mean over the pairs of all partitions, each with the negatives of its own."""
    softmax = {"loss": "softmax", "temperature": 0.3, "margin": 0.1, "solver": solver}
    softmax |= {"alpha": 0, "max_iter": 4}
    learner = triplets(**settings(**softmax)).fit(*parted(rows))
    assert learner.margin_ is None
    if rows == -1 and solver == "lbfgs":
        with threadpool_limits(1):  # as in a worker
            here = skmetric.TripletMetricLearner(**settings(**softmax)).fit(X, Y)
        np.testing.assert_allclose(learner.loss_curve_, here.loss_curve_, rtol=1e-8)
    costs, rows = [], len(X) if rows == -1 else rows
    for start in range(0, len(X), rows):
        Z, y = X[start : start + rows] @ learner.components_.T, Y[start : start + rows]
        D = ((Z[:, None] - Z) ** 2).sum(axis=2) / 0.3
        costs += [
            np.log1p(np.exp(D[a, p] - D[a, y != y[a]]).sum())
            for a, p in permutations(range(len(Z)), 2)
            if y[a] == y[p]
        ]
    if solver == "lbfgs":
        assert learner.loss_ == pytest.approx(np.mean(costs), rel=1e-9)
    else:
        assert learner.loss_ < learner.loss_curve_[0]


def test_objective_is_the_sum_of_its_parts(client):
    """Against every triplet within each of eight partitions, one by one."""
    learner = triplets(alpha=0).fit(*parted(30))
    costs = []
    for start in range(0, len(X), 30):
        Z, y = X[start : start + 30] @ learner.components_.T, Y[start : start + 30]
        D = ((Z[:, None] - Z) ** 2).sum(axis=2)
        costs += [
            max(D[a, p] - D[a, n] + 1.0, 0) ** 2
            for a, p, n in product(range(30), repeat=3)
            if a != p and y[a] == y[p] and y[a] != y[n]
        ]
    assert learner.loss_ == pytest.approx(np.mean(costs), rel=1e-9)


def test_edges_within_partitions_add_up(client):
    """The mean over the triplets among near rows of each of two partitions."""
    words = {"positives": "nearest", "negatives": "nearest", "n_impostors": 4}
    constraints = constraints_for(resolve_auto(triplets(**words), False), 6)
    W, losses, counts = 0.3 * np.eye(6), [], []
    for rows in (slice(0, 120), slice(120, 240)):
        mined = mine(W, X[rows], LabelRelation(Y[rows]), "sqeuclidean", constraints, None)
        assert isinstance(mined, EdgeLists)
        here = (W, X[rows], LabelRelation(Y[rows]), "sqeuclidean", constraints)
        found = evaluate(*here, mined=mined)
        losses.append(found.loss)
        counts.append(found.n_constraints)
    with LabeledPartitions(*parted(120)) as partitions:
        problem = PartitionedProblem(partitions, W, "sqeuclidean", constraints)
        mined = problem.mine(W, None, np.random.RandomState(0))
        found = problem.objective(W, None, mined)
    assert found.n_constraints == sum(counts)
    assert found.loss == pytest.approx(np.average(losses, weights=counts), rel=1e-10)


def test_the_penalty_counts_once_and_gradients_are_those_of_the_loss(client):
    with LabeledPartitions(*parted(30)) as partitions:
        W0, random_state = np.eye(3, 6), np.random.RandomState(0)
        constraints = constraints_for(resolve_auto(triplets(), False), 3)
        problem = PartitionedProblem(partitions, W0, "sqeuclidean", constraints)
        problem.penalty = 7.0
        W = W0 + 0.1 * random_state.standard_normal(W0.shape)
        mined = problem.mine(W, None, random_state)
        plain = problem.value_and_grad(W, None, mined)
        gap = problem.objective(W, None, mined).loss - plain.loss
        away = W - W0
        assert gap == pytest.approx(7 / 2 * (away**2).sum() / (W0**2).sum())
        step = 1e-6 * random_state.standard_normal(W0.shape)
        up, down = (problem.objective(W + s, None, mined).loss for s in (step, -step))
        slope = np.vdot(problem.objective(W, None, mined).gradient, 2 * step)
        assert up - down == pytest.approx(slope, rel=1e-5)


def test_threads_serve_without_a_client(idle_client):
    here = triplets().fit(*parted(60)).components_
    with idle_client.as_current():
        there = triplets().fit(*parted(60)).components_
    np.testing.assert_allclose(here, there, rtol=1e-9, atol=1e-12)


def on_a_worker(block):
    distributed.get_worker()
    return block


def test_the_current_client_is_used(idle_client):
    rows, labels = parted(60)
    rows = rows.map_blocks(on_a_worker, dtype=float, meta=np.empty((0, 0)))
    with pytest.raises(ValueError, match="worker"):
        triplets().fit(rows, labels)
    with idle_client.as_current():
        triplets(max_iter=1).fit(rows, labels)


@pytest.mark.parametrize("name", ["pca", "lda", "identity", "random"])
@pytest.mark.parametrize("sparse", [False, True])
def test_initial_maps_are_the_local_ones(name, sparse):
    rows, labels = parted(50)
    if sparse:
        rows = rows.map_blocks(csr_matrix)
    k = 3 if name == "lda" else 4
    learner = triplets(init=name, n_components=k, max_iter=1)
    there = learner.fit(rows, labels).initial_components_
    here = learner.to_local().fit(X, Y).initial_components_
    np.testing.assert_allclose(there.T @ there, here.T @ here, rtol=1e-7, atol=1e-10)
    Z = X @ there.T
    squared = ((Z[:, None] - Z) ** 2).sum(axis=2)
    assert squared.sum() / (len(X) * (len(X) - 1)) == pytest.approx(1)


def test_unknown_chunks_are_found_and_left_as_they_are():
    rows, labels = parted(60)
    keep = np.arange(len(X)) % 3 > 0
    mask = da.from_array(keep, chunks=60)
    expected = triplets().fit(*parted(40, X[keep], Y[keep]))
    rows, labels = rows[mask], labels[mask]
    learner = triplets().fit(rows, labels)
    np.testing.assert_allclose(learner.components_, expected.components_, rtol=1e-9)
    assert np.isnan(rows.chunks[0]).all()
    assert np.isnan(learner.transform(rows).chunks[0]).all()
    assert learner.transform(rows).compute().shape == (keep.sum(), 6)


def test_labels_are_brought_into_the_chunks_of_the_rows():
    expected = triplets().fit(*parted(60)).components_
    rows, _ = parted(60)
    for labels in (da.from_array(Y, chunks=90), da.from_array(Y[:, None], chunks=60)):
        found = triplets().fit(rows, labels).components_
        np.testing.assert_array_equal(found, expected)


def test_names_of_classes_are_of_any_type():
    names = np.array(["ash", "oak", "elm", "yew"])[Y]
    expected = triplets(init="lda").fit(*parted(60)).components_
    for labels in (names, names.astype(object)):
        found = triplets(init="lda").fit(*parted(60, X, labels)).components_
        np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=1e-7)


def objects(values):
    """An array of any values."""
    return np.fromiter(values, dtype=object)


def test_labels_without_an_order(client):
    sets = [frozenset("ab"), frozenset("bc"), frozenset("c"), frozenset("a")]
    expected = triplets(init="lda").fit(*parted(60)).components_
    labels = objects(sets[code] for code in Y)
    found = triplets(init="lda").fit(*parted(60, X, labels)).components_
    np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=1e-7)
    scores = {"n_queries": 100, "random_state": 0}
    here, there = (
        skdask.retrieval_report(*parted(60, X, y), **scores) for y in (labels, Y)
    )
    assert dict(here) == dict(there)


def learn(rows, labels):
    triplets().fit(rows, labels)


@pytest.mark.parametrize("call", [learn, skdask.retrieval_report])
def test_labels_of_several_types_in_several_partitions(call):
    rows, labels = parted(120)
    for other in (labels.astype(str), labels.astype(str).astype(object)):
        mixed = da.concatenate([labels[:120].astype(object), other[120:]])
        with pytest.raises(ValueError, match=r"'str.*labels of one type"):
            call(rows, mixed)
    # Blocks need not be of the type that the array has.
    lying = labels.map_blocks(
        lambda block, block_info: (
            block if block_info[0]["chunk-location"][0] else block > 1
        ),
        dtype=labels.dtype,
    )
    call(rows, lying)
    lying = labels.map_blocks(
        lambda block, block_info: (
            block.astype(str) if block_info[0]["chunk-location"][0] else block
        ),
        dtype=labels.dtype,
    )
    with pytest.raises(ValueError, match="labels of one type"):
        call(rows, lying)


@pytest.mark.parametrize("call", [learn, skdask.retrieval_report])
@pytest.mark.parametrize(
    "labels",
    [
        np.where(Y == 0, np.nan, Y),
        np.where(Y == 0, None, Y),
        np.where(Y == 0, "NaT", "2020").astype("M8[D]"),
        np.ma.array(Y, mask=Y == 0),
    ],
    ids=["NaN", "None", "NaT", "masked"],
)
def test_missing_labels(call, labels):
    with pytest.raises(ValueError, match="Input y contains NaN"):
        call(*parted(60, X, labels))


def test_missing_labels_of_dataframes():
    try:
        import dask.dataframe as dd
        import pandas as pd
    except ImportError as error:  # also of a pyarrow for a later numpy
        pytest.skip(str(error))
    for dtype in ("Int64", "string", "category"):
        labels = pd.Series(np.where(np.arange(240) == 100, None, Y)).astype(dtype)
        with pytest.raises(ValueError, match="Input y contains NaN"):
            triplets().fit(parted(60)[0], dd.from_pandas(labels, npartitions=4))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.arange(240) % 80.0, "80 different values in 240 rows: a regression target"),
        (np.where(np.arange(240) % 5, Y, -1), "unlabelled rows"),
    ],
)
def test_numbers_that_are_hardly_classes(labels, words):
    with pytest.warns(UserWarning, match=words) as caught:
        triplets(max_iter=300).fit(*parted(120, X, labels))
    about = [w for w in caught if not issubclass(w.category, ConvergenceWarning)]
    assert [warning.filename for warning in about] == [__file__]
    skdask.retrieval_report(*parted(120, X, labels))


@pytest.mark.parametrize(
    "words",
    [{"target": "continuous"}, {"class_weight": "balanced"}, {"unlabeled": -1}],
    ids=list,
)
def test_what_is_for_rows_in_memory_is_refused(words):
    with pytest.raises(
        ValueError, match=r"^Got .*Triplet.*learns from class labels of one"
    ):
        triplets(**words).fit(*parted(60))


def test_several_labels_a_row_are_refused():
    X, y = da.zeros((60, 3), chunks=(20, 3)), da.ones((60, 2), chunks=(20, 2))
    with pytest.raises(ValueError, match=r"y of shape \(60, 2\), but expected one label"):
        triplets().fit(X, y)


def test_fractional_targets_are_refused():
    with pytest.raises(ValueError, match=r"fractional values.*expected class labels"):
        triplets().fit(*parted(60, X, Y + 0.5))


def test_a_fit_without_labels():
    with pytest.raises(TypeError, match="y of type NoneType, but expected a dask"):
        triplets().fit(parted(60)[0])


def test_empty_and_uneven_partitions(client):
    sizes = (100, 0, 130, 0, 10)
    full = tuple(size for size in sizes if size)
    expected = triplets().fit(*parted(full)).components_
    found = triplets().fit(*parted(sizes)).components_
    np.testing.assert_array_equal(found, expected)


def test_partitions_of_a_single_class_are_refused():
    order = np.argsort(Y)
    with pytest.raises(ValueError, match=r"single class.*Shuffle the rows"):
        triplets().fit(*parted(20, X[order], Y[order]))


def test_the_remedy_for_data_sorted_by_class():
    order = np.argsort(Y)
    rows, labels = parted(20, X[order], Y[order])
    order = np.random.default_rng(0).permutation(len(rows))
    assert triplets().fit(rows[order], labels[order]).n_features_in_ == 6


def test_few_rows_of_a_single_class_are_left_out():
    some, last = slice(0, 200), slice(200, 201)
    rows, labels = (np.concatenate([v[some], v[last]]) for v in (X, Y))
    with pytest.warns(UserWarning, match="1 of 5 partitions.*1 of 201 rows") as caught:
        learner = triplets(init=np.eye(6)).fit(*parted(50, rows, labels))
    assert caught[0].filename == __file__
    expected = triplets(init=np.eye(6)).fit(*parted(50, X[some], Y[some]))
    np.testing.assert_array_equal(learner.components_, expected.components_)


@pytest.mark.parametrize(
    ("rows", "labels", "error", "match"),
    [
        (X, da.from_array(Y), TypeError, "X of type ndarray.*dask.array.from_array"),
        (da.from_array(X), Y, TypeError, "y of type ndarray"),
        (da.from_array(X), None, TypeError, "y of type NoneType"),
        (da.from_array(X, chunks=(60, 3)), da.from_array(Y), ValueError, "rechunk"),
        (da.from_array(X[:, 0]), da.from_array(Y), ValueError, "expected 2"),
        (da.from_array(X), da.from_array(Y[:9]), ValueError, "one label for each row"),
        (da.from_array(X[:0]), da.from_array(Y[:0]), ValueError, "without rows"),
        (da.from_array(X), da.from_array(np.zeros(240)), ValueError, "2 classes"),
        (da.from_array(X), da.from_array(Y + 0.5), ValueError, "continuous"),
        (da.from_array(np.full_like(X, np.nan)), da.from_array(Y), ValueError, "X cont"),
    ],
)
def test_errors(rows, labels, error, match):
    learner = triplets()
    with pytest.raises(error, match=match):
        learner.fit(rows, labels)
    assert not hasattr(learner, "n_features_in_")


def test_a_bad_word_is_refused_before_any_work():
    rows = da.from_array(X).map_blocks(lambda block: 1 / 0, dtype=float, meta=X[:0])
    for wrong in ({"positives": "near"}, {"metric": "manhattan"}, {"margin": -1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            triplets(**wrong).fit(rows, da.from_array(Y))


def test_methods_for_rows_in_memory_are_not_there():
    learner = triplets()
    for name in ("partial_fit", "fit_triplets", "partial_fit_triplets"):
        assert not hasattr(learner, name)
        with pytest.raises(AttributeError, match=rf"to_local\(\)\.{name}"):
            getattr(learner, name)
    assert not hasattr(skdask.DaskContrastiveMetricLearner(), "fit_pairs")


@pytest.mark.parametrize("metric", ["sqeuclidean", "cosine"])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8"])
def test_transform_keeps_chunks_and_tells_its_dtype(client, metric, dtype):
    rows, labels = parted(70, (10 * X).astype(dtype))
    learner = triplets(n_components=3, metric=metric, max_iter=2).fit(rows, labels)
    Z = learner.transform(rows)
    assert (Z.chunks, Z.shape) == (((70, 70, 70, 30), (3,)), (240, 3))
    assert Z.dtype == Z._meta.dtype == ("f4" if dtype == "f4" else "f8")
    local = learner.to_local().transform((10 * X).astype(dtype))
    computed = Z.compute()
    assert computed.dtype == Z.dtype == local.dtype
    np.testing.assert_allclose(computed, local, rtol=1e-5 if dtype == "f4" else 1e-12)
    np.testing.assert_array_equal(learner.transform((10 * X).astype(dtype)), local)


def test_half_precision_becomes_single():
    half = X.astype(np.float16)
    rows, labels = parted(70, half)
    learner = triplets().fit(rows, labels)
    expected = triplets().fit(*parted(70, half.astype(np.float32)))
    np.testing.assert_array_equal(learner.components_, expected.components_)
    Z = learner.transform(rows)
    assert Z.dtype == Z.compute().dtype == learner.components_.dtype == np.float32


@pytest.mark.parametrize("init", ["identity", "pca", "lda", "random"])
@pytest.mark.parametrize("factor", [1e-162, 1e-155, 1e155, 1e306])
def test_rows_whose_squares_float64_cannot_hold_are_refused(init, factor):
    learner = triplets(init=init)
    with pytest.raises(ValueError, match=r"Got X of float64 whose rows are .* apart"):
        learner.fit(*parted(120, factor * X))
    assert not hasattr(learner, "components_")


def test_sparse_blocks_stay_sparse():
    rows, labels = parted(60)
    kinds = []

    def as_csr(block):
        kinds.append(issparse(csr_matrix(block)))
        return csr_matrix(block)

    sparse = rows.map_blocks(as_csr)
    one, other = (triplets(init="identity").fit(X, labels) for X in (rows, sparse))
    np.testing.assert_allclose(one.components_, other.components_, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(other.transform(sparse).compute(), other.transform(X))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("kind", ["dense", "sparse", "dataframe"])
def test_transform_refuses_what_the_local_one_does(bad, kind):
    learner = triplets(max_iter=1).fit(*parted(60))
    spoilt = X.copy()
    spoilt[100, 2] = bad
    with pytest.raises(ValueError, match="Input X contains") as local:
        learner.to_local().transform(spoilt)
    rows = da.from_array(spoilt, chunks=(60, -1))
    if kind == "sparse":
        rows = rows.map_blocks(csr_matrix)
    elif kind == "dataframe":
        rows = dask_dataframe().from_dask_array(rows)
    Z = learner.transform(rows)
    with pytest.raises(ValueError, match="Input X contains") as there:
        Z.compute()
    first, *_ = str(local.value).splitlines()
    assert str(there.value).splitlines()[0] == first
    np.testing.assert_allclose(Z.partitions[0].compute(), learner.transform(X[:60]))


def test_transform_refuses_other_columns():
    learner = triplets(max_iter=1).fit(*parted(60))
    with pytest.raises(ValueError, match="features"):
        learner.transform(da.from_array(X[:, :5]))
    with pytest.raises(ValueError, match="rechunk"):
        learner.transform(da.from_array(X, chunks=(60, 2)))


def dask_dataframe():
    try:
        import dask.dataframe
    except ImportError as error:  # also of a pyarrow for a later numpy
        pytest.skip(str(error))
    return dask.dataframe


def test_dataframes(client):
    dd, pd = dask_dataframe(), pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcdef"), index=np.arange(240) + 7)
    labels = pd.Series(np.array(["ash", "oak", "elm", "yew"])[Y], index=frame.index)
    rows, names = (dd.from_pandas(part, npartitions=4) for part in (frame, labels))
    learner = triplets(n_components=2).fit(rows, names)
    np.testing.assert_array_equal(learner.feature_names_in_, list("abcdef"))
    expected = triplets(n_components=2).fit(*parted(60))
    np.testing.assert_allclose(learner.components_, expected.components_, rtol=1e-9)
    Z = learner.transform(rows)
    assert Z.divisions == rows.divisions
    assert list(Z.columns) == list(learner.get_feature_names_out())
    computed = Z.compute()
    pd.testing.assert_frame_equal(computed.iloc[:0], Z._meta)
    np.testing.assert_array_equal(computed.index, frame.index)
    np.testing.assert_allclose(computed, expected.transform(X), rtol=1e-9)
    with pytest.raises(ValueError, match="feature names"):
        learner.transform(rows.rename(columns={"a": "z"}))


@pytest.mark.parametrize(("over_cluster", "local"), PAIRS, ids=NAMES)
def test_to_local_is_the_plain_estimator(over_cluster, local):
    learner = over_cluster(**settings()).fit(*parted(60))
    plain = pickle.loads(pickle.dumps(learner.to_local()))
    assert type(plain) is local
    assert plain.get_params() == learner.get_params()
    np.testing.assert_array_equal(plain.transform(X), learner.transform(X))
    assert vars(plain).keys() == vars(learner).keys()
    assert plain.fit(X, Y).n_features_in_ == 6
    assert not hasattr(over_cluster().to_local(), "components_")


def test_a_killed_worker_changes_nothing(client, cluster, monkeypatch):
    rows, labels = parted(60)
    rows = rows.persist()
    expected = triplets().fit(rows, labels).components_
    pids = client.run(os.getpid)
    steps = at_step(
        monkeypatch, 4, lambda: os.kill(next(iter(pids.values())), signal.SIGKILL)
    )
    found = triplets().fit(rows, labels).components_
    assert len(steps) > 4
    np.testing.assert_array_equal(found, expected)
    client.wait_for_workers(2, timeout=60)
    assert set(client.run(os.getpid).values()) != set(pids.values())


def test_a_worker_may_join(client, cluster, monkeypatch):
    rows, labels = parted(30)
    expected = triplets().fit(rows, labels).components_

    def join():
        cluster.scale(3)
        client.wait_for_workers(3, timeout=60)

    at_step(monkeypatch, 4, join)
    try:
        found = triplets().fit(rows, labels).components_
        ran = client.run(lambda dask_worker: len(dask_worker.state.log) > 0)
        assert len(ran) == 3
    finally:
        cluster.scale(2)
    np.testing.assert_array_equal(found, expected)
    assert eventually(lambda: len(client.scheduler_info()["workers"]) == 2)


def slowly(block):
    time.sleep(0.2)
    return block


@pytest.fixture
def interruptible():
    """Also where the shell has started the tests in the background, and ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_cancels_what_is_under_way(client, monkeypatch):
    rows, labels = parted(60)
    learner = triplets().fit(rows, labels)
    before = dict(vars(learner))
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    steps = at_step(monkeypatch, 2, timer.start)
    with pytest.raises(KeyboardInterrupt) as caught:
        learner.fit(rows.map_blocks(slowly, dtype=float, meta=X[:0]), labels)
    timer.join()
    assert len(steps) >= 2
    assert vars(learner) == before
    # Also while the traceback keeps its frames alive.
    assert caught.tb is not None
    assert eventually(lambda: not client.run_on_scheduler(tasks_of))


def tasks_of(dask_scheduler):
    return len(dask_scheduler.tasks)


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_margins_of_one_partition_are_the_local_ones(client, solver):
    options = {"margin": "auto", "solver": solver}
    if solver == "adam":
        options["batch_size"] = len(X)
    there = skdask.DaskContrastiveMetricLearner(**settings(**options)).fit(*parted(-1))
    here = ContrastiveMetricLearner(**settings(**options)).fit(X, Y)
    assert there.margin_ == pytest.approx(here.margin_)
    assert there.pos_margin_ == pytest.approx(here.margin_ / 3)


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_margins_are_those_of_the_pairs_within_all_partitions(client, solver):
    options = {"margin": "auto", "solver": solver}
    if solver == "adam":
        options["batch_size"] = len(X)
    learner = skdask.DaskContrastiveMetricLearner(**settings(**options)).fit(*parted(40))
    E, lengths = X @ learner.initial_components_.T, {True: [], False: []}
    for start in range(0, len(X), 40):
        for i, j in permutations(range(start, min(start + 40, len(X))), 2):
            lengths[bool(Y[i] == Y[j])].append(((E[i] - E[j]) ** 2).sum())
    unit = (np.mean(lengths[True]) + np.mean(lengths[False])) / 2
    # Batches count by their pairs of either kind together, all rows by each kind.
    rel = {"lbfgs": 1e-6, "adam": 0.02}[solver]
    assert learner.margin_ == pytest.approx(1.5 * unit, rel=rel)


def test_a_scheduler_that_is_gone_is_a_clear_end(monkeypatch):
    with (
        distributed.LocalCluster(
            1, processes=False, dashboard_address=":0", silence_logs=50
        ) as short_lived,
        distributed.Client(short_lived, set_as_default=False) as client,
        client.as_current(),
    ):
        at_step(monkeypatch, 3, short_lived.close)
        learner = triplets()
        with pytest.raises(RuntimeError, match="scheduler of the cluster"):
            learner.fit(*parted(60))
    assert not hasattr(learner, "components_")


CLUSTER = """
import asyncio
import distributed

async def main():
    async with (
        distributed.Scheduler(port=0, dashboard_address=":0") as scheduler,
        distributed.Worker(scheduler.address, nthreads=1),
    ):
        print(scheduler.address, flush=True)
        await scheduler.finished()

asyncio.run(main())
"""


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSTOP"])
def test_a_scheduler_of_another_process_that_is_gone_is_a_clear_end(monkeypatch, name):
    """Killed, or out of reach, where nothing says so but its silence."""
    with subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            client = distributed.Client(
                process.stdout.readline().strip(), set_as_default=False, timeout=5
            )
            learner = triplets(max_iter=2).set_params(random_state=1)
            before = dict(vars(learner))
            at_step(monkeypatch, 3, lambda: process.send_signal(getattr(signal, name)))
            with (
                client.as_current(),
                dask.config.set({"skmetric.no-workers-timeout": "1s"}),
                pytest.raises(RuntimeError, match="scheduler of the cluster"),
            ):
                learner.fit(*parted(60))
            assert vars(learner) == before
        finally:
            process.kill()
            client.close()


@pytest.fixture(scope="module")
def idle_cluster():
    with distributed.LocalCluster(
        n_workers=0,
        threads_per_worker=1,
        processes=False,
        dashboard_address=":0",
        silence_logs=50,
    ) as cluster:
        yield cluster


@pytest.fixture
def client_without_workers(idle_cluster):
    with (
        distributed.Client(idle_cluster, set_as_default=False) as client,
        client.as_current(),
        dask.config.set({"skmetric.no-workers-timeout": "1s"}),
    ):
        yield client
        idle_cluster.scale(0)
        assert eventually(lambda: not client.nthreads())


def unknown_chunks():
    rows, labels = parted(60)
    keep = da.from_array(np.ones(len(X), dtype=bool), chunks=60)
    return rows[keep], labels[keep]


@pytest.mark.parametrize(
    "call",
    [
        lambda: triplets().fit(*parted(60)),
        lambda: triplets().fit(*unknown_chunks()),
        lambda: skdask.retrieval_report(*parted(60)),
    ],
    ids=["fit", "unknown chunks", "retrieval"],
)
def test_a_cluster_without_workers_is_a_clear_end(client_without_workers, call):
    with pytest.raises(RuntimeError, match=r"no worker from the cluster for 1 s.*Start"):
        call()
    assert eventually(lambda: not client_without_workers.run_on_scheduler(tasks_of))


def test_workers_that_leave_for_good_are_a_clear_end_and_others_go_on(
    client_without_workers, idle_cluster, monkeypatch
):
    def leave():
        idle_cluster.scale(0)
        assert eventually(lambda: not client_without_workers.nthreads())

    idle_cluster.scale(1)
    client_without_workers.wait_for_workers(1, timeout=20)
    learner = triplets(max_iter=2).fit(*parted(60))
    before = dict(vars(learner))
    with monkeypatch.context() as patch:
        at_step(patch, 3, leave)
        with pytest.raises(RuntimeError, match=r"no worker.*skmetric\.no-workers-timeout"):
            learner.fit(*parted(60))
    assert vars(learner) == before
    assert eventually(lambda: not client_without_workers.run_on_scheduler(tasks_of))
    idle_cluster.scale(1)
    with dask.config.set({"skmetric.no-workers-timeout": None}):
        again = learner.fit(*parted(60)).components_
    np.testing.assert_array_equal(again, before["components_"])


def test_workers_may_come_late(client_without_workers, idle_cluster):
    timer = threading.Timer(1.5, idle_cluster.scale, [1])
    timer.start()
    with dask.config.set({"skmetric.no-workers-timeout": "1 minute"}):
        learner = triplets(max_iter=1).fit(*parted(60))
    timer.join()
    np.testing.assert_array_equal(
        learner.components_, triplets(max_iter=1).fit(*parted(60)).components_
    )


def test_the_time_that_a_scheduler_waits_for_workers_is_a_clear_end():
    with (
        dask.config.set({"distributed.scheduler.no-workers-timeout": "500ms"}),
        distributed.LocalCluster(
            n_workers=0, processes=False, dashboard_address=":0", silence_logs=50
        ) as short_of_time,
        distributed.Client(short_of_time, set_as_default=False) as client,
        client.as_current(),
        pytest.raises(RuntimeError, match=r"0\.5 s.*distributed\.scheduler\.no-workers"),
    ):
        triplets().fit(*parted(60))


@pytest.mark.parametrize("wrong", ["soon", 0, -1, "", "5 parsecs", [1], "nan"])
def test_a_time_to_wait_for_workers_that_is_none(client_without_workers, wrong):
    learner = triplets()
    with (
        dask.config.set({"skmetric.no-workers-timeout": wrong}),
        pytest.raises(ValueError, match=r"Got skmetric\.no-workers-timeout=.*expected"),
    ):
        learner.fit(*parted(60))
    assert not hasattr(learner, "n_features_in_")


def out_of_reach(block):
    raise TimeoutError("the bucket does not answer")


def test_errors_of_the_data_are_not_taken_for_those_of_the_cluster(idle_client):
    rows, labels = parted(60)
    rows = rows.map_blocks(out_of_reach, dtype=float, meta=X[:0])
    with pytest.raises(TimeoutError, match="bucket"):
        triplets().fit(rows, labels)
    with idle_client.as_current(), pytest.raises(TimeoutError, match="bucket"):
        triplets().fit(rows, labels)


def fit_within_a_task():
    return triplets(max_iter=1).fit(*parted(60)).components_


def test_a_task_may_fit_on_the_only_thread_there_is(client_without_workers, idle_cluster):
    idle_cluster.scale(1)
    found = client_without_workers.submit(fit_within_a_task).result(timeout=60)
    np.testing.assert_array_equal(found, fit_within_a_task())


def dying(block):
    os._exit(1)


def test_a_partition_that_kills_its_workers_is_a_clear_end():
    """In a cluster of its own: a worker that dies as it starts may stay away for good."""
    rows, labels = parted(-1)
    rows = rows.map_blocks(dying, dtype=float, meta=X[:0])
    with (
        distributed.LocalCluster(
            1, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as short_lived,
        distributed.Client(short_lived, set_as_default=False) as client,
        client.as_current(),
    ):
        client.run_on_scheduler(allow_no_failures)
        learner = triplets()
        with pytest.raises(RuntimeError, match="smaller chunks"):
            learner.fit(rows, labels)
    assert not hasattr(learner, "components_")


def allow_no_failures(dask_scheduler):
    dask_scheduler.allowed_failures = 0


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_the_mean_of_equal_partitions_is_the_local_fit(solver):
    """With a batch for all rows nothing is drawn, and all partitions do the same."""
    more = settings(
        solver=solver,
        learning_rate_init=0.001,
        batch_size=1000,
        init=np.eye(3, 6) / 5,
        alpha=0.1,
        max_iter=20,
        tol=0.0,
    )
    rows, labels = parted(240, np.tile(X, (3, 1)), np.tile(Y, 3))
    there = skdask.DaskTripletMetricLearner(**more).fit(rows, labels)
    here = skmetric.TripletMetricLearner(**more).fit(X, Y)
    np.testing.assert_allclose(there.components_, here.components_, rtol=1e-7)
    np.testing.assert_allclose(there.loss_curve_, here.loss_curve_, rtol=1e-7)
    assert there.n_iter_ == here.n_iter_


def test_partitions_weigh_as_many_as_they_have_rows(monkeypatch):
    """One step of gradient descent from each, without a penalty."""
    more = settings(
        solver="sgd", momentum=0.0, alpha=0, batch_size=1000, init=np.eye(6) / 5, max_iter=1
    )
    sizes = (40, 150, 50)
    monkeypatch.setattr("skmetric._base.rotate_to", lambda W, axes: W)
    there = skdask.DaskTripletMetricLearner(**more).fit(*parted(sizes)).components_
    ends = np.cumsum(sizes)
    maps = [
        skmetric.TripletMetricLearner(**more).fit(X[end - n : end], Y[end - n : end])
        for n, end in zip(sizes, ends, strict=True)
    ]
    expected = np.average([m.components_ for m in maps], axis=0, weights=sizes)
    np.testing.assert_allclose(there, expected, rtol=1e-9, atol=1e-12)


def test_components_have_falling_variance_over_all_partitions():
    for metric in ("sqeuclidean", "cosine"):
        learner = triplets(metric=metric).fit(*parted((40, 150, 50)))
        covariance = np.cov(learner.to_local().transform(X), rowvar=False)
        variances = np.diag(covariance)
        np.testing.assert_allclose(covariance, np.diag(variances), atol=1e-9)
        assert (np.diff(variances) < 0).all()


def test_epochs_are_drawn_from_the_random_state(client):
    more = settings(solver="adam", batch_size=20, max_iter=3)
    maps = [
        skdask.DaskTripletMetricLearner(**more | {"random_state": seed})
        .fit(*parted(60))
        .components_
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(maps[0], maps[1])
    assert not np.allclose(maps[0], maps[2], rtol=1e-3)


def test_partitions_draw_for_themselves():
    with LabeledPartitions(*parted(60)) as partitions:
        seeds = partitions.seeds(np.random.RandomState(0))
    states = {tuple(seed.generate_state(2)) for seed in seeds}
    assert len(states) == 4


def test_early_stopping_judges_by_rows_held_out():
    apart = X + 100 * CENTRES[Y]
    more = settings(solver="adam", early_stopping=True, n_iter_no_change=2, max_iter=9)
    learner = skdask.DaskTripletMetricLearner(**more).fit(*parted(60, apart, Y))
    # The first, two that are no better, and one in which the rate falls.
    assert learner.validation_scores_ == pytest.approx([1.0] * 4)
    scored = more | {"scoring": lambda learner, X, y: float(len(X))}
    learner = skdask.DaskTripletMetricLearner(**scored).fit(*parted(60, apart, Y))
    local = skmetric.TripletMetricLearner(**scored).fit(apart, Y)
    # A tenth of each class of each partition, rounded down; of about as many rows.
    assert 0 < learner.validation_scores_[0] <= local.validation_scores_[0] / 4


def test_warm_start_goes_on():
    learner = triplets(warm_start=True, max_iter=3).fit(*parted(60))
    before = learner.loss_curve_
    after = learner.fit(*parted(60)).loss_curve_
    assert after[0] < before[-1]


def grid(n=300):
    """Points with many ties, on which arithmetic is exact, and a class of one."""
    draws = np.random.default_rng(1)
    E, y = draws.integers(0, 5, (n, 3)).astype(float), draws.integers(0, 6, n)
    y[-1] = 99
    return E, y


def test_retrieval_scores_are_those_of_the_whole(client):
    E, y = grid()
    scores = ["precision_at_1", "precision_at_250", "success_at_4", "ndcg_at_10"]
    scores += ["recall_at_4", "r_precision", "map_at_r"]
    here = local_report(E, y, scores=scores)
    there = skdask.retrieval_report(*parted(70, E, y), n_queries=10**6, scores=scores)
    assert dict(there) == pytest.approx(dict(here), rel=1e-12)
    assert (there.n_queries, there.n_left_out) == (299, 1)


def test_retrieval_scores_of_a_sample():
    E, y = grid()
    draw = np.sort(np.random.RandomState(3).permutation(300)[:40])
    report = skdask.retrieval_report(
        *parted(70, E, y), n_queries=40, scores=["precision_at_5"], random_state=3
    )
    expected = []
    for query in draw[y[draw] != 99]:
        far = ((E - E[query]) ** 2).sum(axis=1)
        far[query] = np.inf
        expected.append((y[np.argsort(far, kind="stable")[:5]] == y[query]).mean())
    assert report["precision_at_5"] == pytest.approx(np.mean(expected))
    assert report.n_queries == len(expected)


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "manhattan"])
@pytest.mark.parametrize("power", [-1000, -540, 540, 1021])
def test_retrieval_scores_at_any_scale(metric, power):
    E, y = grid()

    def over_partitions(E):
        return dict(skdask.retrieval_report(*parted(70, E, y), metric=metric))

    assert over_partitions(np.ldexp(E, power)) == over_partitions(E)


def drawn(seed):
    """Ten of 300 rows."""
    return np.sort(np.random.RandomState(seed).permutation(300)[:10])


@pytest.mark.parametrize("metric", ["euclidean", "manhattan"])
@pytest.mark.parametrize("power", [-1000, 600, 1020])
def test_partitions_of_several_scales(metric, power):
    E, y = grid()
    # The last two partitions are to another scale than all that is asked for.
    E[:210] -= 2
    E[210:] = np.ldexp(E[210:] + 8, power)
    seed = next(s for s in range(999) if drawn(s).max() < 210)
    report = skdask.retrieval_report(
        *parted(70, E, y),
        n_queries=10,
        scores=["ndcg_at_299"],
        random_state=seed,
        metric=metric,
    )
    # From ordinary rows, the small ones are as far as 0 is.
    E[np.abs(E) < 1e-200] = 0
    exponent = 2 if metric == "euclidean" else 1
    expected = []
    for query in drawn(seed):
        far = [
            sum(Fraction(abs(value)) ** exponent for value in difference)
            for difference in (E - E[query]).tolist()
        ]
        others = [i for i in range(300) if i != query]
        nearest = sorted(others, key=lambda i: (far[i], i))
        hits, gains = y[nearest] == y[query], 1 / np.log2(np.arange(2, 301))
        n_relevant = np.count_nonzero(y == y[query]) - 1
        expected.append(gains[hits].sum() / gains[:n_relevant].sum())
    assert report["ndcg_at_299"] == pytest.approx(np.mean(expected), rel=1e-12)


def test_retrieval_errors():
    E, y = parted(70, *grid())
    with pytest.raises(ValueError, match="complete ranking"):
        skdask.retrieval_report(E, y, scores=["map", "precision_at_1"])
    with pytest.raises(ValueError, match="k=300"):
        skdask.retrieval_report(E, y, scores=["precision_at_300"])
    with pytest.raises(TypeError, match="E of type"):
        skdask.retrieval_report(E.compute(), y)
    with pytest.raises(ValueError, match="n_queries"):
        skdask.retrieval_report(E, y, n_queries=0)


def test_a_fit_that_is_short_of_iterations_says_so():
    with pytest.warns(ConvergenceWarning, match="DaskTripletMetricLearner") as caught:
        triplets(max_iter=1).fit(*parted(60))
    assert caught[0].filename == __file__
