"""Adam and SGD against the recurrences of the papers, one number at a time."""

from math import sqrt

import numpy as np
import pytest

from skmetric._solvers._optimizers import adam_init, adam_update, sgd_init, sgd_update

RATES = [0.1, 0.07, 0.2, 0.05, 0.01]


@pytest.fixture
def gradients():
    scales = np.array([[1e-3, 1, 1e3], [1, -1, 0]])
    return np.random.RandomState(0).standard_normal((len(RATES), 2, 3)) * scales


def run(init, update, gradients, **settings):
    """Parameters after each update, from zeros."""
    U = np.zeros_like(gradients[0])
    state, path = init(U), []
    for gradient, rate in zip(gradients, RATES, strict=True):
        step, state = update(gradient, state, rate, **settings)
        U = U + step
        path.append(U)
    return np.array(path)


@pytest.mark.parametrize("momentum", [0, 0.9])
def test_sgd_follows_its_recurrence(gradients, momentum):
    path = run(sgd_init, sgd_update, gradients, momentum=momentum)
    for i, j in np.ndindex(2, 3):
        u = velocity = 0.0
        for t, rate in enumerate(RATES):
            velocity = momentum * velocity - rate * gradients[t, i, j]
            u = u + velocity
            assert path[t, i, j] == pytest.approx(u, rel=1e-12)


@pytest.mark.parametrize("epsilon", [1e-8, 0.1])
def test_adam_follows_its_recurrence(gradients, epsilon):
    b1, b2 = 0.8, 0.95
    path = run(adam_init, adam_update, gradients, beta_1=b1, beta_2=b2, epsilon=epsilon)
    for i, j in np.ndindex(2, 3):
        u = m = v = 0.0
        for t, rate in enumerate(RATES, start=1):
            g = gradients[t - 1, i, j]
            m = b1 * m + (1 - b1) * g
            v = b2 * v + (1 - b2) * g * g
            size = rate * sqrt(1 - b2**t) / (1 - b1**t)
            u = u - size * m / (sqrt(v) + epsilon)
            assert path[t - 1, i, j] == pytest.approx(u, rel=1e-12, abs=1e-15)


def test_adam_steps_do_not_depend_on_the_scale_of_gradients(gradients):
    settings = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-300}
    gradients = gradients[:, :, :2]
    one = run(adam_init, adam_update, gradients, **settings)
    other = run(adam_init, adam_update, 1e6 * gradients, **settings)
    np.testing.assert_allclose(one, other, rtol=1e-10)
    assert abs(one[0]) == pytest.approx(np.full((2, 2), RATES[0]))


@pytest.mark.parametrize(
    ("init", "update", "settings"),
    [
        (sgd_init, sgd_update, {"momentum": 0.9}),
        (adam_init, adam_update, {"beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-8}),
    ],
)
def test_updates_are_pure_and_keep_float32(init, update, settings):
    gradient = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
    kept, state = gradient.copy(), init(gradient)
    step, after = update(gradient, state, 0.1, **settings)
    again, _ = update(gradient, state, 0.1, **settings)
    step2, _ = update(gradient, after, 0.1, **settings)
    np.testing.assert_array_equal(gradient, kept)
    np.testing.assert_array_equal(step, again)
    assert not np.array_equal(step, step2) or init is adam_init
    assert step.dtype == step2.dtype == np.float32
    assert all(a.dtype == np.float32 for a in after if isinstance(a, np.ndarray))
