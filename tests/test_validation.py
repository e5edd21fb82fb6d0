"""Bad input is named, and leaves the estimator as it was."""

import datetime
import enum
import pickle
import warnings
from decimal import Decimal
from itertools import permutations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import load_diabetes, make_blobs
from sklearn.exceptions import DataConversionWarning

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric._validation import check_similar, encode_labels, merge_labels

LEARNERS = [TripletMetricLearner, ContrastiveMetricLearner]
X, Y = make_blobs([12, 10, 8], n_features=4, cluster_std=4, random_state=0)


def with_entry(value):
    bad = X.copy()
    bad[3, 1] = value
    return bad


def state_of(estimator):
    return {name: pickle.dumps(value) for name, value in vars(estimator).items()}


@pytest.fixture(params=LEARNERS)
def learner(request):
    return request.param(solver="adam", max_iter=2, random_state=0)


@pytest.fixture(params=["fitted", "unfitted"])
def prepared(request, learner):
    """The learner as it is before the call that fails."""
    return learner.partial_fit(X, Y) if request.param == "fitted" else learner


def refused(estimator, words, X=X, y=Y, error=ValueError, methods=("fit", "partial_fit")):
    """Each method fails with those words in its message, and changes nothing."""
    before = state_of(estimator)
    for method in methods:
        with pytest.raises(error) as caught:
            getattr(estimator, method)(X, y)
        for word in words:
            assert word in str(caught.value)
        assert state_of(estimator) == before


