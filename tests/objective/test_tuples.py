"""Estimators on given triplets and pairs: optima, invariances, bad input, memory."""

import pickle
import re
import tracemalloc
from itertools import product

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric._objective import _problem
from skmetric._validation import check_tuples, short
from tests.designs import covering
from tests.maps import metric_of

METRICS = ("sqeuclidean", "euclidean", "cosine")
LOSSES = ("hinge", "squared_hinge", "softplus")
SOLVERS = ("lbfgs", "adam", "sgd")
KINDS = ("triplets", "pairs")
# Three classes along two features, hidden by four of noise.
RNG = np.random.RandomState(7)
Y = RNG.permutation(np.repeat(np.arange(3), [50, 40, 30]))
NOISE = RNG.standard_normal((len(Y), 6)) * [1, 1, 4, 4, 4, 4]
X = NOISE + np.pad(np.array([[0, 0], [4, 0], [0, 4]])[Y], ((0, 0), (0, 4)))


def drawn_triplets(m, rng):
    """Triplets in the order of the classes."""
    t = rng.randint(0, len(Y), (10 * m, 3))
    right = (Y[t[:, 0]] == Y[t[:, 1]]) & (Y[t[:, 0]] != Y[t[:, 2]]) & (t[:, 0] != t[:, 1])
    return t[right][:m]


def drawn_pairs(m, rng):
    """Pairs, and whether they are of one class."""
    pairs = rng.randint(0, len(Y), (2 * m, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]][:m]
    return pairs, Y[pairs[:, 0]] == Y[pairs[:, 1]]


TRIPLETS = drawn_triplets(400, np.random.RandomState(0))
PAIRS, SIMILAR = drawn_pairs(400, np.random.RandomState(0))
NEW_TRIPLETS = drawn_triplets(3000, np.random.RandomState(1))
CONSTRAINTS = {"triplets": (TRIPLETS,), "pairs": (PAIRS, SIMILAR)}


# Budgets are short here: enough to move the map.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def learner_of(kind, solver="adam", **parameters):
    Learner = {"triplets": TripletMetricLearner, "pairs": ContrastiveMetricLearner}[kind]
    n = {"lbfgs": 200, "adam": 20, "sgd": 20}.get(solver)
    settings = {"max_iter": n, "random_state": 0}
    if solver in ("adam", "sgd"):
        settings["batch_size"] = 60
    if "n_components" not in parameters:
        # So that there is something to learn, and X may be sparse.
        settings["init"] = "identity"
    settings |= parameters
    return Learner(solver=solver, **settings)


def fitted(learner, kind, rows=X, constraints=None, method="fit", **options):
    constraints = constraints or CONSTRAINTS[kind]
    return getattr(learner, f"{method}_{kind}")(rows, *constraints, **options)


def moved(learner):
    start = metric_of(learner.initial_components_)
    return not np.allclose(learner.get_mahalanobis_matrix(), start, rtol=0.05)


# What is learnt


@pytest.mark.parametrize(
    ("kind", "solver", "metric", "loss"),
    covering(product(KINDS, SOLVERS, METRICS, LOSSES)),
)
def test_order_of_new_triplets_is_better(kind, solver, metric, loss):
    learner = learner_of(kind, solver, metric=metric, loss=loss, max_iter=300)
    fitted(learner, kind)
    after = learner.score_triplets(X, NEW_TRIPLETS)
    learner.components_ = learner.initial_components_
    assert after > learner.score_triplets(X, NEW_TRIPLETS) + 0.1
    assert learner.loss_curve_[-1] < learner.loss_curve_[0]
    assert len(learner.loss_curve_) == len(learner.active_fraction_curve_)
    assert learner.solver_ == solver


def scatter(i, j, weights):
    differences = X[i] - X[j]
    return np.einsum("n,ni,nj->ij", weights / weights.sum(), differences, differences)


