"""The estimators behave as scikit-learn's own."""

import pickle
from itertools import product

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from tests.designs import covering
from tests.maps import metric_of

LEARNERS = [TripletMetricLearner, ContrastiveMetricLearner]
SOLVERS = ["lbfgs", "adam", "sgd"]
METRICS = ["sqeuclidean", "euclidean", "cosine"]
FAMILIES = [
    ("nearest", "nearest"),
    ("nearest", "all"),
    ("hard", "hard"),
    ("all", "random"),
    ("all", "semihard"),
    ("nearest", "distance_weighted"),
]
LOSSES = ["hinge", "squared_hinge", "softplus"]
X, Y = make_classification(120, 6, n_informative=3, n_redundant=0, random_state=0)


def varied():
    """Estimators of every learner, solver, metric, family of selections, and loss."""
    cases = [
        case
        for case in product(LEARNERS, SOLVERS, METRICS, FAMILIES, LOSSES)
        if not (case[0] is ContrastiveMetricLearner and case[3][1] == "semihard")
        and not (case[2] != "cosine" and case[3][1] == "distance_weighted")
    ]
    for Learner, *values, (positives, negatives), loss in covering(cases):
        words = dict(zip(("solver", "metric"), values, strict=True))
        words |= {"positives": positives, "negatives": negatives, "loss": loss}
        yield Learner(**words, max_iter=2)


def every_check(estimators):
    """Each check with some of the estimators, in which each of their settings occurs."""
    mark = parametrize_with_checks(estimators)
    label, cases = mark.kwargs["ids"], {}
    for estimator, check in mark.args[1]:
        told = estimator.get_params(deep=False)
        settings = told["solver"], told["metric"], told["positives"], told["negatives"]
        settings = type(estimator), *settings, told["loss"]
        cases[(label(check), *settings)] = estimator, check
    chosen = [cases[case] for case in covering(cases)]
    return pytest.mark.parametrize(("estimator", "check"), chosen, ids=label)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("Learner", LEARNERS)
def test_defaults_pass_every_check(Learner):
    results = check_estimator(Learner(), on_skip=None, on_fail=None)
    statuses = {result["check_name"]: result["status"] for result in results}
    assert "passed" in statuses.values()
    assert set(statuses.values()) <= {"passed", "skipped"}, statuses


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
@every_check(list(varied()))
def test_variants_pass_every_check(estimator, check):
    before = dict(vars(estimator))
    check(estimator)  # raises what it finds
    assert vars(estimator) == before


@pytest.fixture(params=LEARNERS)
def learner(request):
    return request.param(n_components=3, n_subsamples=1, random_state=0)


def test_grid_over_margin_is_not_vacuous(learner):
    name = type(learner).__name__.lower()
    metric_learner = type(learner)(n_subsamples=1, random_state=0)
    pipeline = make_pipeline(metric_learner, KNeighborsClassifier())
    grid = {f"{name}__margin": [0.25, 1.0, 4.0]}
    search = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(X, Y)
    assert len(set(search.cv_results_["mean_test_score"])) > 1
    fresh = np.random.RandomState(1).standard_normal((500, X.shape[1]))
    decisions = {
        pipeline.set_params(**setting).fit(X, Y).predict(fresh).tobytes()
        for setting in search.cv_results_["params"]
    }
    assert len(decisions) == 3
    assert search.predict(fresh).tobytes() in decisions


def test_clone_has_the_parameters_and_nothing_else(learner):
    learner.set_params(margin=0.7).fit(X, Y)
    copy = clone(learner)
    assert copy.get_params() == learner.get_params()
    assert not hasattr(copy, "components_")
    np.testing.assert_array_equal(copy.fit(X, Y).components_, learner.components_)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_pickle(learner, method):
    learner.set_params(solver="adam", max_iter=20)
    getattr(learner, method)(X, Y)
    copy = pickle.loads(pickle.dumps(learner))
    np.testing.assert_array_equal(copy.transform(X), learner.transform(X))
    # A copy goes on as the original does, with its optimizer and random numbers.
    for one in (copy, learner):
        one.partial_fit(X, Y)
    np.testing.assert_array_equal(copy.components_, learner.components_)


def test_feature_names(learner):
    pandas = pytest.importorskip("pandas")
    names = list("abcdef")
    frame = pandas.DataFrame(X, columns=names)
    learner.fit(frame, Y)
    assert learner.feature_names_in_.tolist() == names
    prefix = type(learner).__name__.lower()
    out = [f"{prefix}{i}" for i in range(3)]
    assert learner.get_feature_names_out().tolist() == out
    with pytest.raises(ValueError, match="feature names"):
        learner.transform(frame[names[::-1]])
    plain = learner.transform(frame)
    table = learner.set_output(transform="pandas").transform(frame)
    assert list(table.columns) == out
    np.testing.assert_array_equal(table.to_numpy(), plain)


class Recorder:
    """A callback that keeps what it is told, and may ask to stop."""

    def __init__(self, stop_at=None):
        self.events, self.maps, self.stop_at = [], [], stop_at

    def setup(self, estimator, context):
        self.events.append(("setup", context.task_name))

    def teardown(self, estimator, context):
        self.events.append(("teardown", context.task_name))

    def on_fit_task_begin(self, estimator, context):
        self.events.append(("begin", context.task_name))

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self.events.append(("end", context.task_name))
        if fitted_estimator is None:  # begun, but not needed
            return False
        self.maps.append(fitted_estimator.components_)
        return len(self.maps) == self.stop_at


@pytest.fixture
def recorder():
    pytest.importorskip("sklearn.callback")
    return Recorder


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("solver", "max_iter", "task"),
    [("lbfgs", None, "iteration"), ("adam", None, "iteration"), ("adam", 5, "epoch")],
)
def test_callbacks_hear_of_every_iteration(learner, recorder, solver, max_iter, task):
    callback = recorder()
    learner.set_params(solver=solver, max_iter=max_iter, positives="all")
    learner.set_callbacks(callback).fit(X, Y)
    kinds = [kind for kind, _ in callback.events]
    assert kinds[0] == "setup" and kinds[-1] == "teardown"
    assert kinds[1] == "begin" and kinds[-2] == "end"
    inner = [kind for kind, name in callback.events if name == task]
    # L-BFGS may have begun one more as it converged.
    spare = solver == "lbfgs"
    assert learner.n_iter_ <= len(inner) / 2 <= learner.n_iter_ + spare
    assert inner == ["begin", "end"] * (len(inner) // 2)
    # Each iteration shows the map it reached, the last one the map of the fit.
    assert len(callback.maps) == learner.n_iter_ + 1
    np.testing.assert_array_equal(callback.maps[-1], learner.components_)
    M = learner.get_mahalanobis_matrix()
    np.testing.assert_allclose(metric_of(callback.maps[-2]), M, atol=1e-12)
    assert not np.allclose(metric_of(callback.maps[0]), M)


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_callbacks_may_stop_a_fit(learner, recorder, solver):
    callback = recorder(stop_at=2)
    learner.set_params(solver=solver).set_callbacks(callback).fit(X, Y)
    assert learner.n_iter_ == len(learner.loss_curve_) == 2
    M = learner.get_mahalanobis_matrix()
    np.testing.assert_allclose(metric_of(callback.maps[1]), M, atol=1e-12)
