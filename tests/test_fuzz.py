"""Whatever one may give: a finite result, or a short error that leaves all as it was.

The cases are the same in every run. ``SKMETRIC_FUZZ_EXAMPLES=2000 pytest
tests/test_fuzz.py`` looks at more of them.
"""

import enum
import os
import pickle
import re
import warnings
from collections.abc import Mapping
from copy import deepcopy
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from numbers import Real

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_matrix, csr_array, csr_matrix, issparse
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.preprocessing import StandardScaler

from skmetric import ContrastiveMetricLearner, TripletMetricLearner, metrics
from skmetric.losses import contrastive_loss, triplet_loss
from skmetric.mining import mine_pairs, mine_triplets
from skmetric.model_selection import (
    ClassDisjointShuffleSplit,
    MatchShuffleSplit,
    TupleLearner,
)

EXAMPLES = int(os.environ.get("SKMETRIC_FUZZ_EXAMPLES", "600"))
budget = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
# What scikit-learn, numpy and pandas say of arrays that are none; skmetric's own errors
# say what was got and what was expected.
SENTENCES = re.compile(
    "|".join(
        [
            r"(?s:[Gg]ot .*(expect|Use |Bring |Lower |[Rr]aise ))",
            r"contains? (NaN|infinity)",
            r"a minimum of \d+ is required",
            r"Expected 2D array, got",
            r"y should be a 1d array, got",
            r"Input should be 1d",
            r"inconsistent numbers of samples",
            r"is expecting \d+ features? as input",
            r"requires y to be passed",
            r"feature names",
            r"is not fitted yet",
            r"could not convert string to float",
            r"must be a string or a real number",
            r"but dense data is required",
            r"Cannot center sparse matrices",
            r"Complex data not supported",
            r"setting an array element with a sequence",
        ]
    )
)


# The property


def frozen(value):
    """What a value consists of, as something that can be compared."""
    if issparse(value):
        names = ("row", "col") if value.format == "coo" else ("indices", "indptr")
        return [frozen(getattr(value, name)) for name in ("data", *names)]
    if isinstance(value, (pd.DataFrame, pd.Series, pd.Categorical)):
        return type(value), frozen(np.asarray(value))
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value.dtype, value.shape, value.tobytes()
    if isinstance(value, (np.ndarray, list, tuple)):
        return type(value), [frozen(part) for part in value]
    if isinstance(value, (BaseEstimator, ClassDisjointShuffleSplit, MatchShuffleSplit)):
        return {name: frozen(part) for name, part in vars(value).items()}
    return pickle.dumps(value)


def numbers_in(value):
    """All numbers that a result consists of."""
    if isinstance(value, BaseEstimator):
        value = vars(value)
        names = ("components_", "initial_components_", "loss_curve_", "threshold_")
        names += ("active_fraction_curve_", "validation_scores_", "margin_", "pos_margin_")
        value = [value[name] for name in names if value.get(name) is not None]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [number for part in value for number in numbers_in(part)]
    assert isinstance(value, (Real, np.ndarray)), f"no result: {value!r:.80}"
    return np.asarray(value, dtype=np.float64).ravel().tolist()


def holds(call, *given_values, owner=None):
    """Check the property of one call, and return its result, None if it was refused.

    Parameters
    ----------
    call : callable
        Takes the values that are given.
    *given_values : object
        What must not be written to.
    owner : estimator, default=None
        What must stay as it was if the call is refused.
    """
    before, state = frozen(list(given_values)), frozen(owner)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = call(*given_values)
        except (ValueError, TypeError) as error:
            # Of complex data scikit-learn shows all there is.
            result, message = None, str(error).partition("not supported\n")
            message = "".join(message[:2])
            assert len(message) < 1000, message[:1000]
            assert SENTENCES.search(message), f"{type(error).__name__}: {message}"
            assert frozen(owner) == state, f"changed by a call that failed: {message}"
        else:
            numbers = numbers_in(result)
            assert np.isfinite(numbers).all(), f"not finite: {result!r:.200}"
            said = [f"{w.filename}:{w.lineno}: {w.message}" for w in caught]
            alien = [
                text
                for text, warning in zip(said, caught, strict=True)
                if not issubclass(warning.category, UserWarning)
            ]
            assert not alien, alien[:3]
    assert frozen(list(given_values)) == before, "an argument was written to"
    return result