@pytest.mark.parametrize("n_components", [None, 2])
def test_triplets_find_the_known_optimum(n_components):
    # All triplets are active, so the loss is quadratic.
    weights = np.random.RandomState(0).uniform(0.2, 2, len(TRIPLETS))
    alpha, (a, p, n) = 4.0, TRIPLETS.T
    learner = TripletMetricLearner(
        n_components, margin=100.0, alpha=alpha, solver="lbfgs", tol=1e-12, max_iter=1000
    )
    learner.fit_triplets(X, TRIPLETS, sample_weight=weights)
    assert learner.active_fraction_ == pytest.approx(1)
    S, W0 = scatter(a, p, weights) - scatter(a, n, weights), learner.initial_components_
    pull = alpha * np.linalg.norm(2 * W0 @ S) / np.linalg.norm(W0)
    W = W0 @ np.linalg.inv(np.eye(6) + 2 / pull * S)
    np.testing.assert_allclose(learner.get_mahalanobis_matrix(), metric_of(W), atol=2e-6)
    assert moved(learner)


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_pairs_find_the_known_optimum(solver):
    # Dissimilar pairs are far enough: the scatter of similar ones against the pull.
    weights = np.random.RandomState(0).uniform(0.2, 2, len(PAIRS))
    learner = ContrastiveMetricLearner(
        margin=1e-9, pos_margin=0, negative_weight=1e-9, alpha=0.5, solver=solver, tol=1e-12
    )
    learner.set_params(max_iter=300, random_state=0)
    if solver == "adam":
        learner.set_params(n_iter_no_change=300, batch_size=100)
    learner.fit_pairs(X, PAIRS, SIMILAR, sample_weight=weights)
    S, W0 = scatter(*PAIRS[SIMILAR].T, weights[SIMILAR]), learner.initial_components_
    pull = 0.5 * np.linalg.norm(2 * W0 @ S) / np.linalg.norm(W0)
    W = W0 @ np.linalg.inv(np.eye(6) + 2 / pull * S)
    share = {"lbfgs": 1e-5, "adam": 0.05}[solver]
    M, M0 = metric_of(W), metric_of(W0)
    error = np.linalg.norm(learner.get_mahalanobis_matrix() - M)
    assert error < share * np.linalg.norm(M0 - M)


def test_a_weight_is_a_repetition(kind):
    times = np.random.RandomState(0).randint(0, 4, 400)
    repeated = [np.repeat(part, times, axis=0) for part in CONSTRAINTS[kind]]
    learner = learner_of(kind, "lbfgs", loss="softplus", alpha=0.1, tol=1e-10)
    expected = fitted(learner, kind, constraints=repeated).components_
    assert moved(learner)
    fractions = learner.active_fraction_curve_
    for scale in (1, 1e-5):
        fitted(learner, kind, sample_weight=scale * times)
        np.testing.assert_allclose(learner.components_, expected, rtol=1e-5, atol=1e-7)
    assert learner.active_fraction_curve_[0] == pytest.approx(fractions[0])


def test_only_some_settings_matter(kind):
    learner = learner_of(kind)
    W = fitted(learner, kind).components_
    learner.set_params(positives="nonsense", negatives="nonsense", n_neighbors=7)
    np.testing.assert_array_equal(fitted(learner, kind).components_, W)


def test_auto_goes_by_the_number_of_constraints(kind, monkeypatch):
    assert fitted(learner_of(kind, "auto"), kind).solver_ == "lbfgs"
    monkeypatch.setattr("skmetric._fit.AUTO_LBFGS_TUPLES", 399)
    assert fitted(learner_of(kind, "auto", max_iter=20), kind).solver_ == "adam"


# Invariances