@pytest.mark.parametrize(
    ("value", "word"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")]
)
def test_nan_and_inf(prepared, value, word):
    refused(prepared, ["Input X contains", word], X=with_entry(value))


def test_one_class(prepared):
    refused(prepared, ["1 class", "at least 2 classes"], y=np.zeros(len(X)))


def test_all_singletons(prepared):
    y = np.arange(len(X))
    refused(prepared, [f"{len(X)} classes of one row each", "2 rows"], y=y)


@pytest.mark.parametrize(
    ("name", "word", "meant"),
    [
        ("metric", "sq-euclidean", "sqeuclidean"),
        ("loss", "squared hinge", "squared_hinge"),
        ("positives", "nearst", "nearest"),
        ("negatives", "Hard", "hard"),
        ("solver", "l-bfgs", "lbfgs"),
        ("init", "PCA", "pca"),
    ],
)
def test_unknown_words(prepared, name, word, meant):
    prepared.set_params(**{name: word})
    words = [f"{name}={word!r}", "expected one of", f"Did you mean {meant!r}?"]
    # Once there is a map, partial_fit has no use for `init`.
    has_map = hasattr(prepared, "components_")
    methods = ["fit"] if name == "init" and has_map else ["fit", "partial_fit"]
    refused(prepared, words, methods=methods)


@pytest.mark.parametrize("fitted", [True, False])
def test_semi_hard_with_a_hyphen(fitted):
    learner = TripletMetricLearner(solver="adam", max_iter=2)
    if fitted:
        learner.partial_fit(X, Y)
    learner.set_params(negatives="semi-hard")
    refused(learner, ["negatives='semi-hard'", "Did you mean 'semihard'?"])


def test_semihard_pairs_are_refused_with_a_reason():
    learner = ContrastiveMetricLearner(negatives="semihard", solver="adam")
    refused(learner, ["semihard", "pair"])


def test_a_word_like_no_other_gets_the_list_only(learner):
    learner.set_params(solver="xyz")
    with pytest.raises(ValueError, match="expected one of") as caught:
        learner.fit(X, Y)
    assert all(w in str(caught.value) for w in ("auto", "lbfgs", "adam", "sgd"))
    assert "Did you mean" not in str(caught.value)


@pytest.mark.parametrize("margin", [0, -0.5, np.nan, np.inf])
def test_margin_not_above_zero(prepared, margin):
    prepared.set_params(margin=margin)
    refused(prepared, [f"margin={margin!r}", "> 0"])


@pytest.mark.parametrize("margin", ["1", None, True])
def test_margin_that_is_no_number(prepared, margin):
    prepared.set_params(margin=margin)
    refused(prepared, [f"margin={margin!r}", "a finite number"], error=TypeError)


def test_pos_margin_above_margin():
    learner = ContrastiveMetricLearner(pos_margin=2.0, margin=1.0, solver="adam")
    refused(learner, ["pos_margin=2.0", "pos_margin < margin"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alpha", -1),
        ("n_neighbors", 0),
        ("batch_size", 3),
        ("learning_rate_init", 0),
        ("momentum", 1),
        ("beta_1", 1.0),
        ("beta_2", -0.1),
        ("epsilon", 0),
        ("max_iter", 0),
        ("tol", -1e-9),
        ("n_iter_no_change", 0),
        ("validation_fraction", 1.0),
        ("verbose", -1),
    ],
)
def test_numbers_out_of_range(prepared, name, value):
    prepared.set_params(**{name: value})
    refused(prepared, [f"{name}={value!r}", "expected"])


@pytest.mark.parametrize("name", ["early_stopping", "warm_start"])
def test_flags(prepared, name):
    prepared.set_params(**{name: "yes"})
    refused(prepared, [f"{name}='yes'", "True or False"], error=TypeError)


def test_n_components_too_large(prepared):
    prepared.set_params(n_components=5)
    refused(prepared, ["n_components=5", "at most 4", "features"], methods=["fit"])


def test_more_components_than_lda_has(prepared):
    prepared.set_params(n_components=3, init="lda")
    refused(prepared, ["n_components=3", "at most 2", "'lda'"], methods=["fit"])


@pytest.mark.parametrize("shape", [(2, 3), (3, 4), (2, 5)])
def test_init_of_the_wrong_shape(prepared, shape):
    prepared.set_params(n_components=2, init=np.ones(shape))
    refused(prepared, [f"init of shape {shape}", "expected (2, 4)"], methods=["fit"])


def test_init_of_zeros(prepared):
    prepared.set_params(init=np.zeros((2, 4)))
    refused(prepared, ["init of zeros"], methods=["fit"])


def test_wrong_feature_count(learner):
    learner.fit(X, Y)
    before = state_of(learner)
    words = "X has 3 features, but .* is expecting 4 features"
    with pytest.raises(ValueError, match=words):
        learner.partial_fit(X[:, :3], Y)
    with pytest.raises(ValueError, match=words):
        learner.transform(X[:, :3])
    with pytest.raises(ValueError, match=words):
        learner.pair_distances(X, X[:, :3])
    assert state_of(learner) == before


def test_pairs_of_unequal_number(learner):
    learner.fit(X, Y)
    with pytest.raises(ValueError, match="5 rows in A and 1 in B"):
        learner.pair_distances(X[:5], X[:1])


def test_partial_fit_under_lbfgs(prepared):
    prepared.set_params(solver="lbfgs")
    before = state_of(prepared)
    assert not hasattr(prepared, "partial_fit")
    with pytest.raises(AttributeError) as caught:
        prepared.partial_fit(X, Y)
    reason = str(caught.value.__cause__)
    assert "solver='lbfgs'" in reason and "'adam'" in reason
    assert state_of(prepared) == before


def test_regression_target(prepared):
    y = Y + np.linspace(0, 0.5, len(Y))
    prepared.set_params(target="classes")
    refused(prepared, ["continuous", "class labels", "KBinsDiscretizer"], y=y)


# Labels


class Color(enum.Enum):
    RED = "r"
    GREEN = "g"
    BLUE = "b"


def objects(values):
    """An array of any values, also of sequences."""
    array = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        array[i] = value
    return array


def in_order_of_appearance(y):
    """Codes by equality alone, one label after the other."""
    seen, codes = [], []
    for label in y:
        if not any(label == other for other in seen):
            seen.append(label)
        codes.append(next(i for i, other in enumerate(seen) if label == other))
    return codes


@pytest.mark.parametrize(
    "labels",
    [
        [frozenset("ab"), frozenset("bc"), frozenset("c"), frozenset("a")],
        list(Color),
        [("a", 1), ("a", "b"), ("a", frozenset("a"))],
        [int, str, float],
    ],
    ids=["frozensets", "enumeration", "tuples of types", "types"],
)
def test_labels_without_an_order_are_told_apart_by_equality(labels):
    draw = np.random.default_rng(0).integers(0, len(labels), 60)
    # Equal objects, not the same ones.
    y = [pickle.loads(pickle.dumps(labels[i])) for i in draw]
    codes = encode_labels(objects(y))
    assert codes.tolist() == in_order_of_appearance(y)
    assert len(set(codes)) == len(labels)


def test_partial_orders_are_not_taken_for_total_ones():
    # Whatever comes first, and also where the sets of some rows form a chain.
    sets = [frozenset("a"), frozenset("b"), frozenset("ab"), frozenset()]
    for order in permutations(sets):
        codes = encode_labels(objects([*order, *order]))
        assert sorted(codes[:4]) == [0, 1, 2, 3]
        np.testing.assert_array_equal(codes[:4], codes[4:])


@pytest.mark.parametrize(
    "labels",
    [
        ["b", "a", "c", "é"],
        [b"b", b"a"],
        [3, 1, 2**70],
        [2.5, 1, True, 0],
        [Decimal(3), Decimal("1.5")],
        [datetime.date(2021, 1, 1), datetime.date(2020, 5, 5)],
        [("b", 1), ("a", 2), ("a", 1)],
        [np.str_("b"), "a"],
    ],
    ids=lambda labels: type(labels[0]).__name__,
)
def test_codes_follow_the_order_of_labels(labels):
    draw = np.random.default_rng(0).integers(0, len(labels), 40)
    y = objects([labels[i] for i in draw])
    expected = [sum(other < label for other in set(labels)) for label in y]
    assert encode_labels(y).tolist() == expected


@pytest.mark.parametrize("Learner", LEARNERS)
def test_a_fit_to_sets_is_the_fit_to_their_numbers(Learner):
    sets = [frozenset("ab"), frozenset("bc"), frozenset("c")]
    codes = np.array(in_order_of_appearance(Y))
    first = Learner(solver="adam", max_iter=2, random_state=0).fit(X, codes)
    other = Learner(solver="adam", max_iter=2, random_state=0)
    other.fit(X, [frozenset(sets[code]) for code in codes])
    np.testing.assert_array_equal(first.components_, other.components_)


def test_large_nullable_integers_are_not_rounded():
    pandas = pytest.importorskip("pandas")
    y = pandas.Series([2**53, 2**53 + 1, 2**53], dtype="Int64")
    assert encode_labels(y).tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([1, 2], ["1", "2"]),
        ([1, 2], np.array(["1", "2"], dtype=object)),
        (["a"], [b"a"]),
        ([1], np.array(["2020"], "M8[ns]")),
    ],
)
def test_labels_of_two_types_do_not_become_one(first, second):
    parts = np.asarray(first), np.asarray(second)
    for a, b in permutations(parts):
        with pytest.raises(ValueError, match="of one type"):
            merge_labels(a, b)