# Rows


def duplicated(X, rng):
    return X[rng.integers(0, max(1, len(X) // 3), len(X))]


def with_constant_column(X, rng):
    X[:, 0] = 3.0
    return X


def all_alike(X, rng):
    return np.ones_like(X)


def with_zero_rows(X, rng):
    X[: len(X) // 3] = 0
    return X


def far_from_zero(X, rng):
    return X + 10.0 ** rng.integers(2, 17)


def with_outlier(X, rng):
    X[-1, -1] = 10.0 ** rng.integers(2, 200)
    return X


def on_a_grid(X, rng):
    return np.round(X)


def with_scales_of_its_own(X, rng):
    return X * 10.0 ** rng.integers(-12, 12, X.shape[1])


def with_nan(X, rng):
    X[-1, 0] = np.nan
    return X


def with_infinity(X, rng):
    X[0, -1] = -np.inf
    return X


def nothing(X, rng):
    return X


CHANGES = [
    *[nothing] * 6,
    duplicated,
    with_constant_column,
    all_alike,
    with_zero_rows,
    far_from_zero,
    with_outlier,
    on_a_grid,
    with_scales_of_its_own,
    with_nan,
    with_infinity,
]
SCALES = [1.0] * 8 + [1e-300, 1e-160, 1e-30, 1e-10, 1e10, 1e19, 1e38, 1e160, 1e300]
DTYPES = ["f8"] * 6 + ["f4"] * 4 + ["f2", "i8", "i1", "u1", "?", ">f8", "O", "c16", "g"]


def unsorted_csr(X):
    """Columns of each row from the last to the first, and a row that is empty."""
    X = X.copy()
    X[len(X) // 2] = 0
    S = csr_matrix(X)
    for start, stop in zip(S.indptr[:-1], S.indptr[1:], strict=True):
        S.indices[start:stop] = S.indices[start:stop][::-1].copy()
        S.data[start:stop] = S.data[start:stop][::-1].copy()
    return csr_matrix((S.data, S.indices, S.indptr), shape=S.shape)


def read_only(X):
    X.flags.writeable = False
    return X


FORMS = [
    *[np.asarray] * 6,
    np.asfortranarray,
    read_only,
    lambda X: np.repeat(X, 2, axis=0)[::2],
    lambda X: X.tolist(),
    csr_matrix,
    csr_array,
    unsorted_csr,
    coo_matrix,
    pd.DataFrame,
    lambda X: pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])]),
    lambda X: X[:, 0],
]


@st.composite
def tables(draw, n=None, d=None):
    """Rows of features, mostly such as can be learnt from."""
    n = n or draw(st.integers(2, 40))
    d = d or draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    X = rng.standard_normal((n, d))
    if draw(st.booleans()):
        return X
    with np.errstate(all="ignore"):
        for change in draw(st.lists(st.sampled_from(CHANGES), max_size=2)):
            X = change(X, rng)
        X = X * draw(st.sampled_from(SCALES))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            X = X.astype(draw(st.sampled_from(DTYPES)))
    form = draw(st.sampled_from(FORMS))
    if X.dtype.char in "Og" or X.dtype.itemsize == 2 or not X.dtype.isnative:
        form = np.asarray  # scipy.sparse has no such dtypes
    return form(X)


# Labels


class Fruit(enum.Enum):
    APPLE = 0
    PEAR = 1
    PLUM = 2
    QUINCE = 3


def objects(values):
    """An array of objects, also of such as are sequences."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def of_objects(make):
    return lambda codes: objects([make(int(code)) for code in codes])


NAMES = [
    *[np.asarray] * 6,
    lambda codes: codes.tolist(),
    lambda codes: np.array(list("abcd"))[codes],
    lambda codes: np.array(list("abcd"))[codes].tolist(),
    lambda codes: codes.astype(np.float32),
    lambda codes: codes.astype(np.float16) - 1,
    lambda codes: codes.astype(np.int8) - 1,
    lambda codes: codes.astype(np.uint64) + np.uint64(2**63),
    lambda codes: codes > 0,
    lambda codes: codes + 0.5,
    lambda codes: codes * 1e300,
    lambda codes: codes.astype(complex),
    lambda codes: codes.astype("S"),
    lambda codes: codes.astype("M8[D]"),
    lambda codes: codes[:, None],
    lambda codes: codes[:-1],
    lambda codes: pd.Series(codes, index=range(7, 7 + len(codes))),
    lambda codes: pd.Series(codes, dtype="Int64"),
    lambda codes: pd.Series(np.array(list("abcd"))[codes], dtype="category"),
    lambda codes: pd.Series(np.array(list("abcd"))[codes], dtype="string"),
    lambda codes: pd.Categorical(codes),
    lambda codes: pd.Series(codes, dtype="Int64").where(codes > 0),
    lambda codes: pd.Series(np.array(list("abcd"))[codes]).where(codes > 0),
    lambda codes: pd.Categorical.from_codes(np.where(codes > 0, codes, -1), range(4)),
    lambda codes: np.where(codes > 0, codes, np.nan),
    lambda codes: np.where(codes > 0, codes, np.inf),
    lambda codes: np.where(codes > 0, codes.astype("M8[D]"), np.datetime64("NaT")),
    of_objects(str),
    of_objects(Fruit),
    of_objects(lambda code: (code, "x")),
    of_objects(lambda code: frozenset([code, code + 1])),
    of_objects(lambda code: 10**30 + code),
    of_objects(lambda code: Fraction(code, 3)),
    of_objects(lambda code: Decimal(code)),
    of_objects(lambda code: [code]),
    of_objects(lambda code: code or None),
    of_objects(lambda code: code or np.nan),
    of_objects(lambda code: code or pd.NA),
    of_objects(lambda code: str(code) if code else 0),
    of_objects(lambda code: str(code) if code else Decimal("sNaN")),
    lambda codes: np.arange(len(codes)),
    lambda codes: np.zeros_like(codes),
    lambda codes: np.eye(4)[codes],
    lambda codes: (np.eye(4)[codes] + np.eye(4)[codes[::-1]] > 0).tolist(),
    lambda codes: csr_matrix(np.eye(4)[codes, 1:]),
    lambda codes: pd.DataFrame(np.eye(4)[codes, :2]),
    lambda codes: np.eye(4)[codes] - 1,
    lambda codes: None,
    lambda codes: "labels",
    lambda codes: 1,
]


@st.composite
def labels(draw, n):
    """Class labels of some type, mostly of two to four classes."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    codes = rng.integers(0, draw(st.integers(2, 4)), n)
    if draw(st.booleans()):
        return codes
    names = NAMES[draw(st.integers(0, len(NAMES) - 1))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return names(codes)


def length_of(X):
    return X.shape[0] if hasattr(X, "shape") else len(X)


# Parameters

ODD = [
    None,
    "auto",
    "1",
    b"1",
    True,
    np.True_,
    0,
    1,
    -1,
    0.5,
    1.0,
    np.nan,
    np.inf,
    5e-324,
    1e-300,
    1e300,
    np.float16(0.3),
    np.float32(0.3),
    np.longdouble(0.3),
    np.float64(0.3),
    np.int8(3),
    np.uint8(3),
    np.int16(3),
    np.uint64(3),
    np.array(0.5),
    np.array([0.5]),
    0.5 + 0j,
    2**53 + 1,
    2**70,
    -(2**70),
    10**400,
    Fraction(1, 3),
    Decimal("0.5"),
    [],
    {},
    "x" * 5000,
]
# Numbers of steps that would take as long as they say.
FEW = [v for v in ODD if not (isinstance(v, int) and abs(v) > 2**31)]
MARGINS = [0.1, 1.0, 1e-9, 100.0]
COMMON = {
    "n_components": [1, 2, np.int64(2)],
    "metric": ["sqeuclidean", "euclidean", "cosine"],
    "loss": ["hinge", "squared_hinge", "softplus"],
    "margin": MARGINS,
    "positives": ["all", "nearest", "hard", "random"],
    "negatives": ["all", "nearest", "semihard", "hard", "random", "distance_weighted"],
    "n_neighbors": [1, 3, 1000],
    "n_impostors": [1, 3, 1000],
    "init": ["identity", "pca", "lda", "random", np.ones((1, 3)), np.eye(4)],
    "alpha": [0, 0.1, 1e6],
    "target": ["auto", "classes", "continuous", "continuous"],
    "unlabeled": [-1, 0, np.float32(0), "a", np.nan],
    "class_weight": ["balanced", {}, {0: 2, 1: 1e-3}, {0: 1e-300, 1: 1e300}, {0: -1}],
    "solver": ["lbfgs", "adam", "sgd"],
    "n_subsamples": [1, 2, np.int32(2)],
    "batch_size": [4, 10, 1000],
    "learning_rate_init": [0.01, 1.0, 1e100],
    "momentum": [0, 0.5],
    "beta_1": [0, 0.5],
    "beta_2": [0, 0.5],
    "epsilon": [1e-8, 1.0],
    "max_iter": [1, 2, np.int64(3)],
    "tol": ["auto", 0, 1.0],
    "n_iter_no_change": [1, 3],
    "early_stopping": [True, np.False_],
    "validation_fraction": [0.3, 0.9],
    "scoring": [metrics.retrieval_scorer("map_at_r")],
    "warm_start": [True, False],
    "verbose": [0],
    "random_state": [0, np.int64(1), np.random.RandomState(0)],
}
OF_TRIPLETS = {
    "loss": [*COMMON["loss"], "softmax", "softmax"],
    "temperature": [0.1, 1e-9, 1e-3, 1e3, 1e300],
}
OF_PAIRS = {"pos_margin": [0, 0.05, "auto"], "negative_weight": [1.0, 1e-6, 1e6]}
STEPS = ("max_iter", "n_subsamples")
LEARNERS = [TripletMetricLearner, ContrastiveMetricLearner]


def value_of(draw, known, odd=ODD, one_in=12):
    """One of the known values, or now and then an odd one."""
    values = odd if draw(st.integers(1, one_in)) == one_in else known
    return deepcopy(values[draw(st.integers(0, len(values) - 1))])


@st.composite
def learners(draw, *kinds):
    """A learner with a few parameters set, mostly as they should be."""
    Learner = draw(
        st.sampled_from(kinds or [TripletMetricLearner, ContrastiveMetricLearner])
    )
    known = COMMON | (OF_PAIRS if Learner is ContrastiveMetricLearner else OF_TRIPLETS)
    learner = Learner(max_iter=3, n_subsamples=1, batch_size=8, random_state=0)
    for name in draw(st.lists(st.sampled_from(sorted(known)), max_size=4, unique=True)):
        odd = FEW if name in STEPS else ODD
        learner.set_params(**{name: value_of(draw, known[name], odd, one_in=6)})
    return learner


def mapped(learner, X):
    """Check what a fitted learner says of rows."""
    holds(learner.transform, X, owner=learner)
    holds(learner.pair_distances, X, X, owner=learner)
    holds(learner.pair_contributions, X, X, owner=learner)
    holds(learner.mean_contributions, X, owner=learner)
    holds(lambda: learner.get_mahalanobis_matrix(), owner=learner)


@budget
@given(st.data())
def test_learning_from_labels(data):
    learner, last = data.draw(learners()), None
    for _ in range(data.draw(st.integers(1, 3))):
        X = data.draw(tables())
        y = data.draw(labels(length_of(X)))
        method = data.draw(st.sampled_from(["fit", "partial_fit"]))
        if not isinstance(learner.solver, str) or hasattr(learner, method):
            last = holds(getattr(learner, method), X, y, owner=learner)
            if last is not None:
                assert last is learner
                mapped(learner, X)
        if data.draw(st.booleans()):
            learner.set_params(**data.draw(learners(type(learner))).get_params())


TUPLE_FORMS = [
    *[np.asarray] * 6,
    lambda t: t.tolist(),
    lambda t: t.astype(np.int8),
    lambda t: t.astype(np.uint64),
    lambda t: t.astype(float),
    lambda t: t - 1,
    lambda t: t + 2,
    lambda t: t[:, :1],
    lambda t: t[:0],
    lambda t: t.astype(object),
    pd.DataFrame,
    lambda t: None,
]
SIMILAR_FORMS = [
    *[np.asarray] * 6,
    lambda s: s.tolist(),
    lambda s: s.astype(int),
    lambda s: s.astype(np.uint8),
    lambda s: s.astype(float),
    lambda s: s.astype(object),
    lambda s: 2 * s.astype(int) - 1,
    lambda s: np.where(s, 1.0, np.nan),
    lambda s: s.astype(str),
    lambda s: pd.Series(s),
    lambda s: pd.Series(s, dtype="boolean"),
    lambda s: pd.Series(s, dtype="boolean").where(s),
    lambda s: s[:-1],
    lambda s: s[:, None],
    lambda s: np.ones_like(s),
    lambda s: None,
]
WEIGHTS = [
    *[lambda m, rng: None] * 10,
    lambda m, rng: rng.uniform(0, 2, m),
    lambda m, rng: rng.integers(0, 2, m),
    lambda m, rng: 1e300 * rng.uniform(0, 2, m),
    # Division by less, numpy 1.25 takes for an overflow in lanes that it does not use.
    lambda m, rng: 1e-307 * rng.uniform(0, 2, m),
    lambda m, rng: np.where(np.arange(m) == 0, 1e300, 1e-300),
    lambda m, rng: -np.ones(m),
    lambda m, rng: np.zeros(m),
    lambda m, rng: np.full(m, np.nan),
    lambda m, rng: ["1"] * m,
    lambda m, rng: np.ones(m + 1),
    lambda m, rng: 2.0,
]


def different_rows(rng, n, width):
    """Tuples of different rows, where there are as many."""
    m = int(rng.integers(1, 30))
    return np.array([rng.permutation(max(n, width))[:width] for _ in range(m)])


@budget
@given(st.data())
def test_learning_from_constraints(data):
    kind = data.draw(st.sampled_from(["triplets", "pairs"]))
    Learner = TripletMetricLearner if kind == "triplets" else ContrastiveMetricLearner
    learner = data.draw(learners(Learner))
    for _ in range(data.draw(st.integers(1, 2))):
        X = data.draw(tables())
        rng = np.random.default_rng(data.draw(st.integers(0, 99)))
        tuples = different_rows(rng, length_of(X), 3 if kind == "triplets" else 2)
        similar, m = rng.random(len(tuples)) < 0.5, len(tuples)
        constraints = [data.draw(st.sampled_from(TUPLE_FORMS))(tuples)]
        if kind == "pairs":
            constraints.append(data.draw(st.sampled_from(SIMILAR_FORMS))(similar))
        weights = data.draw(st.sampled_from(WEIGHTS))(m, rng)
        method = data.draw(st.sampled_from([f"fit_{kind}", f"partial_fit_{kind}"]))
        if not isinstance(learner.solver, str) or hasattr(learner, method):
            call = getattr(learner, method)
            if holds(call, X, *constraints, weights, owner=learner) is not None:
                mapped(learner, X)
        if hasattr(learner, "components_"):
            triplets = data.draw(st.sampled_from(TUPLE_FORMS))(
                different_rows(rng, length_of(X), 3)
            )
            score = holds(learner.score_triplets, X, triplets, owner=learner)
            assert score is None or 0 <= score <= 1


@budget
@given(st.data())
def test_learning_from_matches(data):
    Learner = data.draw(st.sampled_from([TripletMetricLearner, ContrastiveMetricLearner]))
    learner = data.draw(learners(Learner))
    for _ in range(data.draw(st.integers(1, 2))):
        queries = data.draw(tables())
        documents = data.draw(st.sampled_from([None, queries]) | tables())
        rng = np.random.default_rng(data.draw(st.integers(0, 99)))
        n_documents = length_of(queries if documents is None else documents)
        m = data.draw(st.integers(1, 9))
        matches = np.column_stack(
            [rng.integers(n, size=m) for n in (length_of(queries), n_documents)]
        )
        given = data.draw(st.sampled_from(TUPLE_FORMS))(matches)
        weights = data.draw(st.sampled_from(WEIGHTS))(m, rng)
        side = value_of(data.draw, ["both", "queries"])
        method = data.draw(st.sampled_from(["fit_matches", "partial_fit_matches"]))
        if not isinstance(learner.solver, str) or hasattr(learner, method):
            call = getattr(learner, method)
            tables_given = queries, documents
            if holds(call, *tables_given, given, weights, side, owner=learner) is not None:
                mapped(learner, queries)
        if hasattr(learner, "components_"):
            score = holds(learner.score_matches, queries, documents, matches, owner=learner)
            assert score is None or 0 <= score <= 1


@budget
@given(st.data())
def test_losses(data):
    n, d = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 4))
    is_triplet = data.draw(st.booleans())
    # Mostly of one shape.
    arrays = [data.draw(tables(n=n, d=d)) for _ in range(3 if is_triplet else 2)]
    options = {
        "margin": value_of(data.draw, MARGINS),
        "metric": value_of(data.draw, COMMON["metric"]),
        "loss": value_of(data.draw, COMMON["loss"]),
        "normalize": value_of(data.draw, [True, False]),
        "return_gradient": value_of(data.draw, [True, False]),
    }
    if is_triplet:
        holds(lambda *rows: triplet_loss(*rows, **options), *arrays)
        return
    similar = data.draw(st.sampled_from(SIMILAR_FORMS))(np.arange(n) % 2 == 0)
    options["pos_margin"] = value_of(data.draw, OF_PAIRS["pos_margin"])
    holds(lambda *rows: contrastive_loss(*rows, **options), *arrays, similar)


