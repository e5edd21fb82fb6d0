"""What a fit gives: invariances, known optima, streaming, warnings, failed fits."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_iris, make_blobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skmetric import ContrastiveMetricLearner, TripletMetricLearner, _fit
from skmetric._objective import _problem
from skmetric.metrics import retrieval_scorer
from skmetric.mining._sampler import stratified_part
from skmetric.mining._strategies import row_blocks
from tests.maps import metric_of

LEARNERS = [TripletMetricLearner, ContrastiveMetricLearner]
EUCLIDEAN = ["sqeuclidean", "euclidean"]
METRICS = [*EUCLIDEAN, "cosine"]
# Three classes along two features, hidden by four of noise.
Y = np.random.RandomState(7).permutation(np.repeat(np.arange(3), [50, 40, 30]))
NOISE = np.random.RandomState(0).standard_normal((len(Y), 6)) * [1, 1, 4, 4, 4, 4]
X = NOISE + np.pad(np.array([[0, 0], [4, 0], [0, 4]])[Y], ((0, 0), (0, 4)))

# Budgets are short here: enough to move the map.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(params=LEARNERS)
def learner(request):
    return request.param(random_state=0)


def short(learner, solver, **parameters):
    """The learner, with a budget that is enough to move the map."""
    n = {"lbfgs": 200, "adam": 20, "sgd": 20}[solver]
    settings = {"solver": solver, "max_iter": n, "n_subsamples": 1}
    if solver != "lbfgs":
        settings["batch_size"] = 60
    if learner.n_components is None:
        # So that there is something to learn, and X may be sparse.
        settings["init"] = "identity"
    settings |= parameters
    return learner.set_params(**settings)


def moved(learner):
    start = metric_of(learner.initial_components_)
    return not np.allclose(learner.get_mahalanobis_matrix(), start, rtol=0.05)


def accuracy(Z, y):
    """Leave-one-out accuracy of the nearest neighbour."""
    D = ((Z[:, None] - Z) ** 2).sum(axis=2)
    np.fill_diagonal(D, np.inf)
    return (y[D.argmin(axis=1)] == y).mean()


def state_of(estimator):
    return {name: pickle.dumps(value) for name, value in vars(estimator).items()}


# Invariances


@pytest.mark.parametrize("factor", [1e-3, 1e3])
@pytest.mark.parametrize("solver", ["lbfgs", "adam", "sgd"])
def test_scale_of_features_does_not_matter(learner, solver, factor):
    short(learner, solver)
    Z = learner.fit(X, Y).transform(X)
    assert moved(learner)
    scaled = learner.fit(factor * X, Y).transform(factor * X)
    np.testing.assert_allclose(scaled, Z, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("metric", METRICS)
def test_order_of_rows_does_not_matter_to_lbfgs(learner, metric):
    short(learner, "lbfgs", metric=metric)
    W = learner.fit(X, Y).components_
    order = np.random.RandomState(3).permutation(len(X))
    np.testing.assert_allclose(learner.fit(X[order], Y[order]).components_, W, atol=1e-5)
    assert moved(learner)


@pytest.mark.parametrize("metric", EUCLIDEAN)
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_a_constant_added_does_not_matter(learner, solver, metric):
    short(learner, solver, metric=metric)
    W = learner.fit(X, Y).components_
    shifted = learner.fit(X + np.arange(1, 7) * 10.0, Y).components_
    np.testing.assert_allclose(shifted, W, atol=1e-5)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_csr_is_as_dense(learner, solver, metric):
    short(learner, solver, metric=metric)
    S = np.where(np.abs(X) < 1, 0, X)
    dense = learner.fit(S, Y).transform(S)
    learner.fit(csr_matrix(S), Y)
    Z = learner.transform(csr_matrix(S))
    assert type(Z) is np.ndarray
    np.testing.assert_allclose(Z, dense, atol=1e-5)


def test_csr_is_as_dense_in_chunks(learner):
    short(learner, "adam")
    dense = learner.partial_fit(X, Y).components_
    sparse = type(learner)(**learner.get_params()).partial_fit(csr_matrix(X), Y)
    np.testing.assert_allclose(sparse.components_, dense, atol=1e-6)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_duplicated_rows_and_constant_features(learner, solver, metric):
    short(learner, solver, metric=metric)
    D = np.column_stack([X, X[:, 0], np.zeros(len(X))])
    D[:10] = D[0]
    D[10:12] = 0
    Z = learner.fit(D, Y).transform(D)
    assert np.isfinite(Z).all()
    assert np.isfinite(learner.components_).all()
    assert moved(learner)


@pytest.mark.parametrize(
    ("positives", "negatives"),
    [("random", "random"), ("random", "distance_weighted"), ("all", "random")],
)
def test_blocks_do_not_matter_to_what_is_drawn(learner, positives, negatives):
    short(learner, "lbfgs", positives=positives, negatives=negatives, metric="cosine")
    learner.set_params(n_components=3, tol=1e-3, loss="softplus")
    W = learner.fit(X, Y).components_
    assert moved(learner)
    with config_context(working_memory=64 * 25 * len(X) / 2**20):
        assert len(row_blocks(len(X), len(X))) == 5
        in_blocks = learner.fit(X, Y).components_
    np.testing.assert_allclose(in_blocks, W, atol=1e-6)


@pytest.mark.parametrize("n", [np.uint8(4), np.int8(4), np.int64(2**62)])
def test_neighbors_may_be_counted_by_any_integer(learner, n):
    short(learner, "lbfgs", n_neighbors=n, n_impostors=n, n_subsamples=2, tol=1e-3)
    W = learner.fit(X, Y).components_
    assert moved(learner)
    learner.set_params(n_neighbors=int(n), n_impostors=int(n))
    np.testing.assert_array_equal(learner.fit(X, Y).components_, W)


@pytest.mark.parametrize("solver", ["lbfgs", "adam", "sgd"])
def test_same_seed_same_bits(learner, solver):
    short(learner, solver, positives="random", negatives="random")
    one, two = (learner.fit(X, Y).components_.tobytes() for _ in range(2))
    assert one == two
    assert learner.set_params(random_state=1).fit(X, Y).components_.tobytes() != one


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_same_seed_same_bits_in_another_process(learner, solver, tmp_path):
    short(learner, solver, negatives="random")
    here = learner.fit(X, Y).components_
    assert moved(learner)
    (tmp_path / "job.pickle").write_bytes(pickle.dumps((learner, X, Y)))
    fit = (
        "import pickle, sys; learner, X, Y = pickle.load(open('job.pickle', 'rb'));"
        "sys.stdout.buffer.write(learner.fit(X, Y).components_.tobytes())"
    )
    there = subprocess.run(
        [sys.executable, "-c", fit], cwd=tmp_path, capture_output=True, check=True
    )
    assert there.stdout == here.tobytes()


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_number_of_threads_does_not_matter(learner, solver):
    # Large enough for products of matrices to be shared out among threads.
    rng = np.random.default_rng(1)
    wide = np.hstack([X, rng.standard_normal((len(X), 90))])
    short(learner, solver, positives="all")
    maps = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads):
            maps.append(learner.fit(wide, Y).components_)
    assert moved(learner)
    scale = np.abs(maps[0]).max()
    np.testing.assert_allclose(maps[0], maps[1], rtol=1e-6, atol=1e-6 * scale)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_float32_stays_and_is_near_float64(learner, solver, metric):
    # A choice among the nearest may turn on a rounding.
    short(learner, solver, metric=metric, negatives="all")
    Z = learner.fit(X, Y).transform(X)
    assert Z.dtype == learner.components_.dtype == np.float64
    X32 = X.astype(np.float32)
    Z32 = learner.fit(X32, Y).transform(X32)
    assert Z32.dtype == learner.components_.dtype == np.float32
    assert learner.initial_components_.dtype == np.float32
    assert np.linalg.norm(Z32 - Z) < 0.02 * np.linalg.norm(Z)


def test_early_stopping_sees_float32_rows_far_from_zero(learner):
    short(learner, "adam", early_stopping=True, tol=0)
    # On a grid that float32 holds at both places.
    near = np.round(4 * X) / 4
    scores = learner.fit(near, Y).validation_scores_
    far = (near + 2.0**20).astype(np.float32)
    assert learner.fit(far, Y).validation_scores_[:3] == scores[:3]


@pytest.mark.parametrize("solver", ["lbfgs", "adam", "sgd"])
def test_float32_stays_where_parameters_are_scalars_of_numpy(learner, solver):
    """As a grid search gives them, such as one over ``numpy.linspace``."""
    short(learner, solver, alpha=0.1)
    numbers = {k: v for k, v in learner.get_params().items() if isinstance(v, float)}
    assert {"momentum", "beta_1", "beta_2", "epsilon", "alpha"} <= numbers.keys()
    learner.set_params(**{name: np.float64(value) for name, value in numbers.items()})
    assert learner.fit(X.astype(np.float32), Y).components_.dtype == np.float32


@pytest.mark.parametrize("make", [np.asarray, csr_matrix, "frame"])
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_half_precision_becomes_single(learner, solver, make):
    if make == "frame":
        make = pytest.importorskip("pandas").DataFrame
    half = X.astype(np.float16)
    single = make(half.astype(np.float32))
    if make is csr_matrix:
        # scipy refuses to make one of half precision.
        given = single.copy()
        given.data = given.data.astype(np.float16)
    else:
        given = make(half)
    expected = clone(short(learner, solver)).fit(single, Y)
    learner.fit(given, Y)
    assert learner.components_.dtype == np.float32
    np.testing.assert_array_equal(learner.components_, expected.components_)
    Z = learner.transform(given)
    assert Z.dtype == np.float32
    np.testing.assert_array_equal(Z, expected.transform(single))
    others = half[::-1]
    distances = learner.pair_distances(given, others)
    assert distances.dtype == np.float32
    np.testing.assert_array_equal(distances, expected.pair_distances(single, others))
    # Whole numbers and mixed columns are what they were.
    assert clone(learner).fit(np.rint(X).astype(np.int8), Y).components_.dtype == "f8"


def test_columns_of_several_precisions(learner):
    frame = pytest.importorskip("pandas").DataFrame(X.astype(np.float16))
    short(learner, "adam")
    assert learner.fit(frame.astype({0: np.float32}), Y).components_.dtype == "f4"
    assert learner.fit(frame.astype({0: np.int64}), Y).components_.dtype == "f8"
    assert learner.fit(frame.astype({0: object}), Y).components_.dtype == "f8"


def test_a_map_may_have_more_components_than_features(learner):
    W0 = np.random.default_rng(0).normal(size=(9, 6))
    learner.set_params(init=W0, loss="softplus")
    assert learner.fit(X, Y).components_.shape == (9, 6)
    assert moved(learner)
    # What is learnt is the metric, and that of a turned map is the same.
    turned = learner.get_mahalanobis_matrix()
    learner.set_params(
        init=np.linalg.qr(np.random.default_rng(1).normal(size=(9, 9)))[0] @ W0
    )
    np.testing.assert_allclose(
        learner.fit(X, Y).get_mahalanobis_matrix(), turned, atol=1e-3 * np.abs(turned).max()
    )


@pytest.mark.parametrize(
    "names",
    [
        np.array(["ant", "bee", "cat"]),
        np.array([-1.0, 0.0, 1.0]),
        np.array([10, 200, 3000]),
        np.array(["x", "y", "z"], dtype=object),
    ],
    ids=["strings", "floats", "integers", "object"],
)
def test_only_equality_of_labels_matters(learner, names):
    short(learner, "adam")
    W = learner.fit(X, Y).components_
    np.testing.assert_array_equal(learner.fit(X, names[Y]).components_, W)
    np.testing.assert_array_equal(learner.fit(X, names[Y].tolist()).components_, W)


def test_labels_of_minus_and_plus_one(learner):
    short(learner, "lbfgs")
    W = learner.fit(X, Y > 0).components_
    np.testing.assert_array_equal(learner.fit(X, np.where(Y > 0, 1, -1)).components_, W)


# What is learnt


@pytest.mark.parametrize("solver", ["lbfgs", "adam", "sgd"])
def test_neighbours_are_better_on_rows_not_seen(learner, solver):
    short(learner, solver, positives="all", max_iter=200)
    train, test = slice(0, 80), slice(80, None)
    learner.fit(X[train], Y[train])
    raw, learnt = (
        KNeighborsClassifier(5).fit(A[train], Y[train]).score(A[test], Y[test])
        for A in (X, learner.transform(X))
    )
    assert learnt > raw + 0.1
    assert learner.loss_curve_[-1] < learner.loss_curve_[0]


def closed_form(W0, alpha):
    """Where the mean over similar pairs of |W d|² and the pull towards W0 balance."""
    i, j = np.nonzero((IRIS_Y[:, None] == IRIS_Y) & ~np.eye(len(IRIS_Y), dtype=bool))
    differences = IRIS[i] - IRIS[j]
    S = differences.T @ differences / len(i)
    slope_at_start = 2 * np.linalg.norm(W0 @ S)
    strength = 2 * np.linalg.norm(W0) / (alpha * slope_at_start)
    return W0 @ np.linalg.inv(np.eye(len(S)) + strength * S)


# Without the copy of row 101.
IRIS, IRIS_Y = (np.delete(array, 142, axis=0) for array in load_iris(return_X_y=True))
IRIS = StandardScaler().fit_transform(IRIS)


@pytest.fixture
def pulled():
    """A contrastive learner whose dissimilar pairs are all far enough already."""
    return ContrastiveMetricLearner(
        margin=1e-9,
        pos_margin=0,
        negative_weight=1e-9,
        positives="all",
        negatives="all",
        alpha=0.5,
        n_subsamples=1,
        random_state=0,
    )


@pytest.mark.parametrize("n_components", [None, 2])
def test_lbfgs_finds_the_known_optimum(pulled, n_components):
    pulled.set_params(solver="lbfgs", tol=1e-12, max_iter=1000, n_components=n_components)
    pulled.fit(IRIS, IRIS_Y)
    W = closed_form(pulled.initial_components_, 0.5)
    np.testing.assert_allclose(pulled.get_mahalanobis_matrix(), metric_of(W), atol=1e-7)
    assert moved(pulled)


def test_adam_comes_near_the_known_optimum(pulled):
    pulled.set_params(solver="adam", batch_size=50, max_iter=200, tol=0)
    pulled.set_params(n_iter_no_change=200).fit(IRIS, IRIS_Y)
    M0 = metric_of(pulled.initial_components_)
    M = metric_of(closed_form(pulled.initial_components_, 0.5))
    error = np.linalg.norm(pulled.get_mahalanobis_matrix() - M)
    assert error < 0.05 * np.linalg.norm(M0 - M)


def test_adam_and_lbfgs_agree(learner):
    # Smooth, one batch an epoch and a pull: one problem with one valley.
    learner.set_params(loss="softplus", positives="all", negatives="all", alpha=1.0)
    learner.set_params(n_subsamples=1)
    learner.set_params(tol=1e-9, max_iter=600)
    exact = learner.set_params(solver="lbfgs").fit(X, Y)
    M, loss = exact.get_mahalanobis_matrix(), exact.loss_
    first = exact.loss_curve_[0]
    assert moved(exact)
    learner.set_params(batch_size=len(X), learning_rate_init=0.1, n_iter_no_change=600)
    near = learner.set_params(solver="adam").fit(X, Y)
    assert near.loss_ == pytest.approx(loss, rel=1e-4)
    assert first > loss + 0.01
    error = np.linalg.norm(near.get_mahalanobis_matrix() - M)
    assert error < 0.01 * np.linalg.norm(M)


def test_a_strong_pull_keeps_the_initial_map(learner):
    short(learner, "lbfgs", alpha=1e6).fit(X, Y)
    M0 = metric_of(learner.initial_components_)
    np.testing.assert_allclose(learner.get_mahalanobis_matrix(), M0, atol=1e-4)


@pytest.mark.parametrize("init", ["auto", "identity", "pca", "lda", "random"])
def test_margins_have_a_unit(learner, init):
    W0 = learner.set_params(init=init).fit(X, Y).initial_components_
    i, j = np.triu_indices(len(X), 1)
    assert (((X[i] - X[j]) @ W0.T) ** 2).sum(axis=1).mean() == pytest.approx(1)


def test_a_given_map_is_used_as_it_is(learner):
    init = np.random.RandomState(0).standard_normal((2, 6))
    W0 = learner.set_params(init=init).fit(X, Y).initial_components_
    np.testing.assert_array_equal(W0, init)
    assert learner.components_.shape == (2, 6)


@pytest.mark.parametrize("metric", METRICS)
def test_distances_and_matrix_agree_with_transform(learner, metric):
    short(learner, "lbfgs", metric=metric, n_components=3).fit(X, Y)
    A, B = X[:40], X[40:80]
    e, f = learner.transform(A), learner.transform(B)
    M, d = learner.get_mahalanobis_matrix(), learner.pair_distances(A, B)
    np.testing.assert_array_equal(M, M.T)
    inner = np.einsum("ni,ij,nj->n", A, M, B)
    lengths = [np.sqrt(np.einsum("ni,ij,nj->n", C, M, C)) for C in (A, B)]
    squares = np.einsum("ni,ij,nj->n", A - B, M, A - B)
    expected = {
        "sqeuclidean": squares,
        "euclidean": np.sqrt(squares),
        "cosine": 1 - inner / lengths[0] / lengths[1],
    }
    np.testing.assert_allclose(d, expected[metric], rtol=1e-9, atol=1e-10)
    between = np.linalg.norm(e - f, axis=1)
    if metric == "cosine":
        np.testing.assert_allclose(np.linalg.norm(e, axis=1), 1)
        np.testing.assert_allclose(d, between**2 / 2, rtol=1e-9, atol=1e-12)
    else:
        np.testing.assert_allclose(between**2, squares, rtol=1e-9)


# Streams and second fits


@pytest.mark.parametrize("solver", ["adam", "sgd", "auto"])
def test_partial_fit_improves_on_the_initial_map(learner, solver):
    learner.set_params(solver=solver, batch_size=40, init="identity")
    for _ in range(60):
        for part in np.array_split(np.arange(len(X)), 3):
            learner.partial_fit(X[part], Y[part])
    before = accuracy(X @ learner.initial_components_.T, Y)
    assert accuracy(learner.transform(X), Y) > before + 0.1
    assert learner.solver_ == ("sgd" if solver == "sgd" else "adam")
    assert learner.n_iter_ == len(learner.loss_curve_) == 180
    assert np.mean(learner.loss_curve_[-9:]) < np.mean(learner.loss_curve_[:9])


def test_partial_fit_goes_on_from_a_fit(learner):
    short(learner, "adam").fit(X, Y)
    W0, n = learner.initial_components_, learner.n_iter_
    M, M0 = learner.get_mahalanobis_matrix(), metric_of(W0)
    learner.partial_fit(X, Y)
    assert learner.initial_components_ is W0
    assert learner.n_iter_ == n + 1
    change = np.linalg.norm(learner.get_mahalanobis_matrix() - M)
    assert 0 < change < np.linalg.norm(M - M0)


def test_a_fit_forgets_the_stream_before(learner):
    short(learner, "adam")
    fresh = learner.fit(X, Y).components_.copy()
    learner.partial_fit(X[:60], Y[:60])
    np.testing.assert_array_equal(learner.fit(X, Y).components_, fresh)


def test_warm_start_goes_on_from_the_map_there_is(learner):
    short(learner, "lbfgs", positives="all", negatives="all").fit(X, Y)
    cold, first, W0 = learner.n_iter_, learner.loss_curve_[0], learner.initial_components_
    learner.set_params(warm_start=True).fit(X, Y)
    assert learner.n_iter_ < cold
    assert learner.loss_curve_[0] < first
    np.testing.assert_array_equal(learner.initial_components_, W0)
    assert learner.set_params(warm_start=False).fit(X, Y).n_iter_ == cold


def test_early_stopping_scores_every_epoch_and_keeps_the_best(learner, recorded):
    short(learner, "adam", early_stopping=True, validation_fraction=0.3)
    learner.set_params(max_iter=60, n_iter_no_change=5).fit(X, Y)
    scores = learner.validation_scores_
    assert len(scores) == learner.n_iter_ < 60
    assert all(0 <= s <= 1 for s in scores)
    best = np.flatnonzero(np.equal(scores, max(scores)))[-1]
    M = metric_of(recorded[best])
    np.testing.assert_allclose(learner.get_mahalanobis_matrix(), M, rtol=1e-7, atol=1e-12)
    assert learner.set_params(early_stopping=False).fit(X, Y).validation_scores_ is None


def test_early_stopping_by_a_scorer(learner, recorded):
    scorer, seen = retrieval_scorer("map_at_r"), []

    def scoring(fitted, X_held, y_held):
        seen.append((X_held, y_held))
        return scorer(fitted, X_held, y_held)

    short(learner, "adam", early_stopping=True, validation_fraction=0.3, scoring=scoring)
    learner.fit(X, Y)
    (rows, labels), n = seen[0], len(seen)
    assert n == learner.n_iter_ == len(learner.validation_scores_)
    assert 20 < len(rows) < 40
    expected = [scorer.score_embedding(rows @ W.T, labels) for W in recorded]
    np.testing.assert_allclose(learner.validation_scores_, expected)
    assert max(expected) > expected[0]


@pytest.fixture
def recorded(monkeypatch):
    """The map after every iteration."""
    from skmetric._solvers._history import History

    maps, finish = [], History.finish

    def recording(self, step):
        maps.append(step.parameters)
        return finish(self, step)

    monkeypatch.setattr(History, "finish", recording)
    return maps


# A fit that does not end


@pytest.fixture
def interrupt(monkeypatch):
    """Ctrl-C at the third evaluation of the objective from now."""
    evaluate = _problem.evaluate

    def arm():
        calls = iter(range(3))

        def interrupted(*args, **kwargs):
            if next(calls) == 2:
                raise KeyboardInterrupt
            return evaluate(*args, **kwargs)

        monkeypatch.setattr(_problem, "evaluate", interrupted)

    return arm


@pytest.mark.parametrize("history", ["unfitted", "fitted", "streamed"])
@pytest.mark.parametrize(
    ("solver", "method"), [("lbfgs", "fit"), ("adam", "fit"), ("sgd", "partial_fit")]
)
def test_interrupt_leaves_everything_as_it_was(learner, interrupt, solver, method, history):
    short(learner, solver, **({} if solver == "lbfgs" else {"batch_size": 30}))
    if history != "unfitted":
        learner.fit(X, Y)
    if history == "streamed" and solver != "lbfgs":
        learner.partial_fit(X, Y)
    before = state_of(learner)
    interrupt()
    with pytest.raises(KeyboardInterrupt):
        getattr(learner.set_params(warm_start=True), method)(X[::-1], Y[::-1])
    assert state_of(learner.set_params(warm_start=False)) == before
    assert hasattr(learner, "components_") == (history != "unfitted")


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_steps_too_large_are_an_error_and_leave_everything_as_it_was(
    learner, solver, method
):
    short(learner, solver, batch_size=30).fit(X, Y)
    before, rate = state_of(learner), learner.learning_rate_init
    learner.set_params(learning_rate_init=1e300)
    with (
        np.errstate(all="ignore"),
        pytest.raises(ValueError, match=r"not finite.*1e\+300.*Lower learning_rate_init"),
    ):
        getattr(learner, method)(X, Y)
    assert state_of(learner.set_params(learning_rate_init=rate)) == before


# What one sees


@pytest.mark.parametrize(("solver", "unit"), [("lbfgs", "iteration"), ("adam", "epoch")])
def test_verbose_prints_a_line_an_iteration(learner, capsys, solver, unit):
    short(learner, solver).fit(X, Y)
    assert capsys.readouterr().out == ""
    learner.set_params(verbose=1).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == learner.n_iter_ == len(learner.loss_curve_)
    curves = zip(lines, learner.loss_curve_, learner.active_fraction_curve_, strict=True)
    for i, (line, loss, active) in enumerate(curves, start=1):
        assert line.startswith(f"[{type(learner).__name__}] {unit} {i}: ")
        assert f"loss {loss:.6g}" in line
        assert f"active {100 * active:.2f} %" in line


def test_verbose_shows_validation_scores(learner, capsys):
    short(learner, "adam", verbose=1, early_stopping=True).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    for line, score in zip(lines, learner.validation_scores_, strict=True):
        assert line.endswith(f"validation {score:.4f}")


def test_a_collapsed_map_is_a_warning_with_a_remedy():
    rng = np.random.RandomState(0)
    noise, y = rng.standard_normal((60, 5)), rng.randint(0, 3, 60)
    learner = TripletMetricLearner(
        positives="hard", negatives="hard", alpha=0, solver="lbfgs"
    )
    # As given, so that the warnings of a grid tell which setting it was.
    setting = f"margin={learner.margin}, alpha=0, positives='hard', negatives='hard'"
    with pytest.warns(UserWarning, match="collapsed.*Raise alpha.*Got " + setting):
        learner.fit(noise, y)
    # Of each triplet the slack is the margin, which the foot of the hinge makes cheaper.
    foot = learner.margin / 2
    assert learner.loss_ == pytest.approx(learner.margin - foot / 2, rel=1e-3)
    # The remedy is one.
    learner.set_params(alpha=1.0).fit(noise, y)


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_nothing_to_learn_is_a_warning_with_a_remedy(solver):
    blobs, y = make_blobs(90, 3, cluster_std=0.1, random_state=0)
    learner = TripletMetricLearner(
        init="identity", margin=0.01, solver=solver, random_state=0
    )
    with pytest.warns(UserWarning, match="no active constraint.*Got margin=0.01, alpha"):
        learner.fit(blobs, y)
    assert learner.active_fraction_ == 0
    M0 = metric_of(learner.initial_components_)
    np.testing.assert_allclose(learner.get_mahalanobis_matrix(), M0, atol=1e-12)


@pytest.mark.parametrize(
    ("solver", "unit"),
    [("lbfgs", "iterations, all rounds together"), ("adam", "epochs"), ("sgd", "epochs")],
)
def test_a_budget_that_ends_first_is_a_warning(learner, solver, unit):
    learner.set_params(solver=solver, max_iter=1, positives="all", negatives="all")
    with pytest.warns(ConvergenceWarning, match=rf"in \d+ {unit}\. Increase max_iter"):
        learner.fit(X, Y)


def test_a_default_budget_that_ends_first_names_the_parameter_to_set(learner, monkeypatch):
    monkeypatch.setattr(_fit, "LBFGS_ITERATIONS", 1)
    with pytest.warns(
        ConvergenceWarning, match="Set max_iter, a number of iterations of a"
    ):
        learner.set_params(solver="lbfgs", max_iter=None).fit(X, Y)


def test_warnings_point_at_the_call_of_fit(learner):
    with pytest.warns(ConvergenceWarning) as caught:
        learner.set_params(solver="lbfgs", max_iter=1).fit(X, Y)
    assert {warning.filename for warning in caught} == {__file__}


def test_the_mean_of_halves(learner):
    short(learner, "lbfgs", n_subsamples=3, random_state=4).fit(X, Y)
    W0, rng = learner.initial_components_, np.random.RandomState(4)
    alone, metric, n_iter = clone(learner).set_params(n_subsamples=1, init=W0), 0, 0
    alone.set_params(n_neighbors=2, n_impostors=4, alpha=learner.alpha_)
    for _ in range(3):
        rows = stratified_part(Y, 0.5, rng)
        # A fit draws one number of its own.
        alone.fit(X[rows], Y[rows])
        rng.randint(2**31 - 1)
        metric = metric + alone.get_mahalanobis_matrix() / 3
        n_iter += alone.n_iter_
    np.testing.assert_allclose(learner.get_mahalanobis_matrix(), metric, rtol=1e-6)
    assert learner.n_iter_ == len(learner.loss_curve_) == n_iter
    assert moved(learner)


def test_small_tables_are_learnt_in_halves(monkeypatch):
    learner = ContrastiveMetricLearner(solver="lbfgs", random_state=0).fit(X, Y)
    W = learner.components_
    halves = learner.set_params(n_subsamples=8).fit(X, Y).components_
    np.testing.assert_array_equal(W, halves)
    monkeypatch.setattr(_fit, "AUTO_SUBSAMPLED_ROWS", len(X) - 1)
    whole = learner.set_params(n_subsamples=None).fit(X, Y).components_
    alone = learner.set_params(n_subsamples=1).fit(X, Y).components_
    np.testing.assert_array_equal(whole, alone)
    assert not np.array_equal(W, whole)
