"""The losses on explicit tuples: textbook values, gradients, bad input."""

import numpy as np
import pytest

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric.losses import contrastive_loss, smoothed_hinge, triplet_loss

LOSSES = ("hinge", "squared_hinge", "softplus")
METRICS = ("sqeuclidean", "euclidean", "cosine")

ANCHORS = [[1, 0.9, 1.1], [0, 0.1, -0.1]]
POSITIVES = [[1.1, 1, 1], [0.05, 0.1, 0]]
NEGATIVES = [[3, -2, 0], [-1, 1, 1]]
LEFT = [[0, 0], [1, 1], [2, 2], [5, 5]]
RIGHT = [[0.1, -0.1], [1.2, 1.1], [3, 2.8], [4.6, 5.2]]
SIMILAR = [1, 1, 0, 0]


def central_differences(function, arrays, step=1e-5):
    gradients = []
    for array in arrays:
        gradient = np.empty_like(array)
        for at in np.ndindex(array.shape):
            kept = array[at]
            array[at] = kept + step
            above = function()
            array[at] = kept - step
            below = function()
            array[at] = kept
            gradient[at] = (above - below) / (2 * step)
        gradients.append(gradient)
    return gradients


def assert_same_gradients(gradients, expected):
    for gradient, other in zip(gradients, expected, strict=True):
        scale = np.abs(other).max()
        assert scale > 1e-3
        np.testing.assert_allclose(gradient, other, rtol=1e-6, atol=1e-6 * scale)


@pytest.mark.parametrize(
    ("margin", "normalize", "expected"),
    [(10, False, 3.49625), (10, True, 8.563413), (0.5, False, 0), (0.5, True, 0)],
)
def test_triplet_textbook_value(margin, normalize, expected):
    value = triplet_loss(ANCHORS, POSITIVES, NEGATIVES, margin=margin, normalize=normalize)
    assert isinstance(value, float)
    assert value == pytest.approx(expected, abs=5e-7)


@pytest.mark.parametrize(
    ("loss", "expected"), [("squared_hinge", 0.0938932), ("hinge", 0.2294536)]
)
def test_contrastive_textbook_value(loss, expected):
    value = contrastive_loss(LEFT, RIGHT, SIMILAR, metric="euclidean", loss=loss)
    assert isinstance(value, float)
    assert value == pytest.approx(expected, abs=5e-8)


def test_defaults():
    assert triplet_loss(ANCHORS, POSITIVES, NEGATIVES) == triplet_loss(
        ANCHORS, POSITIVES, NEGATIVES, margin=1.0, metric="sqeuclidean", loss="hinge"
    )
    assert contrastive_loss(LEFT, RIGHT, SIMILAR) == pytest.approx(0.0938932, abs=5e-8)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("normalize", [False, True])