@budget
@given(st.data())
def test_mining(data):
    E = data.draw(tables())
    y = data.draw(labels(length_of(E)))
    is_triplet = data.draw(st.booleans())
    names = ("positives", "negatives", "n_neighbors", "n_impostors", "metric")
    names += ("random_state", "unlabeled")
    options = {
        name: value_of(data.draw, COMMON[name])
        for name in names
        if data.draw(st.booleans())
    }
    options["max_triplets" if is_triplet else "max_pairs"] = value_of(
        data.draw, [None, 1, 5, np.int64(1000)]
    )
    mine = mine_triplets if is_triplet else mine_pairs
    holds(lambda E, y: mine(E, y, **options), E, y)


SCORES = ["precision_at_1", "recall_at_2", "ndcg_at_3", "r_precision", "map_at_r"]
SCORES += ["map", "mrr", "success_at_2"]
FUNCTIONS = {
    "precision_at_k": metrics.precision_at_k,
    "success_at_k": metrics.success_at_k,
    "recall_at_k": metrics.recall_at_k,
    "ndcg_at_k": metrics.ndcg_at_k,
    "r_precision": metrics.r_precision,
    "map_at_r": metrics.mean_average_precision_at_r,
    "map": metrics.mean_average_precision,
    "mrr": metrics.mean_reciprocal_rank,
}