def test_merged_labels_are_those_of_both():
    for first, second in (["U1", "U3"], ["U1", object], [object, object]):
        a, b = np.array(["b", "c"], dtype=first), np.array(["a", "b"], dtype=second)
        labels, codes = merge_labels(a, b)
        assert labels.tolist() == ["a", "b", "c"]
        assert codes.tolist() == [1, 2, 0, 1]
    labels, codes = merge_labels(np.array([0, 2]), np.array([2.0, 1.0]))
    assert labels.tolist() == [0, 1, 2] and codes.tolist() == [0, 2, 2, 1]


def with_missing(value):
    """Labels of which the first is missing, as a list."""
    return [value, *(f"c{code}" for code in Y[1:])]


MISSING = {
    "None": with_missing(None),
    "NaN among strings": with_missing(np.nan),
    "NaN among bytes": [np.nan, *(b"%d" % code for code in Y[1:])],
    "NaN among numbers": [np.nan, *Y[1:].tolist()],
    "NaN among objects": objects(with_missing(np.nan)),
    "NaN in a tuple": objects([(0, np.nan), *((0, code) for code in Y[1:])]),
    "NaN in a column": np.array([np.nan, *Y[1:]]),
    "NaN of Decimal": [Decimal("NaN"), *map(Decimal, Y[1:].tolist())],
    "NaT of datetime": np.array(["NaT", *(f"202{code}" for code in Y[1:])], "M8[D]"),
    "NaT of timedelta": np.array(["NaT", *Y[1:]], "m8[s]"),
    "NaT among objects": objects(with_missing(np.datetime64("NaT", "s"))),
    "masked number": np.ma.array(Y, mask=np.arange(len(Y)) == 0),
    "masked string": np.ma.array(Y.astype(str), mask=np.arange(len(Y)) == 0),
}


