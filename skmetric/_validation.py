"""Every sentence a user can be scolded with: what was got, what was expected."""

import difflib
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


def check_word(name, value, known):
    """Return `value` if it is one of the `known` words, else name the right ones."""
    if isinstance(value, str) and value in known:
        return value
    words = sorted(known)
    raise ValueError(
        f"Got {name}={short(value)}, but expected one of {words}.{_guess(value, words)}"
    )


def _guess(value, words):
    plain = {word.replace("_", ""): word for word in words}
    typed = str(value).lower().replace("@", "at")
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
        and np.isfinite(value)
        and all(holds(bound) for bound, _, holds in bounds if bound is not None)
    ):
        return value
    noun = "an integer" if kind is Integral else "a finite number"
    limits = " and ".join(f"{sign}{b}" for b, sign, _ in bounds if b is not None)
    error = ValueError if is_number else TypeError
    expected = f"{noun} {limits}".rstrip() + (f", or {word!r}" if word else "")
    raise error(f"Got {name}={short(value)}, but expected {expected}.")


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


def float_dtype(dtype):
    """In which of two precisions rows of a dtype are worked on: half becomes single."""
    return np.float32 if dtype in (np.float16, np.float32) else np.float64


def float_dtypes(X):
    """What ``check_array`` shall take, and first of all make of other rows.

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


def check_similar(similar, n_pairs):
    """Booleans, one a pair; 1 and 0 are taken as True and False, nothing else."""
    similar = np.asarray(similar)
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
                f"Got similar with the values {strange[:5]}, but expected booleans: "
                "True for pairs that belong together and False for pairs that do not."
            )
    return similar.astype(bool)


def check_tuples(name, tuples, width, n_rows):
    """Triplets or pairs: row indices in range, all different within a tuple.

    Parameters
    ----------
    name : {"triplets", "pairs"}
    tuples : array-like of int of shape (m, width)
    width, n_rows : int

    Returns
    -------
    tuples : ndarray of int of shape (m, width)
        Of the dtype that was given, not a copy if it was an array.
    """
    tuples = np.asarray(tuples)
    if tuples.size == 0:
        raise ValueError(f"Got no {name}, but expected at least one.")
    if tuples.ndim != 2 or tuples.shape[1] != width:
        raise ValueError(
            f"Got {name} of shape {tuples.shape}, but expected (n_{name}, {width}): row "
            "indices into X, not the rows themselves."
        )
    if tuples.dtype.kind not in "iu":
        raise TypeError(
            f"Got {name} of dtype {tuples.dtype}, but expected integers: row indices "
            f"into X. Convert them, for example with np.asarray({name}, dtype=int)."
        )
    low, high = tuples.min(), tuples.max()
    if low < 0 or high >= n_rows:
        raise ValueError(
            f"Got {name} with indices from {low} to {high}, but expected them from 0 to "
            f"{n_rows - 1}: X has {n_rows} rows."
        )
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
    """An embedding in float64 and its labels, for functions that take arrays directly."""
    E = check_rows(E, "E", dtype=np.float64)
    y = encode_labels(y)
    check_consistent_length(E, y)
    check_classes(y)
    return E, y