@budget
@given(st.data())
def test_retrieval(data):
    d = data.draw(st.integers(1, 5))
    E = data.draw(tables(d=d))
    values = [E, data.draw(labels(length_of(E))), None, None]
    if data.draw(st.booleans()):
        index = data.draw(tables(d=d))
        values[2:] = index, data.draw(labels(length_of(index)))
    relevant = grades = None
    if data.draw(st.booleans()):  # Listed in place of labels, mostly.
        rng = np.random.default_rng(data.draw(st.integers(0, 99)))
        n_index = length_of(E if values[2] is None else values[2])
        m = data.draw(st.integers(0, 8))
        columns = [rng.integers(0, max(n, 1), m) for n in (length_of(E), n_index)]
        relevant = data.draw(st.sampled_from(TUPLE_FORMS))(np.column_stack(columns))
        grades = value_of(data.draw, [None, rng.integers(-1, 9, m), np.ones(m)])
        values[1] = value_of(data.draw, [None, values[1]])
        values[3] = value_of(data.draw, [None, values[3]])
    metric = value_of(data.draw, [*COMMON["metric"], "manhattan"])
    unlabeled = value_of(data.draw, [None] * 4 + COMMON["unlabeled"])
    word = data.draw(st.sampled_from([*FUNCTIONS, "report", "scorer"]))
    k = [value_of(data.draw, [1, 3, np.int64(2)])] if word.endswith("_k") else []
    scores = data.draw(st.lists(st.sampled_from(SCORES), min_size=1, max_size=3))
    scores = value_of(data.draw, [scores, *SCORES])

    def scored(E, y, index, index_labels):
        options = {"index": index, "index_labels": index_labels}
        options |= {"relevant": relevant, "grades": grades}
        if word == "scorer":
            scorer = metrics.retrieval_scorer(scores, metric=metric, unlabeled=unlabeled)
            return scorer.score_embedding(E, y, **options)
        options["unlabeled"] = unlabeled
        if word == "report":
            return metrics.retrieval_report(E, y, scores=scores, metric=metric, **options)
        return FUNCTIONS[word](E, y, *k, metric=metric, **options)

    numbers = numbers_in(holds(scored, *values) or 0)
    assert all(0 <= number <= 1 + 1e-12 for number in numbers)


