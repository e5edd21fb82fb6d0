"""Input validation and its messages: what was got, what was expected."""

import difflib
import inspect
import math
import reprlib
import sys
from collections.abc import Mapping
from copy import copy
from itertools import combinations, pairwise
from numbers import Integral, Number, Real
from warnings import warn

import numpy as np
from scipy.sparse import csr_array, issparse
from sklearn.utils import (
    check_array,
    check_random_state,
    column_or_1d,
    gen_batches,
)
from sklearn.utils.class_weight import compute_class_weight

_COUNT = {"kind": Integral, "at_least": 1}
_SHARE = {"at_least": 0, "below": 1}
NUMBERS = {
    "margin": {"above": 0},
    "temperature": {"above": 0},
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
OPTIONAL_COUNTS = {"n_components": 1, "batch_size": 4, "max_iter": 1, "n_subsamples": 1}
# Parameters of the stochastic solvers.
STOCHASTIC = (
    "batch_size",
    "learning_rate_init",
    "momentum",
    "beta_1",
    "beta_2",
    "epsilon",
    "n_iter_no_change",
    "early_stopping",
    "validation_fraction",
    "scoring",
)
# What y may be said to be.
TARGETS = ("auto", "classes", "continuous")
# A map of more entries than this (4 GiB in float64) is hardly what anyone means.
MAX_MAP_SIZE = 2**29
# What is not finite is refused afterwards, in words of its own: by scikit-learn, which
# looks at a sum first, and by the solvers.
CHECKED_LATER = {"over": "ignore", "invalid": "ignore"}


class _ShortRepr(reprlib.Repr):
    def repr_int(self, value, level):
        # Python refuses to write out integers of thousands of digits.
        many = value.bit_length() > 10_000
        return "a huge integer" if many else super().repr_int(value, level)


_SHORT_REPR = _ShortRepr()
_SHORT_REPR.maxstring = _SHORT_REPR.maxother = _SHORT_REPR.maxlong = 80
# ``repr(value)`` for messages, shortened if it is long.
short = _SHORT_REPR.repr


def check_option(name, value, known):
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
    """The Python number that `value` is, if finite and within the bounds, or that word.

    Numbers of numpy's types would overflow, or make float64 of float32, further down.
    """
    if word is not None and isinstance(value, str) and value == word:
        return value
    plain = _plain_number(value, kind)
    is_number = plain is not None
    if is_number and kind is Integral and at_most is None and plain > sys.maxsize:
        at_most = sys.maxsize
    bounds = [
        (above, "> ", lambda b: plain > b),
        (at_least, ">= ", lambda b: plain >= b),
        (below, "< ", lambda b: plain < b),
        (at_most, "<= ", lambda b: plain <= b),
    ]
    if (
        is_number
        and (kind is Integral or math.isfinite(plain))
        and all(holds(bound) for bound, _, holds in bounds if bound is not None)
    ):
        return plain
    noun = "an integer" if kind is Integral else "a finite number"
    limits = " and ".join(f"{sign}{b}" for b, sign, _ in bounds if b is not None)
    error = ValueError if is_number else TypeError
    expected = f"{noun} {limits}".rstrip() + (f", or {word!r}" if word else "")
    raise error(f"Got {name}={short(value)}, but expected {expected}.")


def _plain_number(value, kind):
    """An int or float of the same value; None for what is no number of that kind."""
    kinds = (int, np.integer) if kind is Integral else (int, float, np.number)
    if not isinstance(value, kinds) or isinstance(value, (bool, np.complexfloating)):
        return None
    try:
        return int(value) if kind is Integral else float(value)
    except OverflowError:
        return math.inf


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

    Returns
    -------
    settings : BaseMetricLearner
        A shallow copy whose parameters that are numbers are Python's own.
    """
    settings = copy(estimator)
    for name, known in words.items():
        check_option(name, getattr(estimator, name), known)
    of_pairs = hasattr(estimator, "pos_margin")
    for name, bounds in NUMBERS.items():
        if hasattr(estimator, name):
            open_ended = name in ("alpha", "n_neighbors", "tol") or (
                of_pairs and name.endswith("margin")
            )
            word = "auto" if open_ended else None
            value = check_number(name, getattr(estimator, name), word=word, **bounds)
            setattr(settings, name, value)
    for name in ("early_stopping", "warm_start"):
        setattr(settings, name, check_flag(name, getattr(estimator, name)))
    if not (estimator.scoring is None or callable(estimator.scoring)):
        raise TypeError(
            f"Got scoring={short(estimator.scoring)}, but expected None or a callable "
            "scoring(learner, X, y), for example "
            "skmetric.metrics.retrieval_scorer('map_at_r')."
        )
    check_unlabeled(estimator.unlabeled)
    weights = estimator.class_weight
    if not (
        weights is None
        or isinstance(weights, Mapping)
        or (isinstance(weights, str) and weights == "balanced")
    ):
        raise ValueError(
            f"Got class_weight={short(weights)}, but expected None, 'balanced' or a dict "
            "of weights by label."
        )
    if not isinstance(estimator.verbose, bool):
        check_number("verbose", estimator.verbose, kind=Integral, at_least=0)
    for name, least in OPTIONAL_COUNTS.items():
        value = getattr(estimator, name)
        if value is not None:
            value = check_number(name, value, kind=Integral, at_least=least)
            setattr(settings, name, value)
    if of_pairs and "auto" not in (settings.margin, settings.pos_margin):
        check_margins(settings.margin, settings.pos_margin)
    return settings


def changed_parameters(estimator):
    """Names of the parameters of single solvers or losses that differ from defaults."""
    defaults = inspect.signature(type(estimator)).parameters
    names = {*STOCHASTIC, "n_subsamples", "margin", "temperature", "class_weight"}
    names = names.intersection(defaults)
    return {name for name in names if getattr(estimator, name) != defaults[name].default}


def check_margins(margin, pos_margin, source=""):
    """Refuse a margin that similar rows would be left beyond, and say where it is from."""
    if pos_margin >= margin:
        raise ValueError(
            f"Got pos_margin={pos_margin} and margin={margin}{source}, but expected "
            "pos_margin < margin: similar rows must be nearer than dissimilar ones."
        )


def float_dtype(dtype):
    """In which of two precisions rows of a dtype are worked on: half becomes single."""
    return np.float32 if dtype in (np.float16, np.float32) else np.float64


def float_dtypes(X):
    """The dtypes that ``check_array`` takes; the first is what others become.

    That is float64, but for rows of half precision.
    """
    dtypes = getattr(X, "dtypes", getattr(X, "dtype", None))
    dtypes = list(dtypes) if np.iterable(dtypes) else [dtypes]
    plain = dtypes and all(isinstance(dtype, np.dtype) for dtype in dtypes)
    if plain and np.result_type(*dtypes) == np.float16:
        return [np.float32, np.float64]
    return [np.float64, np.float32]


def check_rows(X, name, dtype=None, **options):
    """``check_array`` of floats, of those that `float_dtypes` says if there is no dtype."""
    if np.ndim(X) == 0:
        raise TypeError(f"Got {name}={short(X)}, but expected an array.")
    with np.errstate(**CHECKED_LATER):
        return check_array(X, dtype=dtype or float_dtypes(X), input_name=name, **options)


def bounds_of_squares(dtype):
    """Between which numbers a dtype holds squares, also of inverses, with all digits."""
    most = float(np.finfo(dtype).max) ** 0.5 / 1000
    return 1 / most, most


def check_apart(distance, dtype, *, what="X", where="", squared=True):
    """Refuse rows at a distance that a dtype cannot hold.

    Parameters
    ----------
    distance : float
    dtype : dtype
    what, where : str
        Whose rows they are, and under which map.
    squared : bool
        Whether the square and that of the inverse must have digits, too.

    Raises
    ------
    ValueError
        For a distance that is too large, too small or not a number.
    """
    limits = np.finfo(dtype)
    bounds = bounds_of_squares(dtype) if squared else (limits.tiny, limits.max)
    least, most = map(float, bounds)
    if not least < distance < most:
        raise ValueError(
            f"Got {what} of {limits.dtype} whose rows are {distance:.3g} apart{where}, but "
            f"expected more than {least:.0e} and less than {most:.0e}"
            f"{', as squares are taken' if squared else ''}. Bring the features to one "
            "scale, as StandardScaler does."
        )


def check_aligned(**arrays):
    """Float arrays of one common shape, float32 only if all of them are."""
    checked = [check_rows(array, name) for name, array in arrays.items()]
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
    similar = as_array("similar", _unmasked(similar), "one boolean a pair")
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
        strange = [v for v in similar.tolist() if not _is_truth_value(v)]
        if strange:
            raise ValueError(
                f"Got similar with the values {short(strange)}, but expected booleans: "
                "True for pairs that belong together and False for pairs that do not."
            )
    return similar.astype(bool)


def check_indices(name, indices, n_rows, table="X"):
    """Refuse an array of anything but row indices in range.

    Parameters
    ----------
    name : str
    indices : ndarray
        Of any shape.
    n_rows : int
    table : str, default="X"
        What they are row indices of.
    """
    if indices.size == 0:
        raise ValueError(f"Got no {name}, but expected at least one.")
    check_integers(name, indices, table)
    low, high = indices.min(), indices.max()
    if low < 0 or high >= n_rows:
        raise ValueError(
            f"Got {name} with row indices from {low} to {high}, but expected them from 0 "
            f"to {n_rows - 1}: {table} has {n_rows} rows."
        )


def check_integers(name, indices, table="X"):
    """Refuse row indices of another dtype, as :func:`check_indices` does."""
    if indices.dtype.kind not in "iu":
        raise TypeError(
            f"Got {name} of dtype {indices.dtype}, but expected integers: row indices "
            f"into {table}.{_how_to_index(name, indices, table)}"
        )


def _how_to_index(name, values, table):
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
            f" Look ids up among those of the rows of {table}, for example with "
            "pandas.Index(ids).get_indexer."
        )
    return ""


def check_index_tuples(name, tuples, width, n_rows, meaning, table="X"):
    """Row indices in range, some to a tuple.

    Parameters
    ----------
    name : {"triplets", "pairs"}
    tuples : array-like of int of shape (m, width), tuple of arrays or MultiIndex
    width, n_rows : int
    meaning : str
        What is expected, for the message about a shape.
    table : str, default="X"
        What they are row indices of.

    Returns
    -------
    tuples : ndarray of int of shape (m, width)
        Of the dtype that was given, not a copy if it was an array.
    """
    tuples = join_tuples(name, tuples, width, meaning)
    check_indices(name, tuples, n_rows, table)
    return tuples


def join_tuples(name, tuples, width, meaning):
    """An array of shape (m, width), of any dtype; see :func:`check_index_tuples`."""
    shape = f"(n_{name}, {width})"
    tuples = as_array(
        name, _joined(name, tuples, width), f"an array of shape {shape}: {meaning}"
    )
    if tuples.size == 0:
        raise ValueError(f"Got no {name}, but expected at least one.")
    if tuples.ndim != 2 or tuples.shape[1] != width:
        lies = tuples.ndim == 2 and len(tuples) == width
        remedy = f" Transpose it: np.transpose({name})." if lies else ""
        raise ValueError(
            f"Got {name} of shape {tuples.shape}, but expected {shape}: {meaning}.{remedy}"
        )
    return tuples


def check_matches(matches, n_queries, n_documents, within):
    """Matches: a row of the queries and a row of the documents, both in range.

    Parameters
    ----------
    matches : array-like of int of shape (m, 2), tuple of two arrays or MultiIndex
    n_queries, n_documents : int
    within : bool
        Whether both are one table.

    Returns
    -------
    matches : ndarray of int of shape (m, 2)
    """
    meaning = "a row of queries and a row of documents in each, not the rows themselves"
    if n_documents != 2 and getattr(matches, "shape", ()) == (n_queries, n_documents):
        raise ValueError(
            f"Got matches of shape {matches.shape}, a column for each document, but "
            f"expected (n_matches, 2): {meaning}. Of a matrix of clicks make "
            "np.column_stack(clicks.nonzero())."
        )
    matches = join_tuples("matches", matches, 2, meaning)
    tables = "queries", "queries" if within else "documents"
    for table, n_rows, indices in zip(
        tables, (n_queries, n_documents), matches.T, strict=True
    ):
        if indices.dtype.kind == "i" and indices.min(initial=0) == -1:
            raise ValueError(
                f"Got matches with the row index -1 into {table}, but expected indices "
                "from 0: pandas.Index(ids).get_indexer gives -1 for an id that is not "
                "among ids. Leave out such matches."
            )
        check_indices("matches", indices, n_rows, table)
    return matches.astype(np.intp, copy=False)


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
    try:
        weights = np.asarray(sample_weight)
    except ValueError:  # Lists of unequal lengths.
        raise ValueError(
            f"Got sample_weight={short(sample_weight)}, but expected one weight for each "
            f"of the {name}."
        ) from None
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
            "there is nothing to push apart, and a map to a single point is best. "
            "fit_matches learns from such pairs alone. It takes the rows matched with "
            "others as dissimilar ones, where pairs of rows at random would also push "
            "apart what nobody matched."
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


def _unmasked(values):
    """Values of a masked array, in which what the mask hides is None."""
    if np.ma.is_masked(values):
        return np.where(np.ma.getmaskarray(values), None, values)
    return values


def _is_truth_value(value):
    return isinstance(value, (Number, np.bool_)) and value in (0, 1)


def encode_labels(y):
    """Labels of any type as integers 0 … n_classes - 1, see :func:`distinct_labels`."""
    return distinct_labels(y)[1]


def distinct_labels(y):
    """Labels of any type, each once, and which of them a row has.

    Two labels are one class if they are equal and have the same hash.

    Parameters
    ----------
    y : array-like of shape (n,)

    Returns
    -------
    labels : ndarray of shape (n_classes,)
        Sorted if they have a total order, else as they first appear.
    codes : ndarray of int of shape (n,)

    Raises
    ------
    ValueError
        For several labels a row, missing labels, labels of several types or without a
        hash, and targets of a regression.
    """
    y = one_label_a_row(y)
    if y.dtype.kind in "OT":
        return _distinct_objects(y.astype(object))
    if y.dtype.kind in "fmM" and np.isnan(y).any():
        raise _missing_labels()
    if y.dtype.kind == "f":
        if np.isinf(y).any():
            raise ValueError("Input y contains infinity, but expected class labels.")
        if (y != np.floor(y)).any():
            raise ValueError(
                "Unknown label type: continuous. Got y with fractional values, such as "
                f"{y[y != np.floor(y)][0]}, but expected class labels. For a "
                "regression target, bin it first, for example with KBinsDiscretizer."
            )
    labels, codes = np.unique(y, return_inverse=True)
    return labels, codes.reshape(-1)


def merge_labels(a, b):
    """:func:`distinct_labels` of two arrays of labels, one after the other."""
    if a.dtype.kind != b.dtype.kind:
        # Objects meet without a change of type: 1 does not become "1".
        a, b = (np.fromiter(labels, object, len(labels)) for labels in (a, b))
    return distinct_labels(np.concatenate([a, b]))


def is_continuous(y, target):
    """Whether y, from :func:`one_label_a_row`, is numbers to be near or far in.

    Parameters
    ----------
    y : ndarray of shape (n,)
    target : {"auto", "classes", "continuous"}
    """
    if target != "auto":
        return target == "continuous"
    return y.dtype.kind == "f" and bool((y != np.floor(y)).any())


def check_values(y):
    """A continuous target in float64.

    Parameters
    ----------
    y : ndarray of shape (n,)
        From :func:`one_label_a_row`.

    Raises
    ------
    ValueError
        For what is no number, missing, infinite or all one number.
    """
    if y.dtype.kind == "O" and any(map(_is_missing, y)):
        raise _missing_labels()
    if not (
        y.dtype.kind in "biuf"
        or (y.dtype.kind == "O" and all(isinstance(value, Number) for value in y))
    ):
        raise ValueError(
            f"Got target='continuous' and y with {short(y[0])}, but expected numbers."
        )
    try:
        with np.errstate(**CHECKED_LATER):
            values = y.astype(np.float64)
    except OverflowError:
        values = np.array([np.inf])
    if np.isnan(values).any():
        raise _missing_labels()
    if np.isinf(values).any():
        raise ValueError("Input y contains infinity, but expected finite numbers.")
    if (values == values[0]).all():
        raise ValueError(
            f"Got a continuous target y that is {values[0]:g} everywhere, but expected "
            "different numbers: without a row that is far there is nothing to push away."
        )
    return values


def check_distinct(n_distinct):
    """Refuse a continuous target of too few rows that are no copies."""
    if n_distinct < 3:
        raise ValueError(
            f"Got {n_distinct} rows with a continuous target, where copies of a row are "
            "one row, but expected at least 3: a row needs one that is near and one that "
            "is far."
        )


def check_unlabeled(value):
    """Return a label that may mark rows without one, or None."""
    if value is None:
        return value
    try:
        hash(value)
    except TypeError:
        raise TypeError(
            f"Got unlabeled={short(value)}, but expected None or one label, such as -1."
        ) from None
    if _is_missing(value):
        raise ValueError(
            f"Got unlabeled={short(value)}, but expected None or a label that is equal to "
            "itself, such as -1, as y must have no missing values. Put that label in their "
            "place."
        )
    return value


def labels_or_sets(y):
    """Labels as an array of one dimension, or if rows have several, as an indicator.

    Parameters
    ----------
    y : array-like or sparse matrix
        Of shape (n,) or (n, 1); or (n, n_labels) of 0 and 1.

    Returns
    -------
    y : ndarray of shape (n,) or CSR array of bool of shape (n, n_labels)

    Raises
    ------
    ValueError
        As :func:`one_label_a_row`.
    """
    indicator = _indicator_of(y)
    return one_label_a_row(y) if indicator is None else indicator


def _indicator_of(y):
    """A CSR array of bool if y is 0s and 1s in two or more columns, else None."""
    if len(getattr(y, "shape", (0, 0))) != 2:
        return None
    if not issparse(y):
        try:
            y = np.asarray(_unmasked(y))
        except ValueError:  # Rows of different lengths.
            return None
    if y.ndim != 2 or y.shape[1] < 2 or y.dtype.kind not in "biufO":
        return None
    values = y.tocsr().data if issparse(y) else y.ravel()
    if y.dtype.kind == "O":
        are_flags = all(map(_is_truth_value, values))
    else:
        are_flags = ((values == 0) | (values == 1)).all()
    if not are_flags:
        return None
    indicator = csr_array(y.astype(bool))
    indicator.sum_duplicates()
    indicator.eliminate_zeros()
    return indicator


def labeled_rows(X, y, unlabeled):
    """The rows that have a label, and the labels of these.

    Parameters
    ----------
    X : ndarray or CSR of shape (n, ...)
    y : ndarray of shape (n,) or CSR array of shape (n, n_labels)
        From :func:`labels_or_sets`.
    unlabeled : object or None
        The label of rows that have none, from :func:`check_unlabeled`.

    Returns
    -------
    X, y : as given, if all rows have a label

    Raises
    ------
    ValueError
        If there is no such row.
    """
    if issparse(y):
        is_labeled, marked = np.diff(y.indptr) > 0, "that are 0 throughout"
    elif unlabeled is None:
        return X, y
    else:
        # One by one, as numpy has no answer where types differ.
        is_labeled = ~np.fromiter((_is_same(label, unlabeled) for label in y), bool, len(y))
        marked = f"with the label {short(unlabeled)} of unlabelled ones"
    if is_labeled.all():
        return X, y
    if not is_labeled.any():
        raise ValueError(
            f"Got y of {len(is_labeled)} rows {marked}, but expected some with a label: "
            "unlabelled rows belong with no row and apart from none."
        )
    return X[is_labeled], y[is_labeled]


def _is_same(a, b):
    try:
        same = a == b
    except ArithmeticError:  # A signaling NaN.
        return False
    return isinstance(same, (bool, np.bool_)) and bool(same)


def class_weights_of(class_weight, labels, codes, *, whole):
    """Weights of classes, with a mean of 1 over the rows.

    Parameters
    ----------
    class_weight : Mapping, "balanced" or None
    labels, codes
        From :func:`distinct_labels`.
    whole : bool
        Whether all labels are there, so that no others may have weights.

    Returns
    -------
    weights : ndarray of shape (n_classes,), or None for 1 each

    Raises
    ------
    ValueError, TypeError
        For weights that are not finite and greater than 0, or of labels that are not there.
    """
    if class_weight is None:
        return None
    counts = np.bincount(codes)
    if isinstance(class_weight, str):
        classes = np.arange(len(labels))
        return compute_class_weight(class_weight, classes=classes, y=codes)
    given = {
        label: check_number(f"class_weight[{short(label)}]", weight, above=0)
        for label, weight in class_weight.items()
    }
    unknown = list(given.keys() - set(labels.tolist()) - set(labels)) if whole else []
    if unknown:
        raise ValueError(
            f"Got class_weight for the labels {short(unknown)}, which y does not have, but "
            f"expected some of {short(labels.tolist())}."
        )
    weights = np.array([given.get(label, 1.0) for label in labels])
    weights /= weights.max()
    return weights / np.average(weights, weights=counts)


def one_label_a_row(y):
    """Labels as an array of one dimension."""
    if y is None:
        raise ValueError("Got y=None, but expected class labels, one for each row.")
    given = type(y).__name__
    if np.ma.is_masked(y):
        y = np.asarray(_unmasked(y))
    elif not hasattr(y, "shape"):
        y = _array_of(y)
    elif _is_nullable_integer(y):
        # scikit-learn makes floats of these, and of several large integers one.
        y = np.asarray(y)
    is_column = len(y.shape) == 2 and y.shape[1] == 1
    if issparse(y) or not (len(y.shape) == 1 or is_column):
        plain = y.shape and not issparse(y)
        raise _several_labels(f"shape {y.shape}" if plain else f"type {given}")
    if np.iscomplexobj(y):
        raise _complex_labels()
    return column_or_1d(y, warn=True)


def _is_nullable_integer(y):
    """Whether it is a column of pandas' own integers, which may be missing."""
    dtype = getattr(y, "dtype", None)
    return not isinstance(dtype, np.dtype) and getattr(dtype, "kind", None) in ("i", "u")


def _array_of(y):
    """A list of labels as an array."""
    try:
        array = np.asarray(y)
    except ValueError:
        raise _several_labels("rows of different lengths") from None
    # Among strings numpy makes "nan" of NaN, and "-1" of -1.
    is_mixed = array.dtype.kind in "SU" and not all(isinstance(v, (str, bytes)) for v in y)
    return np.asarray(y, dtype=object) if is_mixed else array


def _distinct_objects(y):
    try:
        labels = list(dict.fromkeys(y))
    except TypeError:
        raise ValueError(
            f"Unknown label type: got y with labels of types {_types_of(y)}, but expected "
            "one label for each row that has a hash, such as a string, an integer or a "
            "tuple. Convert them first, for example sets with frozenset."
        ) from None
    if any(map(_is_missing, labels)):
        raise _missing_labels()
    if any(isinstance(label, (complex, np.complexfloating)) for label in labels):
        raise _complex_labels()
    labels = _in_order(labels)
    code_of = {label: code for code, label in enumerate(labels)}
    codes = np.fromiter(map(code_of.__getitem__, y), np.intp, len(y))
    return np.fromiter(labels, object, len(labels)), codes


def _in_order(labels):
    """Different labels sorted, or as they are if their type has no total order."""
    try:
        ordered = sorted(labels)
        # The < of sets, for one, does not order all of them.
        is_total = all(a < b for a, b in pairwise(ordered))
    except (TypeError, ValueError):
        types = _types_of(labels)
        if len(types) > 1:
            raise ValueError(
                f"Unknown label type: got y with labels of types {types}, but expected "
                "labels of one type. Convert them first, for example with y.astype(str)."
            ) from None
        is_total = False
    return ordered if is_total else labels


def _types_of(values):
    return sorted({type(value).__name__ for value in values})


def _is_missing(label):
    """Whether it is None, or not equal to itself as NaN, NaT and pandas' NA."""
    if isinstance(label, (tuple, frozenset)):
        return any(map(_is_missing, label))
    same = label == label
    return label is None or not (isinstance(same, (bool, np.bool_)) and same)


def _missing_labels():
    return ValueError(
        "Input y contains NaN, None or another missing value, but expected a label for "
        "each row. Leave out the rows without one."
    )


def _complex_labels():
    return ValueError(
        "Complex data not supported: got complex numbers in y, but expected class labels, "
        "such as integers or strings."
    )


def _several_labels(got):
    return ValueError(
        f"Got y of {got}, but expected one label for each row, an array of shape "
        "(n_samples,). Of several labels of a row make one, for example a string of all, "
        "or where that is possible a column of 0 and 1 for each. Of several numbers to "
        "predict give one."
    )


def warn_about_labels(labels, n_rows, stacklevel, target=None):
    """Warn of numbers that are hardly classes.

    Parameters
    ----------
    labels : ndarray of shape (n_classes,)
        From :func:`distinct_labels`.
    n_rows : int
        How many rows have them.
    stacklevel : int
        Of the user's line, seen from here.
    target : {"auto", "classes"}, default=None
        What they are said to be; None where there is no such option.
    """
    n_classes = len(labels)
    many_floats = labels.dtype.kind == "f" and n_classes > max(2, n_rows / 4)
    if many_floats and target != "classes":
        remedy = "bin it first, for example with KBinsDiscretizer"
        classes = "convert them: y.astype(int)"
        if target == "auto":
            remedy, classes = "set target='continuous'", "set target='classes'"
        warn(
            f"Got y of floats with {n_classes} different values in {n_rows} rows: a "
            f"regression target? If it is, {remedy}. If these are classes, {classes}.",
            UserWarning,
            stacklevel=stacklevel,
        )
    are_numbers = labels.dtype.kind in "if" or isinstance(labels[0], int)
    # They are in order, so that all others are 0 or more.
    if are_numbers and n_classes > 3 and labels[0] == -1:
        warn(
            "Got y with -1 among non-negative integers: unlabelled rows? They count as a "
            "class. If they are none, set unlabeled=-1, or leave them out: X[y != -1] and "
            "y[y != -1]. If they are, give it another number.",
            UserWarning,
            stacklevel=stacklevel,
        )


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
            f"Got {len(sizes)} classes of one row each, where copies of a row are one row, "
            "but expected at least one class with 2 rows: without a second row there is "
            "nothing to pull together."
        )


def check_sets(sizes, relation):
    """Refuse sets of labels from which nothing can be learnt.

    Parameters
    ----------
    sizes : ndarray of int of shape (n_labels,)
        How many rows have each label.
    relation : SharedLabelRelation
        Of these rows.
    """
    if sizes.max() < 2:
        raise ValueError(
            f"Got {np.count_nonzero(sizes)} labels of one row each, where copies of a row "
            "are one row, but expected at least one label of 2 rows: without a second row "
            "there is nothing to pull together."
        )
    n = len(relation.weights)
    blocks = gen_batches(n, max(1, 2**20 // n))
    if not any(relation.masks(rows)[1].any() for rows in blocks):
        raise ValueError(
            "Got y in which every two rows have a label in common, but expected two that "
            "have none: without these there is nothing to push away. Leave out labels that "
            "nearly all rows have."
        )


def check_map_size(n_components, n_features):
    """Refuse a map that no machine should be asked to hold."""
    if n_components * n_features > MAX_MAP_SIZE:
        raise ValueError(
            f"Got n_components={n_components} for {n_features} features, a map of "
            f"{n_components * n_features * 8 / 2**30:.0f} GiB. Set n_components, for "
            "example n_components=128."
        )
