"""From W to the loss and back: gradients, sparse rows, blocks, enumeration."""

from itertools import product

import numpy as np
import pytest
from scipy.sparse import csr_matrix, issparse
from sklearn import config_context

from skmetric._objective._constraints import PairConstraints, TripletConstraints
from skmetric._objective._evaluate import Deferred, evaluate, mine
from skmetric._objective._labels import MAX_JUDGED, Labels
from skmetric._objective._maps import map_rows, mean_map, nearest_labels
from skmetric._objective._problem import Problem
from skmetric._relations import LabelRelation
from skmetric.distances import block_pullback, grad_by_square
from skmetric.losses import contrastive_loss, triplet_loss
from skmetric.mining import mine_pairs, mine_triplets
from skmetric.mining._ordering import slices
from skmetric.mining._sampler import hold_out
from skmetric.mining._strategies import resolve_strategies, row_blocks
from tests.designs import covering

METRICS = ("sqeuclidean", "euclidean", "cosine")
LOSSES = ("hinge", "squared_hinge", "softplus")
POSITIVES = ("all", "nearest", "hard", "random")
NEGATIVES = ("all", "nearest", "semihard", "hard", "random", "distance_weighted")
KINDS = ("triplets", "pairs")
DTYPES = (np.float64, np.float32)
# Blocks of one row.
TINY = 1e-4


def designed(strength=2, **factors):
    """Cases of every kind of constraints under every metric, and of further factors."""
    cases = [
        (kind, positives, negatives, metric, *others)
        for kind, positives, negatives, metric, *others in product(
            KINDS, POSITIVES, NEGATIVES, METRICS, *factors.values()
        )
        if not (negatives == "semihard" and kind == "pairs")
        and not (negatives == "distance_weighted" and metric != "cosine")
    ]
    names = ("kind", "positives", "negatives", "metric", *factors)
    return pytest.mark.parametrize(names, covering(cases, strength))