@pytest.mark.parametrize("y", MISSING.values(), ids=MISSING)
def test_missing_labels(prepared, y):
    refused(prepared, ["Input y contains NaN", "Leave out"], y=y)


def test_masks_that_hide_nothing_change_nothing():
    assert encode_labels(np.ma.array(Y, mask=False)).tolist() == Y.tolist()


@pytest.mark.parametrize("na", [np.nan, None], ids=repr)
def test_missing_labels_of_numpys_strings(prepared, na):
    if not hasattr(np.dtypes, "StringDType"):
        pytest.skip("needs numpy 2")
    dtype = np.dtypes.StringDType(na_object=na)
    full = np.array([f"c{code}" for code in Y], dtype=dtype)
    assert encode_labels(full).tolist() == Y.tolist()
    refused(prepared, ["Input y contains NaN"], y=np.array(with_missing(na), dtype=dtype))


@pytest.mark.parametrize(
    "dtype",
    [
        "object",
        "string",
        "category",
        "Int64",
        "Float64",
        "boolean",
        "datetime64[ns]",
        "datetime64[ns, UTC]",
        "timedelta64[ns]",
        "period[D]",
        "interval",
    ],
)
def test_missing_labels_of_pandas(prepared, dtype):
    pandas = pytest.importorskip("pandas")
    values = {
        "boolean": [True, False],
        "datetime64[ns]": pandas.to_datetime(["2020-01-01", "2021-01-01"]),
        "datetime64[ns, UTC]": pandas.to_datetime(["2020-01-01", "2021-01-01"], utc=True),
        "timedelta64[ns]": pandas.to_timedelta([1, 2]),
        "period[D]": pandas.PeriodIndex(["2020-01-01", "2021-01-01"], freq="D"),
        "interval": pandas.IntervalIndex.from_breaks([0.0, 1.0, 2.0]),
        "Int64": [1, 2],
        "Float64": [1.0, 2.0],
    }.get(dtype, ["a", "b"])
    y = pandas.Series(np.arange(len(Y)) % 2).map(dict(enumerate(values)))
    y = y if dtype == "interval" else y.astype(dtype)
    assert len(set(encode_labels(y))) == 2
    y = y.where(y.index != 3, pandas.NA if dtype == "object" else None)
    assert y.isna().sum() == 1
    refused(prepared, ["Input y contains NaN"], y=y)


@pytest.mark.parametrize("kind", ["string", "int64", "date32"])
def test_missing_labels_of_arrow(prepared, kind):
    pandas = pytest.importorskip("pandas")
    try:
        import pyarrow as arrow
    except ImportError as error:  # also of one for a later numpy
        pytest.skip(str(error))
    value = {"string": "a", "int64": 1, "date32": datetime.date(2020, 1, 1)}[kind]
    column = arrow.array([None, *[value] * (len(Y) - 1)], getattr(arrow, kind)())
    series = pandas.Series(pandas.arrays.ArrowExtensionArray(column))
    for y in (column, arrow.chunked_array([column]), series):
        refused(prepared, ["Input y contains NaN"], y=y)
        assert set(encode_labels(y[1:])) == {0}


def test_missing_labels_of_polars(prepared):
    polars = pytest.importorskip("polars")
    for values in (["a", "b"], [1, 2], [datetime.date(2020, 1, 1)] * 2):
        y = polars.Series([None, *(values[code % 2] for code in Y[1:])])
        refused(prepared, ["Input y contains NaN"], y=y)