@pytest.mark.parametrize("factor", [1e-3, 1e3])
@pytest.mark.parametrize("solver", SOLVERS)
def test_scale_of_features_does_not_matter(kind, solver, factor):
    learner = learner_of(kind, solver)
    Z = fitted(learner, kind).transform(X)
    assert moved(learner)
    scaled = fitted(learner, kind, factor * X).transform(factor * X)
    np.testing.assert_allclose(scaled, Z, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "solver", "metric"), covering(product(KINDS, SOLVERS, METRICS))
)
def test_csr_is_as_dense(kind, solver, metric):
    S = np.where(np.abs(X) < 1, 0, X)
    learner = learner_of(kind, solver, metric=metric)
    W = fitted(learner, kind, S).components_
    assert moved(learner)
    np.testing.assert_allclose(
        fitted(learner, kind, csr_matrix(S)).components_, W, atol=1e-5
    )
    score = learner.score_triplets(S, NEW_TRIPLETS)
    assert learner.score_triplets(csr_matrix(S), NEW_TRIPLETS) == pytest.approx(score)


@pytest.mark.parametrize("solver", SOLVERS)
def test_float32_stays_and_is_near_float64(kind, solver):
    learner = learner_of(kind, solver)
    Z = fitted(learner, kind).transform(X)
    Z32 = fitted(learner, kind, X.astype(np.float32)).transform(X.astype(np.float32))
    assert Z32.dtype == learner.components_.dtype == np.float32
    assert np.linalg.norm(Z32 - Z) < 0.02 * np.linalg.norm(Z)


@pytest.mark.parametrize("solver", SOLVERS)
def test_same_seed_same_bits(kind, solver):
    learner = learner_of(kind, solver)
    one, two = (fitted(learner, kind).components_.tobytes() for _ in range(2))
    assert one == two