@pytest.fixture(scope="module")
def data():
    """Unbalanced classes, one of one row, and one of more than six positives."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(np.arange(4), [9, 1, 5, 3]))
    X = rng.normal(size=(len(y), 5)) + 0.5 * np.eye(5)[y]
    W = rng.normal(size=(3, 5)) / 4
    return X, y, W


def constraints_of(kind, positives, negatives, metric, loss):
    strategies = resolve_strategies(
        positives,
        negatives,
        n_neighbors=2,
        n_impostors=3,
        metric=metric,
        n_components=3,
        pairs=kind == "pairs",
    )
    if kind == "triplets":
        return TripletConstraints(loss, 0.6, *strategies)
    return PairConstraints(loss, 1.1, 0.1, 3.0, *strategies)


def assert_same_gradient(gradient, expected, rtol):
    scale = np.abs(expected).max()
    assert scale > 1e-3
    np.testing.assert_allclose(gradient, expected, rtol=rtol, atol=rtol * scale)


def central_differences(function, W, step=1e-5):
    gradient = np.empty_like(W)
    for at in np.ndindex(W.shape):
        away = np.zeros_like(W)
        away[at] = step
        gradient[at] = (function(W + away) - function(W - away)) / (2 * step)
    return gradient


# The kind, the positives and the negatives together choose the code.
@designed(strength=3, loss=LOSSES)
def test_gradient(data, kind, positives, negatives, metric, loss):
    X, y, W = data
    constraints = constraints_of(kind, positives, negatives, metric, loss)
    mined = mine(W, X, LabelRelation(y), metric, constraints, np.random.RandomState(0))
    found = evaluate(W, X, LabelRelation(y), metric, constraints, mined=mined)
    assert 0 < found.active_fraction <= 1
    assert found.gradient.shape == W.shape
    expected = central_differences(
        lambda V: evaluate(V, X, LabelRelation(y), metric, constraints, mined=mined).loss, W
    )
    assert_same_gradient(found.gradient, expected, 1e-6)
    # Formed on the way, from the same seed, the constraints are the same.
    again = evaluate(
        W, X, LabelRelation(y), metric, constraints, random_state=np.random.RandomState(0)
    )
    assert again.loss == pytest.approx(found.loss, rel=1e-12)
    assert again.n_constraints == found.n_constraints
    assert again.active_fraction == found.active_fraction
    assert_same_gradient(again.gradient, found.gradient, 1e-12)
    assert mined.equals(
        mine(W, X, LabelRelation(y), metric, constraints, np.random.RandomState(0))
    )


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean"])
@pytest.mark.parametrize("kind", KINDS)
def test_distances_weigh_under_the_cosine_only(kind, metric):
    with pytest.raises(ValueError, match="cosine"):
        constraints_of(kind, "all", "distance_weighted", metric, "hinge")


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", KINDS)
def test_problem_gradient_and_penalty(data, kind, metric):
    X, y, W = data
    constraints = constraints_of(kind, "all", "all", metric, "softplus")
    W0 = np.eye(3, 5) + 0.1
    problem = Problem(X, Labels.of(X, y), W0, metric, constraints)
    problem.penalty = 0.3
    rows = problem.related_rows()
    mined = problem.mine(W, rows, None)

    def loss(V):
        return problem.objective(V, rows, mined).loss

    plain = evaluate(W, X, LabelRelation(y), metric, constraints).loss
    penalty = 0.3 / 2 * ((W - W0) ** 2).sum() / (W0**2).sum()
    assert loss(W) == pytest.approx(plain + penalty, rel=1e-12)
    found = problem.objective(W, rows, mined).gradient
    assert_same_gradient(found, central_differences(loss, W), 1e-6)
    batch = np.flatnonzero(y != 3)
    on_batch = problem.batch_objective(W, batch, None)
    within = evaluate(W, X[batch], LabelRelation(y[batch]), metric, constraints).loss
    assert on_batch.loss == pytest.approx(within + penalty, rel=1e-12)
    assert_same_gradient(
        on_batch.gradient,
        central_differences(lambda V: problem.batch_objective(V, batch, None).loss, W),
        1e-6,
    )


@designed()
def test_sparse_rows_and_small_blocks(data, kind, positives, negatives, metric):
    X, y, W = data
    X = np.where(np.abs(X) > 0.4, X, 0)
    constraints = constraints_of(kind, positives, negatives, metric, "squared_hinge")

    def evaluated(X):
        rng = np.random.RandomState(0)
        return evaluate(W, X, LabelRelation(y), metric, constraints, random_state=rng)

    dense, sparse = evaluated(X), evaluated(csr_matrix(X))
    assert type(sparse.gradient) is np.ndarray
    with config_context(working_memory=TINY):
        assert len(row_blocks(len(y), len(y))) == len(y)
        found = [sparse, evaluated(X), evaluated(csr_matrix(X))]
        mined = mine(W, X, LabelRelation(y), metric, constraints, np.random.RandomState(0))
        found.append(evaluate(W, X, LabelRelation(y), metric, constraints, mined=mined))
    for other in found:
        assert other.loss == pytest.approx(dense.loss, rel=1e-10)
        assert other.active_fraction == dense.active_fraction
        assert other.n_constraints == dense.n_constraints
        assert_same_gradient(other.gradient, dense.gradient, 1e-10)


@pytest.mark.parametrize("metric", METRICS)
def test_drawn_constraints_in_small_blocks(data, metric):
    X, y, W = data
    constraints = constraints_of("triplets", "random", "random", metric, "softplus")
    with config_context(working_memory=TINY):
        mined = mine(W, X, LabelRelation(y), metric, constraints, np.random.RandomState(0))
        found = evaluate(W, X, LabelRelation(y), metric, constraints, mined=mined)
        expected = central_differences(
            lambda V: (
                evaluate(V, X, LabelRelation(y), metric, constraints, mined=mined).loss
            ),
            W,
        )
    assert found.n_constraints == (y != 1).sum()
    assert_same_gradient(found.gradient, expected, 1e-6)


@pytest.mark.parametrize(
    ("words", "metric", "loss", "working_memory"),
    covering(
        product(
            [("all", "all"), ("nearest", "all"), ("all", "semihard")],
            METRICS,
            LOSSES,
            [1024, TINY],
        )
    ),
)
def test_triplets_against_enumeration(data, words, metric, loss, working_memory):
    X, y, W = data
    positives, negatives = words
    E = X @ W.T
    triplets = mine_triplets(
        E, y, positives=positives, negatives=negatives, n_neighbors=2, metric=metric
    )
    if positives == negatives == "all":
        sizes = np.bincount(y)
        assert len(triplets) == (sizes * (sizes - 1) * (len(y) - sizes)).sum()
    rows = list(triplets.T)
    value, gradients = triplet_loss(
        *(E[at] for at in rows),
        margin=0.6,
        metric=metric,
        loss=loss,
        return_gradient=True,
    )
    dE = np.zeros_like(E)
    for at, gradient in zip(rows, gradients, strict=True):
        np.add.at(dE, at, gradient)
    constraints = constraints_of("triplets", positives, negatives, metric, loss)
    with config_context(working_memory=working_memory):
        found = evaluate(W, X, LabelRelation(y), metric, constraints)
    assert found.n_constraints == len(triplets)
    assert found.loss == pytest.approx(value, rel=1e-10)
    assert_same_gradient(found.gradient, dE.T @ X, 1e-10)


@pytest.mark.parametrize(
    ("words", "metric", "loss"),
    covering(
        product([("all", "all"), ("nearest", "hard"), ("hard", "all")], METRICS, LOSSES)
    ),
)
def test_pairs_against_enumeration(data, words, metric, loss):
    X, y, W = data
    positives, negatives = words
    E = X @ W.T
    pairs, similar = mine_pairs(
        E, y, positives=positives, negatives=negatives, n_neighbors=2, metric=metric
    )
    value, dE = 0.0, np.zeros_like(E)
    for same, weight in ((True, 1.0), (False, 3.0)):
        rows = pairs[similar == same].T
        mean, gradients = contrastive_loss(
            *(E[at] for at in rows),
            np.full(rows.shape[1], same),
            margin=1.1,
            pos_margin=0.1,
            metric=metric,
            loss=loss,
            return_gradient=True,
        )
        value += weight * mean
        for at, gradient in zip(rows, gradients, strict=True):
            np.add.at(dE, at, weight * gradient)
    constraints = constraints_of("pairs", positives, negatives, metric, loss)
    found = evaluate(W, X, LabelRelation(y), metric, constraints)
    assert found.loss == pytest.approx(value, rel=1e-10)
    assert_same_gradient(found.gradient, dE.T @ X, 1e-10)


@designed(loss=LOSSES, dtype=DTYPES)
def test_finite_where_not_smooth(data, kind, positives, negatives, metric, loss, dtype):
    X, y, W = data
    # Coincident rows of one class and of two, and zero rows.
    X = X.copy()
    X[4:10] = X[3]
    X[12:14] = 0
    X, W = X.astype(dtype), W.astype(dtype)
    constraints = constraints_of(kind, positives, negatives, metric, loss)
    for V in (W, np.zeros_like(W)):
        found = evaluate(
            V,
            X,
            LabelRelation(y),
            metric,
            constraints,
            random_state=np.random.RandomState(0),
        )
        assert np.isfinite(found.loss)
        assert np.isfinite(found.gradient).all()
        assert found.gradient.dtype == dtype
        assert (np.abs(found.gradient) < 100).all()
    assert (found.gradient == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_coincident_points_have_no_euclidean_gradient(data, kind):
    _, _, W = data
    # Two places only: every positive coincides, and only the places pull or push.
    places = np.random.default_rng(1).normal(size=(2, 5)) / 10
    y = np.repeat([0, 1], 5)
    constraints = constraints_of(kind, "all", "all", "euclidean", "softplus")
    found = evaluate(W, places[y], LabelRelation(y), "euclidean", constraints)
    d = np.linalg.norm(W @ (places[0] - places[1]))
    weight, margin = (1, 0.6) if kind == "triplets" else (3, 1.1)
    slope = -weight / (1 + np.exp(d - margin))
    step = places[0] - places[1]
    assert_same_gradient(found.gradient, slope * np.outer(W @ step, step) / d, 1e-9)


@pytest.mark.parametrize("metric", ["sqeuclidean", "cosine"])
def test_nearest_labels_over_several_blocks(metric):
    rng = np.random.default_rng(0)
    X, queries, W = (rng.normal(size=shape) for shape in ((9000, 3), (50, 3), (2, 3)))
    y = np.arange(9000)
    E, others = map_rows(queries, W, metric), map_rows(X, W, metric)
    nearest = ((E[:, None] - others) ** 2).sum(axis=2).argmin(axis=1)
    assert len(np.unique(nearest // 2048)) > 1
    np.testing.assert_array_equal(
        nearest_labels(E, X, np.arange(9000), y, W, metric), nearest
    )


def test_of_many_rows_held_out_some_are_judged():
    rng = np.random.default_rng(0)
    y = np.arange(4 * MAX_JUDGED) % 2
    X = rng.normal(size=(len(y), 2)) + y[:, None]
    W = np.eye(2)
    problem = Problem(X, Labels.of(X, y), W, "sqeuclidean", None)
    kept, held = hold_out(y, 0.5, np.random.RandomState(0))
    right = nearest_labels(X[held], X, kept, y[kept], W, "sqeuclidean") == y[held]
    _, score = problem.hold_out(0.5, np.random.RandomState(0))
    judged = score(W) * MAX_JUDGED
    assert judged == pytest.approx(round(judged), abs=1e-9)
    error = (right.mean() * (1 - right.mean()) / MAX_JUDGED) ** 0.5
    assert abs(judged / MAX_JUDGED - right.mean()) < 4 * error


@pytest.mark.parametrize("form", [np.asarray, csr_matrix])
def test_a_problem_of_some_rows_is_that_of_their_copy(form):
    rng = np.random.default_rng(0)
    X, y, W = rng.normal(size=(90, 4)), np.arange(90) % 3, rng.normal(size=(2, 4))
    constraints = constraints_of("triplets", "all", "all", "sqeuclidean", "hinge")
    problem = Problem(form(X), Labels.of(X, y), W, "sqeuclidean", constraints)
    part, _ = problem.hold_out(0.3, np.random.RandomState(0))
    kept, _ = hold_out(y, 0.3, np.random.RandomState(0))
    labels = Labels.of(X[kept], y[kept])
    own = Problem(form(X[kept]), labels, W, "sqeuclidean", constraints)
    U, batch = rng.normal(size=W.shape), rng.permutation(len(kept))[:20]
    np.testing.assert_array_equal(part.target.codes, y[kept])
    for found, expected in (
        (part.batch_objective(U, batch, None), own.batch_objective(U, batch, None)),
        (share_of_all(part, U), share_of_all(own, U)),
    ):
        assert found.loss == pytest.approx(expected.loss)
        np.testing.assert_allclose(found.gradient, expected.gradient, rtol=1e-9, atol=1e-12)


def share_of_all(problem, U):
    X = problem.related_rows()
    return problem.value_and_grad(U, X, problem.mine(U, X, None))


@pytest.mark.parametrize("form", [np.array, csr_matrix])
def test_slopes_by_squared_distance(form):
    rng = np.random.default_rng(0)
    G = np.where(rng.random((6, 9)) < 0.4, rng.normal(size=(6, 9)), 0)
    D = rng.integers(0, 3, (6, 9)) / 2
    assert ((D == 0) & (G != 0)).any()
    # From d = s, d = sqrt(s), which has no slope at 0, and d = s / 2.
    with np.errstate(divide="ignore", invalid="ignore"):
        by_root = np.where(D > 0, G / (2 * D), 0)
    for metric, expected in zip(METRICS, (G, by_root, G / 2), strict=True):
        found = grad_by_square(form(G), D, metric)
        found = found.toarray() if issparse(found) else found
        np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("n", [3, 64, 150])
def test_pullback_of_all_rows_against_its_sum(n):
    rng = np.random.default_rng(0)
    G, E = rng.normal(size=(n, n)), rng.normal(size=(n, 4))
    slopes = [2 * (G[i] + G[:, i]) @ (E[i] - E) for i in range(n)]
    dE, before = np.ones_like(E), G.copy()
    block_pullback(dE, dE, G, E, E, slice(0, n))
    np.testing.assert_allclose(dE, 1 + np.array(slopes), rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(G, before)


@pytest.mark.parametrize(
    ("kind", "negatives"),
    [(kind, words) for kind in KINDS for words in ("all", "nearest", "hard", "random")]
    + [("triplets", "semihard")],
)
def test_lists_that_do_not_fit_are_formed_anew_under_the_map_they_were_chosen_by(
    data, kind, negatives, monkeypatch
):
    X, y, W = data
    constraints = constraints_of(kind, "all", negatives, "sqeuclidean", "hinge")
    given = W, X, LabelRelation(y), "sqeuclidean", constraints
    monkeypatch.setattr(
        "skmetric._objective._evaluate.row_blocks", lambda n, m: slices(n, 7)
    )
    kept = mine(*given, np.random.RandomState(0))
    monkeypatch.setattr(
        "skmetric._objective._evaluate.get_config", lambda: {"working_memory": 0}
    )
    anew, again = (mine(*given, np.random.RandomState(0)) for _ in range(2))
    assert all(isinstance(selection, Deferred) for selection in anew.selections)
    assert anew.equals(again) == (negatives == "all")
    elsewhere = -W[:, ::-1], *given[1:]
    for _ in range(2):
        found, expected = (evaluate(*elsewhere, mined=mined) for mined in (anew, kept))
        assert found.loss == pytest.approx(expected.loss)
        assert found.n_constraints == expected.n_constraints
        assert_same_gradient(found.gradient, expected.gradient, 1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_lists_of_callables_and_of_many_nearest_are_formed_anew(data, kind, monkeypatch):
    X, y, W = data

    def every(distances, candidates, random_state):
        return np.nonzero(candidates)

    monkeypatch.setattr("skmetric.mining._strategies.FEW_NEAREST", 1)
    for positives, negatives in [
        (every, "random"),
        ("nearest", "all"),
        ("hard", "nearest"),
    ]:
        constraints = constraints_of(kind, positives, negatives, "sqeuclidean", "hinge")
        given = W, X, LabelRelation(y), "sqeuclidean", constraints
        kept = mine(*given, np.random.RandomState(0))
        with config_context(working_memory=TINY):
            anew = mine(*given, np.random.RandomState(0))
            assert any(isinstance(selection, Deferred) for selection in anew.selections)
            elsewhere = -W[:, ::-1], *given[1:]
            found = evaluate(*elsewhere, mined=anew)
        expected = evaluate(*elsewhere, mined=kept)
        assert found.loss == pytest.approx(expected.loss)
        assert found.n_constraints == expected.n_constraints
        assert_same_gradient(found.gradient, expected.gradient, 1e-9)


@pytest.mark.parametrize("n_neighbors", [33, 38, 39, 40, 10**9])
@pytest.mark.parametrize("kind", KINDS)
def test_as_many_nearest_as_there_are_is_all(kind, n_neighbors):
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat([0, 1, 3], [40, 7, 35]))
    X, W = rng.normal(size=(len(y), 4)), rng.normal(size=(3, 4))
    sizes = np.bincount(y)[y]
    for n_impostors in (42, 74, 75, 10**9):
        given = []
        for negatives in ("nearest", "all"):
            strategies = resolve_strategies(
                "nearest" if negatives == "nearest" else "all",
                negatives,
                n_neighbors=n_neighbors,
                n_impostors=n_impostors,
                metric="sqeuclidean",
                n_components=3,
                pairs=kind == "pairs",
            )
            constraints = TripletConstraints("hinge", 0.6, *strategies)
            if kind == "pairs":
                constraints = PairConstraints("hinge", 1.1, 0.1, 3.0, *strategies)
            given.append((W, X, LabelRelation(y), "sqeuclidean", constraints))
        mined, every = (mine(*args, None) for args in given)
        near = np.minimum(sizes - 1, n_neighbors)
        far = np.minimum(len(y) - sizes, n_impostors)
        n = near @ far if kind == "triplets" else near.sum() + far.sum()
        assert mined.totals.sum() == n
        is_all = n_neighbors >= 39 and n_impostors >= 75
        assert mined.equals(every) == is_all
        found, expected = (evaluate(*args, mined=mined) for args in given)
        by_block = evaluate(*given[0])
        assert by_block.n_constraints == found.n_constraints == n
        assert by_block.loss == pytest.approx(found.loss, rel=1e-12)
        if is_all:
            assert found.loss == expected.loss
            np.testing.assert_array_equal(found.gradient, expected.gradient)


@designed()
def test_rows_of_one_class_have_no_negatives(data, kind, positives, negatives, metric):
    X, y, W = data
    constraints = constraints_of(kind, positives, negatives, metric, "hinge")
    rng = np.random.RandomState(0)
    found = evaluate(
        W, X, LabelRelation(np.zeros_like(y)), metric, constraints, random_state=rng
    )
    n = {"all": len(y) - 1, "nearest": 2}.get(positives, 1) * len(y)
    assert found.n_constraints == (n if kind == "pairs" else 0)
    assert np.isfinite(found.loss) and np.isfinite(found.gradient).all()


@pytest.mark.parametrize("k", [5, 2, 8])
def test_mean_map_has_the_mean_metric(k):
    rng = np.random.default_rng(0)
    W0 = rng.normal(size=(k, 5))
    maps = [W0 + 0.3 * rng.normal(size=(k, 5)) for _ in range(4)]
    W = mean_map(maps, W0)
    mean = sum(V.T @ V for V in maps) / 4
    scales, directions = np.linalg.eigh(mean)
    best = (directions[:, -k:] * scales[-k:]) @ directions[:, -k:].T
    np.testing.assert_allclose(W.T @ W, best, atol=1e-12)
    # No turn of the learnt space brings it nearer to W0.
    distance = np.linalg.norm(W - W0)
    for _ in range(50):
        turn = np.linalg.qr(np.eye(k) + 0.1 * rng.normal(size=(k, k)))[0]
        turn *= np.sign(np.diag(turn))
        assert np.linalg.norm(turn @ W - W0) >= distance - 1e-12


@pytest.mark.parametrize("k", [3, 8])
def test_mean_map_of_one_map_is_that_map(k):
    W = np.random.default_rng(0).normal(size=(k, 5))
    np.testing.assert_allclose(mean_map([W], W), W)