def test_labels_of_mixed_types(prepared):
    y = np.array(["a", *Y[1:].tolist()], dtype=object)
    refused(prepared, ["'int'", "'str'", "astype(str)"], y=y)
    y = np.array([Color.RED, *Y[1:].tolist()], dtype=object)
    refused(prepared, ["'Color'", "'int'", "one type"], y=y)


@pytest.mark.parametrize("kind", [np.atleast_1d, list, set, dict.fromkeys], ids=repr)
def test_labels_that_cannot_be_hashed(prepared, kind):
    label = kind([1, 2])
    words = [f"['{type(label).__name__}']", "hash", "frozenset"]
    refused(prepared, words, y=objects([label] * len(Y)))


@pytest.mark.parametrize(
    "y",
    [Y * 1j, (Y * 1j).tolist(), (Y * 1j).astype(object)],
    ids=["array", "list", "object"],
)
def test_complex_labels(prepared, y):
    refused(prepared, ["complex numbers in y", "class labels"], y=y)


INDICATOR = np.eye(3, dtype=int)[Y]


@pytest.mark.parametrize(
    ("y", "got"),
    [
        (2 * INDICATOR, "shape (30, 3)"),
        ((INDICATOR - 1).tolist(), "shape (30, 3)"),
        (csr_matrix(2 * INDICATOR), "type csr_matrix"),
        (csr_matrix(INDICATOR[:, :1]), "type csr_matrix"),
        ([[0], *[[0, 1]] * 29], "rows of different lengths"),
        ([("a", 1)] * 30, "shape (30, 2)"),
        ("a", "type str"),
        (dict.fromkeys(range(30)), "type dict"),
    ],
    ids=["counts", "lists", "CSR", "CSR column", "ragged", "tuples", "word", "dict"],
)
def test_several_labels_a_row(prepared, y, got):
    refused(prepared, [f"y of {got}", "one label for each row"], y=y)


def test_a_column_of_labels_is_raveled(learner):
    W = learner.fit(X, Y).components_
    with pytest.warns(DataConversionWarning, match="column-vector"):
        np.testing.assert_array_equal(learner.fit(X, Y[:, None]).components_, W)