DISTANCES = [
    *[lambda d: d] * 10,
    lambda d: d.tolist(),
    lambda d: d.astype(np.float32),
    lambda d: np.round(d),
    lambda d: 1e300 * d,
    lambda d: -1e307 * d,
    lambda d: 1e-320 * d,
    lambda d: d[:, None],
    lambda d: np.where(d > 1, np.nan, d),
    lambda d: np.where(d > 1, np.inf, d),
    lambda d: d.astype(str),
    lambda d: d.astype(complex),
    lambda d: pd.Series(d),
    lambda d: d[:0],
]
CRITERIA = ["accuracy", "f1", "eer", "tpr_at_fpr", "tnr_at_tpr"]


@budget
@given(st.data())
def test_verification(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    n = data.draw(st.integers(2, 20))
    distances = data.draw(st.sampled_from(DISTANCES))(rng.gamma(2.0, size=n))
    similar = data.draw(st.sampled_from(SIMILAR_FORMS))(np.arange(n) % 2 == 0)
    criterion = value_of(data.draw, CRITERIA)
    rate = value_of(data.draw, [None, 0.0, 0.1, 0.5, 1.0])
    calls = [
        lambda d, s: metrics.verification_curve(d, s)[1:],
        metrics.equal_error_rate,
        lambda d, s: metrics.tar_at_far(d, s, rate),
        lambda d, s: metrics.verification_threshold(d, s, criterion, rate),
    ]
    holds(data.draw(st.sampled_from(calls)), distances, similar)


ROWS = np.random.default_rng(0).standard_normal((40, 3))
CODES = np.arange(40) % 3
MODELS = [
    TripletMetricLearner().fit(ROWS, CODES),
    ContrastiveMetricLearner(metric="cosine", n_subsamples=1).fit(ROWS, CODES),
    StandardScaler().fit(ROWS),
    StandardScaler(with_mean=False).fit(ROWS),
    FrozenEstimator(StandardScaler().fit(ROWS)),
]


@budget
@given(st.data())
def test_verifier(data):
    X = data.draw(tables(d=3))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    pairs, options = different_rows(rng, length_of(X), 2), (X,)
    if data.draw(st.booleans()):
        pairs = data.draw(st.sampled_from(TUPLE_FORMS))(pairs)
    else:
        pairs, options = (X, data.draw(tables(n=length_of(X), d=3))), ()
    m = length_of(pairs[0]) if isinstance(pairs, tuple) else np.size(pairs) // 2
    similar = data.draw(st.sampled_from(SIMILAR_FORMS))(np.arange(m) % 2 == 0)
    verifier = metrics.PairVerifier(
        value_of(data.draw, MODELS),
        criterion=value_of(data.draw, CRITERIA),
        rate=value_of(data.draw, [None, 0.1, 1.0]),
    )
    if holds(verifier.fit, pairs, similar, *options, owner=verifier) is not None:
        holds(verifier.decision_function, pairs, *options, owner=verifier)
        holds(verifier.predict, pairs, *options, owner=verifier)
        holds(verifier.predict_proba, pairs, *options, owner=verifier)
        holds(verifier.score, pairs, similar, *options, owner=verifier)
        holds(verifier.find_duplicates, X, owner=verifier)
        holds(verifier.find_duplicates, X, data.draw(tables(d=3)), owner=verifier)
        holds(verifier.group_duplicates, X, owner=verifier)


@budget
@given(st.data())
def test_pairs_within_a_radius(data):
    d = data.draw(st.integers(1, 5))
    E, index = data.draw(tables(d=d)), data.draw(st.none() | tables(d=d))
    radius = value_of(data.draw, [0, 0.5, np.float32(2), 1e300])
    holds(lambda E, index: metrics.pairs_within(E, radius, index=index), E, index)


@budget
@given(st.data())
def test_tuple_learner(data):
    X = data.draw(tables(d=3))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    kind = data.draw(st.sampled_from(["pairs", "triplets", "matches"]))
    tuples = different_rows(rng, length_of(X), 3 if kind == "triplets" else 2)
    similar = data.draw(st.sampled_from(SIMILAR_FORMS))(np.arange(len(tuples)) % 2 == 0)
    tuples = data.draw(st.sampled_from(TUPLE_FORMS))(tuples)
    learners = [ContrastiveMetricLearner(n_subsamples=1), TripletMetricLearner()]
    learner = TupleLearner(
        value_of(data.draw, learners if kind == "pairs" else learners[::-1]),
        X,
        value_of(data.draw, [None, X]),
        kind=value_of(data.draw, [kind]),
        side=value_of(data.draw, ["both", "queries"]),
    )
    if holds(learner.fit, tuples, similar, owner=learner) is not None:
        holds(learner.score, tuples, similar, owner=learner)


@budget
@given(st.data())
def test_splits(data):
    n = data.draw(st.integers(1, 40))
    splitter = ClassDisjointShuffleSplit(
        value_of(data.draw, [1, 3]),
        test_size=value_of(data.draw, [0.5, 0.1, 1e-9]),
        unlabeled=value_of(data.draw, [None] * 4 + COMMON["unlabeled"]),
        random_state=value_of(data.draw, COMMON["random_state"]),
    )
    y = data.draw(labels(n))

    def split(y):
        return [part for parts in islice(splitter.split(y, y), 2) for part in parts]

    parts = holds(split, y, owner=splitter)
    assert parts is None or all(len(part) for part in parts)


@budget
@given(st.data())
def test_splits_of_matches(data):
    m = data.draw(st.integers(1, 20))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    matches = rng.integers(0, data.draw(st.integers(1, 30)), (m, 2))
    splitter = MatchShuffleSplit(
        value_of(data.draw, [1, 3]),
        unseen=value_of(data.draw, ["queries", "documents", "rows"]),
        test_size=value_of(data.draw, [0.5, 0.1, 1e-9]),
        random_state=value_of(data.draw, COMMON["random_state"]),
    )

    def split(X):
        return [part for parts in islice(splitter.split(X), 2) for part in parts]

    given_matches = data.draw(st.sampled_from(TUPLE_FORMS))(matches)
    parts = holds(split, given_matches, owner=splitter)
    assert parts is None or all(len(part) for part in parts)


# The property can fail.


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda X: X * np.nan, "not finite"),
        (lambda X: (X / 0)[:0], "divide by zero"),
        (lambda X: np.copyto(X, 3.0) or X, "written to"),
        (lambda X: int("three"), "invalid literal"),
        (lambda X: "a word", "no result"),
    ],
)
def test_what_does_not_hold_is_found(call, match):
    with pytest.raises(AssertionError, match=match):
        holds(call, np.ones((2, 2)))


def test_a_state_that_changes_is_found():
    def fit():
        learner.n_iter_ = 3
        raise ValueError("Got nothing, but expected something.")

    learner = TripletMetricLearner()
    with pytest.raises(AssertionError, match="changed"):
        holds(fit, owner=learner)