def test_triplet_value_against_a_loop(loss, metric, normalize):
    A, P, N = np.random.default_rng(1).normal(size=(3, 9, 3))
    expected = [
        cost(distance(a, p, metric, normalize) - distance(a, n, metric, normalize) + 0.7)
        for a, p, n in zip(A, P, N, strict=True)
        for cost in [COSTS[loss]]
    ]
    value = triplet_loss(A, P, N, margin=0.7, metric=metric, loss=loss, normalize=normalize)
    assert value == pytest.approx(np.mean(expected), rel=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("normalize", [False, True])
def test_contrastive_value_against_a_loop(loss, metric, normalize):
    A, B = np.random.default_rng(2).normal(size=(2, 9, 3))
    similar = np.arange(9) % 3 == 0
    expected = []
    for a, b, same in zip(A, B, similar, strict=True):
        d = distance(a, b, metric, normalize)
        expected.append(COSTS[loss](d - 0.3 if same else 1.4 - d))
    value = contrastive_loss(
        A,
        B,
        similar,
        margin=1.4,
        pos_margin=0.3,
        metric=metric,
        loss=loss,
        normalize=normalize,
    )
    assert value == pytest.approx(np.mean(expected), rel=1e-12)


COSTS = {
    "hinge": lambda v: max(v, 0),
    "squared_hinge": lambda v: max(v, 0) ** 2,
    "softplus": lambda v: np.log(1 + np.exp(v)),
}


def distance(a, b, metric, normalize):
    if normalize or metric == "cosine":
        a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    if metric == "cosine":
        return 1 - a @ b
    length = np.linalg.norm(a - b)
    return length if metric == "euclidean" else length**2


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("normalize", [False, True])
def test_triplet_gradient(loss, metric, normalize):
    arrays = list(np.random.default_rng(0).normal(size=(3, 7, 4)))
    options = {"margin": 0.6, "metric": metric, "loss": loss, "normalize": normalize}
    value, gradients = triplet_loss(*arrays, **options, return_gradient=True)
    assert value == triplet_loss(*arrays, **options)
    assert len(gradients) == 3
    assert_same_gradients(
        gradients, central_differences(lambda: triplet_loss(*arrays, **options), arrays)
    )


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("normalize", [False, True])
def test_contrastive_gradient(loss, metric, normalize):
    arrays = list(np.random.default_rng(3).normal(size=(2, 8, 4)))
    similar = np.arange(8) % 2 == 0
    options = {
        "margin": 2.5,
        "pos_margin": 0.15,
        "metric": metric,
        "loss": loss,
        "normalize": normalize,
    }
    value, gradients = contrastive_loss(*arrays, similar, **options, return_gradient=True)
    assert value == contrastive_loss(*arrays, similar, **options)
    assert len(gradients) == 2
    assert_same_gradients(
        gradients,
        central_differences(lambda: contrastive_loss(*arrays, similar, **options), arrays),
    )


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("normalize", [False, True])
def test_finite_at_coincident_points_and_zero_rows(loss, metric, normalize):
    point, zero = [1.0, 2.0], [0.0, 0.0]
    A = np.array([point, point, zero, zero, point])
    B = np.array([point, zero, point, zero, point])
    C = np.array([point, point, point, zero, zero])
    options = {
        "metric": metric,
        "loss": loss,
        "normalize": normalize,
        "return_gradient": True,
    }
    value, gradients = triplet_loss(A, B, C, **options)
    assert np.isfinite([value, *np.ravel(gradients)]).all()
    # The first triplet is one point three times over: no direction in any metric.
    assert all((gradient[0] == 0).all() for gradient in gradients)
    for similar in (True, False):
        value, gradients = contrastive_loss(A, B, [similar] * 5, **options)
        assert np.isfinite([value, *np.ravel(gradients)]).all()
        assert all((gradient[[0, 3, 4]] == 0).all() for gradient in gradients)
        if normalize or metric == "cosine":
            assert (gradients[0][2] == 0).all()
            assert (gradients[1][1] == 0).all()


def test_softplus_does_not_overflow():
    far = np.array([[1e3, 0.0]])
    zero = np.zeros((1, 2))
    options = {"loss": "softplus", "return_gradient": True}
    value, gradients = triplet_loss(zero, far, zero, **options)
    assert value == pytest.approx(1e6 + 1)
    assert np.isfinite(gradients).all()
    value, gradients = triplet_loss(zero, zero, far, **options)
    assert value == 0
    assert (np.ravel(gradients) == 0).all()


def test_inputs_stay_as_they_are():
    arrays = [np.array(rows, dtype=float) for rows in (ANCHORS, POSITIVES, NEGATIVES)]
    before = [array.copy() for array in arrays]
    triplet_loss(*arrays, normalize=True, return_gradient=True)
    triplet_loss(*arrays, metric="euclidean", return_gradient=True)
    contrastive_loss(*arrays[:2], [True, False], metric="cosine", return_gradient=True)
    np.testing.assert_array_equal(arrays, before)


@pytest.mark.parametrize(
    "similar", [SIMILAR, np.array(SIMILAR, dtype=bool), np.array(SIMILAR, dtype=float)]
)
def test_similar_may_be_booleans_or_ones_and_zeros(similar):
    expected = contrastive_loss(LEFT, RIGHT, [True, True, False, False])
    assert contrastive_loss(LEFT, RIGHT, similar) == expected


@pytest.mark.parametrize(
    "similar",
    [
        [1, 1, -1, -1],
        [1, 1, 0, 2],
        [1, 0.5, 0, 0],
        [1, 1, 0, np.nan],
        ["True", "True", "False", "False"],
        ["1", "1", "0", "0"],
        [True, True, False],
    ],
    ids=str,
)
def test_similar_anything_else_is_an_error(similar):
    with pytest.raises(ValueError, match="similar"):
        contrastive_loss(LEFT, RIGHT, similar)


@pytest.mark.parametrize(
    "similar", [[None, True, False, False], [[True, True, False, False]], True], ids=str
)
def test_similar_of_no_use_at_all_is_an_error(similar):
    with pytest.raises((TypeError, ValueError)):
        contrastive_loss(LEFT, RIGHT, similar)


@pytest.mark.parametrize(
    "wrong", [LEFT[:3], [[0.0], [1.0], [2.0], [3.0]], [0.0, 1.0], [[np.nan, 0]] * 4]
)
def test_rows_that_do_not_align(wrong):
    for arrays in ([wrong, LEFT], [LEFT, wrong]):
        with pytest.raises(ValueError):
            contrastive_loss(*arrays, SIMILAR)
    for place in range(3):
        arrays = [LEFT, RIGHT, RIGHT]
        arrays[place] = wrong
        with pytest.raises(ValueError):
            triplet_loss(*arrays)


@pytest.mark.parametrize(
    ("option", "names"),
    [
        ({"margin": 0}, "margin"),
        ({"margin": -1.0}, "margin"),
        ({"metric": "manhattan"}, "sqeuclidean"),
        ({"loss": "squared-hinge"}, "squared_hinge"),
    ],
)
def test_options_out_of_range(option, names):
    with pytest.raises(ValueError, match=names):
        triplet_loss(ANCHORS, POSITIVES, NEGATIVES, **option)
    with pytest.raises(ValueError, match=names):
        contrastive_loss(LEFT, RIGHT, SIMILAR, **option)


@pytest.mark.parametrize("pos_margin", [-0.1, 1.0, 2.0])
def test_pos_margin_out_of_range(pos_margin):
    with pytest.raises(ValueError, match="pos_margin"):
        contrastive_loss(LEFT, RIGHT, SIMILAR, pos_margin=pos_margin)


def test_half_precision_becomes_single():
    rng = np.random.default_rng(0)
    half = rng.standard_normal((3, 6, 4)).astype(np.float16)
    loss, gradients = triplet_loss(*half, return_gradient=True)
    expected, slopes = triplet_loss(*half.astype(np.float32), return_gradient=True)
    assert loss == expected
    for gradient, slope in zip(gradients, slopes, strict=True):
        assert gradient.dtype == np.float32
        np.testing.assert_array_equal(gradient, slope)
    _, gradients = contrastive_loss(half[0], half[1], np.eye(6)[0], return_gradient=True)
    assert gradients[0].dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_infinitely_satisfied_costs_nothing(dtype):
    cost, slope = smoothed_hinge(np.array([-np.inf, -1.0, 0.0, 0.5], dtype=dtype), 0.1)
    np.testing.assert_allclose(cost, [0, 0, 0, 0.45], rtol=1e-6)
    np.testing.assert_array_equal(slope, [0, 0, 0, 1])


@pytest.mark.parametrize("Learner", [TripletMetricLearner, ContrastiveMetricLearner])
def test_lbfgs_with_fewer_positives_of_some_classes(Learner):
    """Lists of edges then have places without a positive."""
    y = np.repeat(np.arange(41), [40] + [4] * 40)
    X = np.random.default_rng(0).normal(size=(len(y), 5)) + 2 * np.eye(41, 5)[y]
    learner = Learner(solver="lbfgs", n_subsamples=1).fit(X, y)
    assert np.isfinite(learner.loss_)
