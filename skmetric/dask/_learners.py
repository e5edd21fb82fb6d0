"""The learners over partitions: their methods, and where their docstrings differ."""

import dask.array as da
import numpy as np
from dask import delayed
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import check_is_fitted

from .._base import rollback_on_error
from .._compat import with_callbacks
from .._contrastive import ContrastiveMetricLearner
from .._docs import with_texts
from .._fit import constraints_for
from .._objective._maps import map_rows
from .._triplet import TripletMetricLearner
from .._validation import float_dtype, short
from ._collections import (
    align,
    array_dtype,
    as_dask_array,
    check_features,
    check_table,
    is_collection,
)
from ._fit import fit_partitions
from ._labeled_partitions import LabeledPartitions
from ._partitions import as_rows


class NotAvailable:
    """Stands for a method of the local learner that needs rows in memory."""

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner=None):
        raise AttributeError(
            f"{owner.__name__} has no {self.name}, which needs rows in memory. Use "
            f"to_local().{self.name}, or {owner.__name__.removeprefix('Dask')}."
        )


class DaskLearnerMixin:
    """The methods of a learner whose rows are in the partitions of dask collections."""

    partial_fit = NotAvailable()
    fit_matches = NotAvailable()
    partial_fit_matches = NotAvailable()

    @rollback_on_error
    @with_callbacks
    def fit(self, X, y=None):
        """Learn the map from labelled rows in partitions.

        Parameters
        ----------
        X : dask array or dask dataframe of shape (n_samples, n_features)
            Each chunk must hold whole rows. Blocks may be CSR matrices. Data that are not
            persisted are loaded again in every step.
        y : dask array, series or dataframe of shape (n_samples,)
            Class labels of any type.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        TypeError
            If X or y is not a dask collection.
        ValueError
            For a parameter or data that nothing can be learnt from, several chunks of
            columns, and partitions with a single class.
        RuntimeError
            If workers die one after the other, if the scheduler does not answer, or if
            there is no worker for 5 minutes. Another time is set by
            ``dask.config.set({"skmetric.no-workers-timeout": "1 hour"})``. Whenever a fit
            fails or is interrupted, the estimator stays as it was and work under way is
            cancelled.
        """
        partitions, parameters = self._checked(X, y, reset=True)
        with partitions:
            return self._fit(parameters, partitions, partitions, {"X": X, "y": y})

    def transform(self, X):
        """Map rows to the learnt space, lazily for dask collections.

        Parameters
        ----------
        X : dask array or dask dataframe of shape (n_samples, n_features)
            Or anything that the local learner takes.

        Returns
        -------
        Z : dask array or dask dataframe of shape (n_samples, n_components)
            An array for an array, a dataframe for a dataframe, in the same partitions. NaN
            and infinity are refused when it is computed. Rows in memory are mapped at once.
        """
        check_is_fitted(self)
        if not is_collection(X):
            return super().transform(X)
        check_table(X, "X")
        check_features(self, X, reset=False)
        dtype = float_dtype(array_dtype(X))
        arguments = delayed(self.components_), self.metric, dtype
        if isinstance(X, da.Array):
            k = len(self.components_)
            return X.map_blocks(
                map_block,
                *arguments,
                dtype=dtype,
                chunks=(X.chunks[0], (k,)),
                meta=np.empty((0, 0), dtype),
            )
        columns = self.get_feature_names_out()
        # A frame without rows that has the type, columns and dtype of the result.
        meta = X._meta.iloc[:, [0] * len(columns)].set_axis(columns, axis=1).astype(dtype)
        return X.map_partitions(map_frame, *arguments, columns, meta=meta)

    def to_local(self):
        """The learner in memory with the same parameters and, if fitted, the same map.

        Returns
        -------
        learner : TripletMetricLearner or ContrastiveMetricLearner
            It does not depend on this estimator or on a cluster.
        """
        learner = self._local_class(**self.get_params(deep=False))
        vars(learner).update(vars(self))
        return learner

    # Overrides of what `BaseMetricLearner` does with rows in memory.

    def _checked(self, X, y, reset):
        parameters = self._checked_parameters()
        self._check_labels_only(parameters)
        check_table(X, "X")
        check_features(self, X, reset)
        # Unknown options are refused before any work is done.
        constraints_for(parameters, X.shape[1])
        arrays = align(as_dask_array(X, "X"), as_dask_array(y, "y"))
        return LabeledPartitions(*arrays, parameters.metric), parameters

    def _check_labels_only(self, parameters):
        """Refuse what needs to know the y of all rows."""
        for name, refused in {
            "target": parameters.target == "continuous",
            "class_weight": parameters.class_weight is not None,
            "unlabeled": parameters.unlabeled is not None,
        }.items():
            if refused:
                raise ValueError(
                    f"Got {name}={short(getattr(self, name))}, but expected the default: "
                    f"{type(self).__name__} learns from class labels of one weight, which "
                    "each row has. Leave out rows without one, or use "
                    f"{self._local_class.__name__} on a sample in memory."
                )

    def _rows(self, parameters, partitions, target):
        return partitions

    def _fit_map(self, settings, partitions, target, W0, start, random_state, history):
        return fit_partitions(settings, partitions, W0, start, random_state, history)

    def _sample(self, partitions):
        return partitions.sample


