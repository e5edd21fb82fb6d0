"""Stochastic optimizers: two pure functions and explicit state.

``init(parameters) -> state`` and ``update(gradient, state) -> (step, state)``; the new
parameters are ``parameters + step``. A plain tuple of the same entries is a state, too.
The learning rate comes with every update, so that a schedule needs no optimizer of its own.
"""

from typing import NamedTuple

import numpy as np


class SGDState(NamedTuple):
    """The velocity."""

    velocity: np.ndarray


class AdamState(NamedTuple):
    """How many updates there were, and running means of gradient and its square."""

    n_updates: int
    mean: np.ndarray
    square: np.ndarray


def sgd_init(parameters):
    """State before the first update."""
    return SGDState(np.zeros_like(parameters))


def sgd_update(gradient, state, learning_rate, momentum):
    """Gradient descent with classical momentum.

    ``velocity = momentum * velocity - learning_rate * gradient`` is the step (Polyak
    1964, in the form of Sutskever et al. 2013, eq. 1).
    """
    (velocity,) = state
    velocity = momentum * velocity
    velocity -= learning_rate * gradient
    return velocity, SGDState(velocity)


def adam_init(parameters):
    """State before the first update."""
    return AdamState(0, np.zeros_like(parameters), np.zeros_like(parameters))


def adam_update(gradient, state, learning_rate, beta_1, beta_2, epsilon):
    """Adam (Kingma and Ba 2015, algorithm 1, with the reordering of its section 2).

    The two bias corrections are put into the step size, so that `epsilon` is added to
    the uncorrected root; scikit-learn's ``MLPClassifier`` does the same.
    """
    n_updates, mean, square = state
    t = n_updates + 1
    step = gradient * (1 - beta_1)
    mean = beta_1 * mean
    mean += step
    np.multiply(gradient, gradient, out=step)
    step *= 1 - beta_2
    square = beta_2 * square
    square += step
    np.sqrt(square, out=step)
    step += epsilon
    np.divide(mean, step, out=step)
    step *= -learning_rate * (1 - beta_2**t) ** 0.5 / (1 - beta_1**t)
    return step, AdamState(t, mean, square)
