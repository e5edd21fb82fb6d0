"""Bad input is named, and leaves the estimator as it was."""

import pickle

import numpy as np
import pytest
from sklearn.datasets import make_blobs

from skmetric import ContrastiveMetricLearner, TripletMetricLearner

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
    refused(prepared, ["continuous", "class labels", "KBinsDiscretizer"], y=y)


@pytest.mark.parametrize(
    "y",
    [
        [None, *Y[1:].tolist()],
        [np.nan, *Y[1:].tolist()],
        np.array([np.nan, *Y[1:].tolist()], dtype=object),
    ],
)
def test_missing_labels(prepared, y):
    refused(prepared, ["Input y contains NaN"], y=y)


def test_labels_of_mixed_types(prepared):
    y = np.array(["a", *Y[1:].tolist()], dtype=object)
    refused(prepared, ["'int'", "'str'", "astype(str)"], y=y)


def test_no_target(prepared):
    refused(prepared, ["requires y", "None"], y=None)


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
        ((X,), {}, "missing a required argument: 'y'"),
        ((X, Y, Y), {}, "too many positional arguments"),
    ],
)
def test_arguments_that_are_not_taken(prepared, method, arguments, options, sentence):
    before = state_of(prepared)
    name = type(prepared).__name__
    sentence = rf"^{name}\.{method}: .*{sentence}, but expected {method}\(X, y\)\.$"
    with pytest.raises(TypeError, match=sentence):
        getattr(prepared, method)(*arguments, **options)
    assert state_of(prepared) == before


def test_arguments_that_methods_of_constraints_do_not_take():
    expected = r"expected fit_pairs\(X, pairs, similar, sample_weight=None\)"
    with pytest.raises(
        TypeError, match=rf"^ContrastiveMetricLearner\.fit_pairs.*{expected}"
    ):
        ContrastiveMetricLearner().fit_pairs(X, [[0, 1], [1, 2]])