TARGET = "a regression target"
UNLABELLED = "unlabelled rows"
SUSPECT = {
    "target": (np.arange(30.0) // 3, TARGET),
    "single precision": (np.arange(30, dtype=np.float32) // 3, TARGET),
    "unlabelled": (np.where(np.arange(30) < 5, -1, Y), UNLABELLED),
    "unlabelled, floats": (np.where(np.arange(30) < 5, -1.0, Y), UNLABELLED),
    "unlabelled, list": (np.where(np.arange(30) < 5, -1, Y).tolist(), UNLABELLED),
    "unlabelled, objects": (np.where(np.arange(30) < 5, -1, Y).astype(object), UNLABELLED),
}
FINE = {
    "few floats": np.arange(30.0) % 7,
    "two floats": np.array([0.0, 1.0, 0.0, 1.0]),
    "identifiers": np.arange(30) // 2,
    "durations": objects([np.timedelta64(i % 4 - 1, "s") for i in range(30)]),
    "negative, too": np.arange(30) % 6 - 2,
    "signs": np.arange(30) % 3 - 1,
    "two classes": np.arange(30) % 2 * 2 - 1,
    "strings": (np.arange(30) % 4 - 1).astype(str),
}


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(("y", "words"), SUSPECT.values(), ids=SUSPECT)
def test_numbers_that_are_hardly_classes(prepared, method, y, words):
    with pytest.warns(UserWarning, match=words) as caught:
        getattr(prepared, method)(X, y)
    assert [warning.filename for warning in caught] == [__file__]
    before = state_of(prepared)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match=words):
            getattr(prepared, method)(X, y)
    assert state_of(prepared) == before


@pytest.mark.parametrize("y", FINE.values(), ids=FINE)
def test_numbers_that_may_well_be_classes(learner, y):
    # A warning would be an error.
    learner.partial_fit(X[: len(y)], y)
    assert np.isfinite(learner.components_).all()


def test_nullable_identifiers_are_integers(learner):
    pandas = pytest.importorskip("pandas")
    learner.partial_fit(X, pandas.Series(np.arange(30) // 2, dtype="Int64"))
    assert np.isfinite(learner.components_).all()


def test_a_well_known_regression_target(learner):
    rows, target = load_diabetes(return_X_y=True)
    with pytest.warns(
        UserWarning, match=r"214 different values in 442.*target='continuous'"
    ):
        learner.partial_fit(rows, target)


@pytest.mark.parametrize("value", [np.nan, None, 2, "True", 0.5, [1]], ids=repr)
def test_kinds_of_pairs_that_are_none(value):
    with pytest.raises(ValueError, match="expected booleans"):
        check_similar(objects([True, value, False]), 3)


def test_missing_kinds_of_pairs():
    pandas = pytest.importorskip("pandas")
    for similar in (
        pandas.Series([True, None, False], dtype="boolean"),
        [1, pandas.NA, 0],
        [pandas.NaT, True, False],
        np.ma.array([True, True, False], mask=[False, True, False]),
    ):
        with pytest.raises(ValueError, match="expected booleans"):
            check_similar(similar, 3)


@pytest.mark.parametrize(
    "similar",
    [
        [1, 0.0, True],
        objects([np.True_, Decimal(0), np.int64(1)]),
        np.ma.array([1, 0, 1], mask=False),
    ],
    ids=["list", "objects", "array with a mask"],
)
def test_kinds_of_pairs_in_other_words(similar):
    assert check_similar(similar, 3).tolist() == [True, False, True]


def test_no_target(prepared):
    refused(prepared, ["requires y", "None"], y=None)
    for method in ("fit", "partial_fit", "fit_transform"):
        with pytest.raises(ValueError, match=r"requires y .* one for each row"):
            getattr(prepared, method)(X)


def test_target_of_another_length(prepared):
    refused(prepared, ["inconsistent numbers of samples"], y=Y[:-1])


def test_warm_start_from_another_shape(learner):
    learner.set_params(warm_start=True).fit(X, Y).set_params(n_components=2)
    refused(learner, ["warm_start=True", "(4, 4)", "(2, 4)"], methods=["fit"])


def test_early_stopping_without_enough_rows(prepared):
    prepared.set_params(early_stopping=True, validation_fraction=0.01)
    refused(prepared, ["validation_fraction=0.01", "largest has 12"], methods=["fit"])


def test_more_neighbors_than_a_class_allows(learner):
    few = learner.set_params(positives="nearest", n_neighbors=1000).fit(X, Y).components_
    every = learner.set_params(positives="all").fit(X, Y).components_
    np.testing.assert_allclose(few, every, rtol=1e-6, atol=1e-9)
    one = learner.set_params(positives="nearest", n_neighbors=1).fit(X, Y).components_
    assert not np.allclose(one, every)


def test_scoring_by_a_word(prepared):
    prepared.set_params(scoring="map_at_r")
    refused(prepared, ["'map_at_r'", "retrieval_scorer('map_at_r')"], error=TypeError)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("arguments", "options", "sentence"),
    [
        ((X, Y), {"sample_weight": Y}, "unexpected keyword argument 'sample_weight'"),
        ((X, Y, Y), {}, "too many positional arguments"),
    ],
)
def test_arguments_that_are_not_taken(prepared, method, arguments, options, sentence):
    before = state_of(prepared)
    name = type(prepared).__name__
    sentence = rf"^{name}\.{method}: .*{sentence}, but expected {method}\(X, y=None\)\.$"
    with pytest.raises(TypeError, match=sentence):
        getattr(prepared, method)(*arguments, **options)
    assert state_of(prepared) == before


def test_arguments_that_methods_of_constraints_do_not_take():
    expected = r"expected fit_pairs\(X, pairs, similar, sample_weight=None\)"
    with pytest.raises(
        TypeError, match=rf"^ContrastiveMetricLearner\.fit_pairs.*{expected}"
    ):
        ContrastiveMetricLearner().fit_pairs(X, [[0, 1], [1, 2]])
