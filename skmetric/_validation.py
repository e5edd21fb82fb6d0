"""Every sentence a user can be scolded with: what was got, what was expected."""

import difflib
import math
import reprlib
from itertools import combinations
from numbers import Integral, Real

import numpy as np
from sklearn.utils import (
    check_array,
    check_consistent_length,
    check_random_state,
    column_or_1d,
)

_COUNT = {"kind": Integral, "at_least": 1}
_SHARE = {"at_least": 0, "below": 1}
NUMBERS = {
    "margin": {"above": 0},
    "pos_margin": {"at_least": 0},
    "negative_weight": {"above": 0},
    "n_neighbors": _COUNT,
    "n_impostors": _COUNT,
    "alpha": {"at_least": 0},
    "learning_rate_init": {"above": 0},
    "momentum": _SHARE,
    "beta_1": _SHARE,
    "beta_2": _SHARE,
    "epsilon": {"above": 0},
    "tol": {"at_least": 0},
    "n_iter_no_change": _COUNT,
    "validation_fraction": {"above": 0, "below": 1},
}
# A map of more entries than this (4 GiB in float64) is hardly what anyone means.
MAX_MAP_SIZE = 2**29


class _ShortRepr(reprlib.Repr):
    def repr_int(self, value, level):
        # Python refuses to write out integers of thousands of digits.
        many = value.bit_length() > 10_000
        return "a huge integer" if many else super().repr_int(value, level)


_SHORT_REPR = _ShortRepr()
_SHORT_REPR.maxstring = _SHORT_REPR.maxother = _SHORT_REPR.maxlong = 80
# ``repr(value)`` for messages, shortened if it is long.
short = _SHORT_REPR.repr


def check_word(name, value, known):
    """Return `value` if it is one of the `known` words, else name the right ones."""
    if isinstance(value, str) and value in known:
        return value
    words = sorted(known)
    raise ValueError(
        f"Got {name}={short(value)}, but expected one of {words}.{_guess(value, words)}"
    )


def _guess(value, words):
    if not isinstance(value, str):
        return ""
    plain = {word.replace("_", ""): word for word in words}
    typed = value.lower().replace("@", "at")
    typed = typed.replace("-", "").replace("_", "").replace(" ", "")
    near = difflib.get_close_matches(typed, plain, n=1)
    return f" Did you mean {plain[near[0]]!r}?" if near else ""


def check_number(
    name,
    value,
    *,
    kind=Real,
    above=None,
    at_least=None,
    below=None,
    at_most=None,
    word=None,
):
    """Return `value` if it is a finite number within the bounds, or that word."""
    if word is not None and isinstance(value, str) and value == word:
        return value
    bounds = [
        (above, "> ", lambda b: value > b),
        (at_least, ">= ", lambda b: value >= b),
        (below, "< ", lambda b: value < b),
        (at_most, "<= ", lambda b: value <= b),
    ]
    is_number = isinstance(value, kind) and not isinstance(value, (bool, np.bool_))
    if (
        is_number
        and _is_finite(value)
        and all(holds(bound) for bound, _, holds in bounds if bound is not None)
    ):
        return value
    noun = "an integer" if kind is Integral else "a finite number"
    limits = " and ".join(f"{sign}{b}" for b, sign, _ in bounds if b is not None)
    error = ValueError if is_number else TypeError
    expected = f"{noun} {limits}".rstrip() + (f", or {word!r}" if word else "")
    raise error(f"Got {name}={short(value)}, but expected {expected}.")


def _is_finite(value):
    try:
        return math.isfinite(value)
    except OverflowError:  # An integer that no float can hold.
        return False