def local_sections(learner):
    """What the docstring of a local learner says of its parameters and attributes."""
    text = learner.__doc__ or ""
    start, end = text.find("The parameters tell:"), text.find("See Also\n")
    return text[start:end].rstrip()


@with_texts(local=local_sections(TripletMetricLearner))
class DaskTripletMetricLearner(
    DaskLearnerMixin, TripletMetricLearner, auto_wrap_output_keys=None
):
    """Learn a linear map from triplets within the partitions of dask collections.

    This is `TripletMetricLearner` for rows that are spread over a cluster. Parameters and
    objective are the same. On a single partition the map is the same, too, but for
    ``"adam"`` and ``"sgd"`` with ``max_iter=None``.

    %(local)s

    See Also
    --------
    skmetric.TripletMetricLearner : For rows in memory; `to_local` gives one.

    Notes
    -----
    Triplets are formed within a partition. ``solver="auto"``, the number of epochs and the
    batch size depend on the rows of the largest one. ``"lbfgs"`` makes one pass over all
    partitions in each step. ``"adam"`` and ``"sgd"`` run an epoch in each partition and
    then average the maps and the optimizer's states, weighted by rows [1]_, [2]_. So maps
    are exchanged once per epoch, and an epoch has as many updates as one partition has
    batches. With ``max_iter=None`` there are 15 epochs, or as many as 200
    updates take. Seeds are spawned from `random_state`, one for each partition and epoch.

    Data that are not persisted are loaded in each step or epoch. ``X = X.persist()`` keeps
    them in the memory of the workers if they fit there. `n_subsamples` has no effect:
    L-BFGS takes all rows. An `init` given by name takes one or two more passes, and
    ``"pca"`` and ``"lda"`` need O(n_features²) memory on each worker. With `early_stopping`
    rows are held out, and scored, within partitions. ``target="continuous"``, fractional y,
    several labels a row, `unlabeled` and `class_weight` are refused. Leave out unlabelled
    rows, as ``X[y != -1]`` and ``y[y != -1]``.

    References
    ----------
    .. [1] B. McMahan et al., "Communication-efficient learning of deep networks from
       decentralized data", AISTATS 2017.
    .. [2] S. Stich, "Local SGD converges fast and communicates little", ICLR 2019.

    Examples
    --------
    >>> import dask.array as da
    >>> from sklearn.datasets import load_digits
    >>> from skmetric.dask import DaskTripletMetricLearner
    >>> X, y = load_digits(return_X_y=True)
    >>> X, y = da.from_array(X, chunks=(600, -1)), da.from_array(y, chunks=600)
    >>> learner = DaskTripletMetricLearner(n_components=16, random_state=0).fit(X, y)
    >>> learner.transform(X)
    dask.array<map_block, shape=(1797, 16), dtype=float64, chunksize=(600, 16), \
chunktype=numpy.ndarray>
    >>> learner.to_local()
    TripletMetricLearner(n_components=16, random_state=0)
    """

    fit_triplets = NotAvailable()
    partial_fit_triplets = NotAvailable()
    _local_class = TripletMetricLearner


@with_texts(local=local_sections(ContrastiveMetricLearner))
class DaskContrastiveMetricLearner(
    DaskLearnerMixin, ContrastiveMetricLearner, auto_wrap_output_keys=None
):
    """Learn a linear map from pairs within the partitions of dask collections.

    This is `ContrastiveMetricLearner` for rows that are spread over a cluster. Parameters
    and objective are the same. On a single partition the map is the one that the local
    learner has with ``n_subsamples=1``.

    %(local)s

    See Also
    --------
    skmetric.ContrastiveMetricLearner : For rows in memory; `to_local` gives one.
    DaskTripletMetricLearner : Learns from triplets. Its notes on partitions and solvers
        hold here, too.

    Examples
    --------
    >>> import dask.array as da
    >>> from sklearn.datasets import load_digits
    >>> from skmetric.dask import DaskContrastiveMetricLearner
    >>> X, y = load_digits(return_X_y=True)
    >>> X, y = da.from_array(X, chunks=(600, -1)), da.from_array(y, chunks=600)
    >>> learner = DaskContrastiveMetricLearner(n_components=16, random_state=0).fit(X, y)
    >>> learner.transform(X).chunks
    ((600, 600, 597), (16,))
    """

    fit_pairs = NotAvailable()
    partial_fit_pairs = NotAvailable()
    _local_class = ContrastiveMetricLearner


def map_block(block, W, metric, dtype):
    """Map the rows of a block."""
    X = as_rows(block, dtype)
    assert_all_finite(X, input_name="X")
    return map_rows(X, W, metric)


def map_frame(frame, W, metric, dtype, columns):
    """Map the rows of a dataframe, and return a dataframe."""
    Z = map_block(frame, W, metric, dtype)
    return type(frame)(Z, columns=columns, index=frame.index)