def test_order_of_constraints_and_of_a_pair_does_not_matter(kind):
    order = np.random.RandomState(0).permutation(400)
    shuffled = [part[order] for part in CONSTRAINTS[kind]]
    if kind == "pairs":
        shuffled[0] = shuffled[0][:, ::-1]
    learner = learner_of(kind, "lbfgs")
    W = fitted(learner, kind).components_
    W_shuffled = fitted(learner, kind, constraints=shuffled).components_
    np.testing.assert_allclose(W_shuffled, W, atol=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_rows_that_are_not_named_give_the_unit_only(kind, solver):
    # Rows that no constraint names, far away, with the initial map given.
    far = np.vstack([X, 1e3 + np.zeros((500, 6))])
    learner = learner_of(kind, solver, init=np.eye(6) / 10, metric="cosine")
    M = fitted(learner, kind).get_mahalanobis_matrix()
    found = fitted(learner, kind, far).get_mahalanobis_matrix()
    np.testing.assert_allclose(found, M, atol=1e-6)


# Streams, second fits, validation


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_partial_fit_improves_on_the_initial_map(kind, solver):
    learner = learner_of(kind, solver)
    for _ in range(40):
        for part in np.array_split(np.arange(400), 3):
            chunk = [array[part] for array in CONSTRAINTS[kind]]
            fitted(learner, kind, constraints=chunk, method="partial_fit")
    assert learner.n_iter_ == len(learner.loss_curve_) == 120
    after = learner.score_triplets(X, NEW_TRIPLETS)
    learner.components_ = learner.initial_components_
    assert after > learner.score_triplets(X, NEW_TRIPLETS) + 0.1


def test_chunks_of_labels_and_constraints_take_turns(kind):
    learner = learner_of(kind).partial_fit(X, Y)
    W0, W = learner.initial_components_, learner.components_
    fitted(learner, kind, method="partial_fit").partial_fit(X, Y)
    assert learner.initial_components_ is W0
    assert learner.n_iter_ == 3
    assert not np.array_equal(learner.components_, W)


def test_no_chunks_for_lbfgs(kind):
    with pytest.raises(AttributeError, match="partial_fit"):
        fitted(learner_of(kind, "lbfgs"), kind, method="partial_fit")


def test_warm_start(kind):
    learner = fitted(learner_of(kind, "lbfgs"), kind)
    first, last = learner.loss_curve_[0], learner.loss_
    fitted(learner.set_params(warm_start=True), kind)
    assert last < first
    assert max(learner.loss_curve_) <= last * (1 + 1e-6)


def test_early_stopping_scores_held_out_constraints(kind, capsys):
    learner = learner_of(kind, early_stopping=True, validation_fraction=0.3, verbose=1)
    learner.set_params(learning_rate_init=0.03)
    fitted(learner.set_params(max_iter=60, n_iter_no_change=3, tol=0.01), kind)
    scores = learner.validation_scores_
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(scores) == learner.n_iter_ < 60
    assert lines[0].endswith(f"validation {scores[0]:.4f}")
    assert 0.6 < max(scores) <= 1
    learner.set_params(validation_fraction=0.001)
    with pytest.raises(ValueError, match="Raise validation_fraction"):
        fitted(learner, kind)


def test_lda_needs_labels(kind):
    with pytest.raises(ValueError, match=r"init='lda' without labels.*'pca' or 'ident"):
        fitted(learner_of(kind, init="lda"), kind)


def test_callbacks(kind):
    pytest.importorskip("sklearn.callback")

    class Recorder:
        maps = ()

        def setup(self, estimator, context):
            pass

        teardown = on_fit_task_begin = setup

        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            self.maps += (fitted_estimator.components_,)
            return len(self.maps) == 3

    recorder = Recorder()
    learner = fitted(learner_of(kind).set_callbacks(recorder), kind)
    assert learner.n_iter_ == 3
    M = learner.get_mahalanobis_matrix()
    np.testing.assert_allclose(metric_of(recorder.maps[2]), M, atol=1e-12)


# Scores


def test_score_triplets_counts_ties_half(kind):
    grid = np.array([[0.0, 0], [1, 0], [-1, 0], [2, 0], [2, 0]])
    learner = learner_of(kind, init=np.eye(2), alpha=1e9, max_iter=1, tol=1)
    learner.solver = "lbfgs"
    with pytest.warns((ConvergenceWarning, UserWarning)):
        learner.set_params(margin=1e-3, **({"pos_margin": 0} if kind == "pairs" else {}))
        constraints = ([[0, 3, 1]],) if kind == "triplets" else ([[0, 3], [0, 1]], [1, 0])
        fitted(learner, kind, grid, constraints)
    learner.components_ = np.eye(2)
    for triplet, score in (
        ([0, 1, 3], 1),
        ([0, 3, 1], 0),
        ([0, 1, 2], 0.5),
        ([1, 3, 4], 0.5),
    ):
        assert learner.score_triplets(grid, [triplet]) == score
    four = [[0, 1, 3], [0, 3, 1], [0, 1, 2], [0, 1, 4]]
    assert learner.score_triplets(grid, four) == 2.5 / 4
    with config_context(working_memory=1e-4):
        assert learner.score_triplets(grid, four) == 2.5 / 4


def test_score_triplets_by_cosine_and_bad_triplets():
    learner = learner_of("triplets", "lbfgs", metric="cosine").fit_triplets(X, TRIPLETS)
    Z = learner.transform(X)
    near, far = (
        ((Z[NEW_TRIPLETS[:, 0]] - Z[NEW_TRIPLETS[:, j]]) ** 2).sum(1) for j in (1, 2)
    )
    assert learner.score_triplets(X, NEW_TRIPLETS) == pytest.approx((near < far).mean())
    with pytest.raises(ValueError, match="from 0 to 119"):
        learner.score_triplets(X, [[0, 1, 120]])
    with pytest.raises(ValueError, match="features"):
        learner.score_triplets(X[:, 1:], TRIPLETS)


# Bad input


def state_of(estimator):
    return {name: pickle.dumps(value) for name, value in vars(estimator).items()}


BAD_TUPLES = [
    (np.array([[0, 1, 120]]), ValueError, "from 0 to 120, but expected them from 0 to 119"),
    (np.array([[2, 0, -1]]), ValueError, "from -1 to 2"),
    (
        np.array([[3, 4, 5], [0, 1, 0]]),
        ValueError,
        r"1 \w+ that name a row twice.*at 1: \[",
    ),
    (np.array([[1.0, 2.0, 3.0]]), TypeError, "dtype float64.*dtype=int"),
    (np.array([[True, False, True]]), TypeError, "dtype bool"),
    (np.array([["a", "b", "c"]]), TypeError, "expected integers"),
    (np.zeros((0, 3), dtype=int), ValueError, "expected at least one"),
    ([], ValueError, "expected at least one"),
    (np.array([0, 1, 2]), ValueError, r"of shape \(3,\)"),
    (np.array([[0, 1, 2, 3]]), ValueError, "not the rows themselves"),
    (np.ones((5, 3, 6)), ValueError, "not the rows themselves"),
]
BAD_WEIGHTS = [
    ([[1.0], [1.0, 2.0]], r"Got sample_weight=\[\[1.0\], .* expected one weight"),
    (np.ones(399), r"shape \(399,\), but expected \(400,\)"),
    (np.ones((400, 1)), r"shape \(400, 1\)"),
    (2.0, r"shape \(\)"),
    (np.r_[-1, np.ones(399)], "from -1.0 to 1.0"),
    (np.zeros(400), "some are > 0"),
    (np.r_[np.nan, np.ones(399)], "NaN"),
    (np.r_[np.inf, np.ones(399)], "infinity"),
]


@pytest.mark.parametrize(
    ("kind", "bad", "method", "fresh"),
    covering(product(KINDS, range(len(BAD_TUPLES)), ["fit", "partial_fit"], [True, False])),
)
def test_bad_tuples_are_refused(kind, bad, method, fresh):
    tuples, error, message = BAD_TUPLES[bad]
    learner = learner_of(kind)
    if not fresh:
        fitted(learner, kind)
    before = state_of(learner)
    tuples = tuples if kind == "triplets" else cut_to_pairs(tuples)
    constraints = (
        (tuples,) if kind == "triplets" else (tuples, [True, False][: len(tuples)])
    )
    with pytest.raises(error, match=message):
        fitted(learner, kind, constraints=constraints, method=method)
    assert state_of(learner) == before


def cut_to_pairs(tuples):
    """The same mistake in pairs."""
    if np.ndim(tuples) != 2 or np.shape(tuples)[1] != 3:
        return tuples
    return tuples[:, ::2]


@pytest.mark.parametrize(
    "tuples",
    [
        None,
        "ids",
        {},
        {0, 1, 2},
        iter([[0, 1, 2]]),
        [[0, 1, 2], [3]],
        (np.arange(3), np.arange(4), np.arange(4)),
        (np.arange(4), np.arange(5)),
    ],
    ids=lambda tuples: type(tuples).__name__,
)
def test_what_is_no_array_is_named(kind, tuples):
    sentence = rf"^Got {kind}={re.escape(short(tuples))}, but expected an array of shape"
    with pytest.raises(ValueError, match=sentence):
        fitted(
            learner_of(kind), kind, constraints=(tuples, [True])[: 1 + (kind == "pairs")]
        )


@pytest.mark.parametrize(
    ("tuples", "remedy"),
    [
        (np.array([[1.0, 2.0, 3.0]]), "dtype=int"),
        (np.array([[1, 2, 3]], dtype=object), "dtype=int"),
        (np.array([["a", "b", "c"]]), "get_indexer"),
        (np.array([["a", "b", "c"]], dtype=object), "get_indexer"),
        (np.array([["1", "2", "x"]], dtype="S"), "get_indexer"),
        (np.arange(12).reshape(3, 4), "np.transpose"),
    ],
)
def test_a_remedy_is_one(kind, tuples, remedy):
    pd = pytest.importorskip("pandas")
    if kind == "pairs":
        tuples = tuples[:2] if remedy == "np.transpose" else tuples[:, :2]
    with pytest.raises((TypeError, ValueError)) as caught:
        fitted(
            learner_of(kind), kind, constraints=(tuples, [True])[: 1 + (kind == "pairs")]
        )
    assert remedy in str(caught.value)
    others = {"dtype=int", "get_indexer", "np.transpose"} - {remedy}
    assert not any(other in str(caught.value) for other in others)
    cured = {
        "dtype=int": lambda: np.asarray(tuples, dtype=int),
        "get_indexer": lambda: pd.Index(np.unique(tuples)).get_indexer(tuples.ravel()),
        "np.transpose": lambda: np.transpose(tuples),
    }[remedy]()
    width = 3 if kind == "triplets" else 2
    check_tuples(kind, cured.reshape(-1, width), width, len(X))


@pytest.mark.parametrize("tuples", [[[0.5, 1, 2]], [[np.nan, 1, 2]], [[np.inf, 1, 2]]])
def test_what_is_no_index_is_not_to_be_cut_to_one(tuples):
    with pytest.raises(TypeError, match=r"expected integers: row indices into X\.$"):
        TripletMetricLearner().fit_triplets(X, tuples)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_columns_of_indices_are_tuples(kind, method):
    pd = pytest.importorskip("pandas")
    tuples, *similar = CONSTRAINTS[kind]
    expected = fitted(learner_of(kind), kind, method=method).components_
    for columns in (
        tuple(tuples.T),
        tuple(pd.Series(column) for column in tuples.T),
        pd.MultiIndex.from_arrays(tuples.T),
    ):
        learner = fitted(
            learner_of(kind), kind, constraints=(columns, *similar), method=method
        )
        np.testing.assert_array_equal(learner.components_, expected)


def test_numpys_own_columns_are_pairs_in_a_tuple():
    columns = np.triu_indices(5, 1)
    expected = [[i, j] for i in range(5) for j in range(i + 1, 5)]
    assert check_tuples("pairs", columns, 2, 5).tolist() == expected


@pytest.mark.parametrize("width", [2, 3])
def test_what_may_be_rows_or_columns_is_refused(width):
    name = {2: "pairs", 3: "triplets"}[width]
    square = np.arange(width**2).reshape(width, width)
    with pytest.raises(ValueError, match=rf"np.stack\({name}\) for rows"):
        check_tuples(name, tuple(square), width, 9)
    # Of lists and of an array, there is no doubt.
    for tuples in (square, square.tolist(), tuple(map(tuple, square.tolist()))):
        assert check_tuples(name, tuples, width, 9).tolist() == square.tolist()


@pytest.mark.parametrize("same", [[0, 0, 1], [0, 1, 1], [0, 1, 0]])
def test_rows_of_a_triplet_differ(same):
    with pytest.raises(ValueError, match=r"2 triplets that name a row twice.*at 1"):
        TripletMetricLearner().fit_triplets(X, [[0, 1, 2], same, same])


@pytest.mark.parametrize(("weights", "message"), BAD_WEIGHTS)
def test_bad_weights_are_refused(kind, weights, message):
    learner = learner_of(kind)
    before = state_of(learner)
    with pytest.raises(ValueError, match=message):
        fitted(learner, kind, sample_weight=weights)
    assert state_of(learner) == before


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_pairs_of_one_kind_are_refused(method):
    learner = learner_of("pairs")
    for similar, word in ((np.ones(400), "similar"), (np.zeros(400), "dissimilar")):
        with pytest.raises(ValueError, match=f"Got {word} pairs only"):
            fitted(learner, "pairs", constraints=(PAIRS, similar), method=method)
    with pytest.raises(ValueError, match="Got dissimilar pairs only"):
        learner.fit_pairs(X, PAIRS, SIMILAR, sample_weight=~SIMILAR)
    with pytest.raises(ValueError, match="399 values in similar"):
        learner.fit_pairs(X, PAIRS, SIMILAR[1:])
    with pytest.raises(ValueError, match="expected booleans"):
        learner.fit_pairs(X, PAIRS, SIMILAR + 1)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_contradictions_are_a_warning_that_counts(method):
    pairs = np.vstack([PAIRS, PAIRS[:3, ::-1], PAIRS[:1], PAIRS[3:9]])
    similar = np.concatenate([SIMILAR, ~SIMILAR[:3], ~SIMILAR[:1], SIMILAR[3:9]])
    with pytest.warns(UserWarning, match="contradictory pairs.*another: 3") as caught:
        fitted(learner_of("pairs"), "pairs", constraints=(pairs, similar), method=method)
    assert {warning.filename for warning in caught} == {__file__}
    # A pair that does not count contradicts nothing.
    weights = np.r_[np.ones(400), np.zeros(4), np.ones(6)]
    learner_of("pairs").fit_pairs(X, pairs, similar, sample_weight=weights)


def test_settings_are_checked(kind):
    with pytest.raises(ValueError, match="metric"):
        fitted(learner_of(kind, metric="manhattan"), kind)
    with pytest.raises(ValueError, match="NaN"):
        fitted(learner_of(kind), kind, np.where(X > 8, np.nan, X))


def test_remedies_name_what_matters(kind):
    # All constraints hold already, and no others are chosen by a parameter.
    rows = np.array([[0.0, 0], [1e-3, 0], [5, 5], [-5, 5]])
    constraints = (
        ([[0, 1, 2]],) if kind == "triplets" else ([[0, 1], [0, 2]], [True, False])
    )
    with pytest.warns(
        UserWarning, match="no active.*Raise the margin, or give harder"
    ) as w:
        fitted(learner_of(kind, "lbfgs"), kind, rows, constraints)
    assert {warning.filename for warning in w} == {__file__}


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_interrupt_leaves_everything_as_it_was(kind, solver, monkeypatch):
    learner = fitted(learner_of(kind, solver), kind)
    before, calls = state_of(learner), iter(range(3))

    def interrupted(*args, **options):
        if next(calls) == 2:
            raise KeyboardInterrupt
        return evaluate(*args, **options)

    evaluate = _problem.evaluate
    monkeypatch.setattr(_problem, "evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fitted(learner, kind, X[::-1])
    assert state_of(learner) == before


def test_nothing_given_is_written_to(kind):
    given = X, *CONSTRAINTS[kind], np.random.RandomState(0).uniform(0, 2, 400)
    rows, *constraints, weights = copies = [array.copy() for array in given]
    for array in copies:
        array.flags.writeable = False
    learner = fitted(learner_of(kind), kind, rows, constraints, sample_weight=weights)
    assert moved(learner)
    for array, before in zip(copies, given, strict=True):
        np.testing.assert_array_equal(array, before)


# Memory


def peak_bytes(function):
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def many(kind, m):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((20_000, 32), dtype=np.float32)
    first = rng.integers(0, 19_000, m)
    tuples = np.column_stack([first, first + 7, first + rng.integers(8, 900, m)])
    if kind == "triplets":
        return rows, (tuples,)
    return rows, (tuples[:, 1:].copy(), rng.random(m) < 0.1)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:.*contradictory")
def test_many_constraints_cost_their_indices_and_a_batch(kind):
    rows, constraints = many(kind, 300_000)
    learner = learner_of(kind, "adam", batch_size=1000, max_iter=1)
    peak = peak_bytes(lambda: fitted(learner, kind, rows, constraints))
    # Expanded features would be 115 MB or 77 MB.
    assert peak < 3 * constraints[0].nbytes + 4e6


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:.*contradictory")
def test_blocks_are_bounded_by_working_memory(kind):
    rows, constraints = many(kind, 200_000)
    learner = learner_of(kind, "lbfgs", max_iter=1, tol=1.0)
    with config_context(working_memory=4):
        peak = peak_bytes(lambda: fitted(learner, kind, rows, constraints))
    # X centered, mapped, its gradient and a product: 2.5 MB each.
    assert peak < 4 * 2**20 + 5 * rows.nbytes + 1.5 * constraints[0].nbytes


def test_a_scorer_needs_labels(kind):
    learner = learner_of(kind, "adam", early_stopping=True, scoring=lambda *given: 1.0)
    with pytest.raises(ValueError, match="scorer needs labels"):
        fitted(learner, kind)
    assert not hasattr(learner, "components_")