def check_flag(name, value):
    """Return `value` if it is a boolean."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise TypeError(f"Got {name}={short(value)}, but expected True or False.")


def random_state_of(value):
    """The RandomState that a `random_state` stands for."""
    try:
        return check_random_state(value)
    except ValueError:
        raise ValueError(
            f"Got random_state={short(value)}, but expected None, an integer >= 0 or a "
            "numpy RandomState. In place of a Generator give a number drawn from it: "
            "random_state=int(generator.integers(2**31))."
        ) from None


def check_parameters(estimator, words):
    """Refuse constructor parameters out of range.

    Those that depend on the data (`n_components`, `init`) or on each other (`positives`,
    `negatives`) are refused where they are used, before anything is learnt.

    Parameters
    ----------
    estimator : BaseMetricLearner
    words : dict
        Known words by name of the parameter.
    """
    for name, known in words.items():
        check_word(name, getattr(estimator, name), known)
    of_pairs = hasattr(estimator, "pos_margin")
    for name, bounds in NUMBERS.items():
        if hasattr(estimator, name):
            word = "auto" if of_pairs and name.endswith("margin") else None
            check_number(name, getattr(estimator, name), word=word, **bounds)
    for name in ("early_stopping", "warm_start"):
        check_flag(name, getattr(estimator, name))
    if not (estimator.scoring is None or callable(estimator.scoring)):
        raise TypeError(
            f"Got scoring={short(estimator.scoring)}, but expected None or a callable "
            "scoring(learner, X, y), for example "
            "skmetric.metrics.retrieval_scorer('map_at_r')."
        )
    if not isinstance(estimator.verbose, bool):
        check_number("verbose", estimator.verbose, kind=Integral, at_least=0)
    for name, least in {"batch_size": 4, "max_iter": 1, "n_subsamples": 1}.items():
        if getattr(estimator, name) is not None:
            check_number(name, getattr(estimator, name), kind=Integral, at_least=least)
    if of_pairs and "auto" not in (estimator.margin, estimator.pos_margin):
        check_margins(estimator.margin, estimator.pos_margin)


def check_margins(margin, pos_margin, source=""):
    """Refuse a margin that similar rows would be left beyond, and say where it is from."""
    if pos_margin >= margin:
        raise ValueError(
            f"Got pos_margin={pos_margin} and margin={margin}{source}, but expected "
            "pos_margin < margin: similar rows shall be nearer than dissimilar."
        )


def check_aligned(**arrays):
    """Float arrays of one common shape, float32 only if all of them are."""
    checked = [
        check_array(array, dtype=[np.float64, np.float32], input_name=name)
        for name, array in arrays.items()
    ]
    shapes = {name: X.shape for name, X in zip(arrays, checked, strict=True)}
    if len(set(shapes.values())) > 1:
        raise ValueError(
            f"Got arrays of shapes {shapes}, but expected row i of each to belong "
            "together: give arrays of one shape."
        )
    dtype = np.result_type(*checked)
    return [X.astype(dtype, copy=False) for X in checked]


def as_array(name, values, expected):
    """An array or nested lists as an array, and nothing else as one."""
    try:
        array = np.asarray(values)
    except ValueError:  # Lists of unequal lengths.
        array = np.empty(())
    if array.ndim == 0:
        raise ValueError(f"Got {name}={short(values)}, but expected {expected}.")
    return array


def check_similar(similar, n_pairs):
    """Booleans, one a pair; 1 and 0 are taken as True and False, nothing else."""
    similar = as_array("similar", similar, "one boolean a pair")
    if similar.ndim != 1:
        raise ValueError(
            f"Got similar of shape {similar.shape}, but expected one boolean a pair."
        )
    if len(similar) != n_pairs:
        raise ValueError(
            f"Got {len(similar)} values in similar, but expected one for each of the "
            f"{n_pairs} pairs."
        )
    if similar.dtype != bool:
        strange = [v for v in similar.tolist() if v not in (0, 1)]
        if strange:
            raise ValueError(
                f"Got similar with the values {short(strange)}, but expected booleans: "
                "True for pairs that belong together and False for pairs that do not."
            )
    return similar.astype(bool)


def check_indices(name, indices, n_rows):
    """Refuse an array of anything but row indices in range.

    Parameters
    ----------
    name : str
    indices : ndarray
        Of any shape.
    n_rows : int
    """
    if indices.size == 0:
        raise ValueError(f"Got no {name}, but expected at least one.")
    if indices.dtype.kind not in "iu":
        raise TypeError(
            f"Got {name} of dtype {indices.dtype}, but expected integers: row indices "
            f"into X.{_how_to_index(name, indices)}"
        )
    low, high = indices.min(), indices.max()
    if low < 0 or high >= n_rows:
        raise ValueError(
            f"Got {name} with row indices from {low} to {high}, but expected them from 0 "
            f"to {n_rows - 1}: X has {n_rows} rows."
        )


def _how_to_index(name, values):
    """How values of another dtype become row indices, if there is a way."""
    kind = values.dtype.kind
    if kind == "b" and values.ndim == 1:
        return f" Of a mask, give np.flatnonzero({name})."
    if kind == "f":
        are_whole = (np.isfinite(values) & (values == np.floor(values))).all()
    else:
        are_whole = kind == "O" and all(isinstance(v, Integral) for v in values.flat)
    if are_whole:
        return f" Convert them, for example with np.asarray({name}, dtype=int)."
    if kind in "OUST":
        return (
            " Look ids up among those of the rows of X, for example with "
            "pandas.Index(ids).get_indexer."
        )
    return ""


def check_index_tuples(name, tuples, width, n_rows, meaning):
    """Row indices in range, some to a tuple.

    Parameters
    ----------
    name : {"triplets", "pairs"}
    tuples : array-like of int of shape (m, width), tuple of arrays or MultiIndex
    width, n_rows : int
    meaning : str
        What is expected, for the message about a shape.

    Returns
    -------
    tuples : ndarray of int of shape (m, width)
        Of the dtype that was given, not a copy if it was an array.
    """
    shape = f"(n_{name}, {width})"
    tuples = as_array(
        name, _joined(name, tuples, width), f"an array of shape {shape}: row indices into X"
    )
    if tuples.size and (tuples.ndim != 2 or tuples.shape[1] != width):
        lies = tuples.ndim == 2 and len(tuples) == width
        remedy = f" Transpose it: np.transpose({name})." if lies else ""
        raise ValueError(
            f"Got {name} of shape {tuples.shape}, but expected {shape}: {meaning}.{remedy}"
        )
    check_indices(name, tuples, n_rows)
    return tuples


def _joined(name, tuples, width):
    """One array of the columns that a MultiIndex or a tuple of arrays consists of."""
    if getattr(tuples, "nlevels", 1) > 1:
        columns = [tuples.get_level_values(i) for i in range(tuples.nlevels)]
        return np.column_stack(columns)
    are_columns = (
        isinstance(tuples, tuple)
        and len(tuples) == width
        and all(getattr(column, "ndim", None) == 1 for column in tuples)
        and len({len(column) for column in tuples}) == 1
    )
    if not are_columns:
        return tuples
    if len(tuples[0]) == width:
        raise ValueError(
            f"Got {name} as a tuple of {width} arrays of length {width}, but expected no "
            f"doubt whether these are rows or columns: give np.stack({name}) for rows, "
            f"np.column_stack({name}) for columns."
        )
    return np.column_stack(tuples)


def check_tuples(name, tuples, width, n_rows):
    """Triplets or pairs: row indices in range, all different within a tuple.

    As :func:`check_index_tuples`, which says what the parameters are.
    """
    meaning = "row indices into X, not the rows themselves"
    tuples = check_index_tuples(name, tuples, width, n_rows, meaning)
    same = np.zeros(len(tuples), dtype=bool)
    for i, j in combinations(range(width), 2):
        same |= tuples[:, i] == tuples[:, j]
    if same.any():
        first = same.argmax()
        raise ValueError(
            f"Got {np.count_nonzero(same)} {name} that name a row twice, the first at "
            f"{first}: {tuples[first].tolist()}, but expected {width} different rows in "
            "each. Drop them."
        )
    return tuples


def check_constraint_weights(sample_weight, name, n_tuples):
    """Finite weights that are not negative, of which some are positive, or None."""
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight)
    if weights.shape != (n_tuples,):
        raise ValueError(
            f"Got sample_weight of shape {weights.shape}, but expected ({n_tuples},): "
            f"one weight for each of the {name}."
        )
    weights = check_array(
        weights, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if weights.min() < 0 or weights.max() == 0:
        raise ValueError(
            f"Got sample_weight from {weights.min()} to {weights.max()}, but expected "
            "weights >= 0 of which some are > 0. To turn a constraint round, swap its "
            "rows or its kind."
        )
    return weights


def check_both_kinds(similar):
    """Refuse pairs of one kind, for which a trivial map is best."""
    if similar.all():
        raise ValueError(
            "Got similar pairs only, but expected dissimilar ones, too: without them "
            "there is nothing to push apart, and a map to a single point is best. Pairs "
            "of rows at random commonly do."
        )
    if not similar.any():
        raise ValueError(
            "Got dissimilar pairs only, but expected similar ones, too: without them "
            "there is nothing to pull together, and the largest map is best."
        )


def count_contradictions(pairs, similar, n_rows):
    """How many pairs, in either order, are both similar and dissimilar."""
    low, high = pairs.min(axis=1).astype(np.int64), pairs.max(axis=1)
    keys = low * n_rows + high.astype(np.int64, copy=False)
    return len(np.intersect1d(keys[similar], keys[~similar]))


def encode_labels(y):
    """Labels of any type as integers 0 … n_classes - 1.

    Raises
    ------
    ValueError
        For missing labels, labels that cannot be told apart or ordered, and targets of
        a regression.
    """
    if y is None:
        raise ValueError("Got y=None, but expected class labels, one for each row.")
    y = column_or_1d(y, warn=True)
    if y.dtype.kind == "f":
        if not np.isfinite(y).all():
            raise ValueError("Input y contains NaN or infinity, but labels are needed.")
        if (y != np.floor(y)).any():
            raise ValueError(
                "Unknown label type: continuous. Got y with fractional values, such as "
                f"{y[y != np.floor(y)][0]}, but expected class labels. For a "
                "regression target, bin it first, for example with KBinsDiscretizer."
            )
    elif y.dtype.kind == "c":
        raise ValueError("Complex data not supported: got complex labels y.")
    elif y.dtype.kind == "O" and any(v is None or v != v for v in y):
        raise ValueError("Input y contains NaN or None, but labels are needed.")
    try:
        return np.unique(y, return_inverse=True)[1].reshape(-1)
    except TypeError as error:
        kinds = sorted({type(v).__name__ for v in y})
        raise ValueError(
            f"Unknown label type: got y with labels of types {kinds}, but expected "
            "labels of one type. Convert them first, for example with y.astype(str)."
        ) from error


def check_classes(y):
    """Refuse labels from which nothing can be learnt.

    Parameters
    ----------
    y : ndarray of int of shape (n,)
        From :func:`encode_labels`.
    """
    sizes = np.bincount(y)
    if np.count_nonzero(sizes) < 2:
        raise ValueError(
            f"Got labels of {np.count_nonzero(sizes)} class, but expected at least 2 "
            "classes: without a row of another class there is nothing to push away. "
            "When training on chunks, shuffle the rows first."
        )
    if sizes.max() < 2:
        raise ValueError(
            f"Got {len(sizes)} classes of one row each, but expected at least one class "
            "with 2 rows: without a second row there is nothing to pull together."
        )


def check_map_size(n_components, n_features):
    """Refuse a map that no machine should be asked to hold."""
    if n_components * n_features > MAX_MAP_SIZE:
        raise ValueError(
            f"Got n_components={n_components} for {n_features} features, a map of "
            f"{n_components * n_features * 8 / 2**30:.0f} GiB. Set n_components, for "
            "example n_components=128."
        )


def check_embedding(E, y):
    """An embedding and its labels, for the functions that take arrays directly."""
    E = check_array(E, dtype=[np.float64, np.float32], input_name="E")
    y = encode_labels(y)
    check_consistent_length(E, y)
    check_classes(y)
    return E, y
