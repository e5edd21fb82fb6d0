"""What scikit-learn asks of estimators: callbacks, from 1.9 on, and links to documentation.

Below 1.9 there are no callbacks, and a fit goes on without.
"""

from functools import wraps

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:
        """Stands in for scikit-learn's mixin: a fit that nobody listens to."""

        def _init_callback_context(self, **kwargs):
            return _NoContext()

    class _NoContext:
        def subcontext(self, **kwargs):
            return self

        def call_on_fit_task_begin(self, **kwargs):
            return self

        def call_on_fit_task_end(self, **kwargs):
            return False

    def with_callbacks(method):
        """Wrap the method as scikit-learn does, which warnings count on."""

        @wraps(method)
        def without_callbacks(estimator, *args, **kwargs):
            return method(estimator, *args, **kwargs)

        return without_callbacks


# Read the Docs leads /page/ on to the version that is the default.
PAGE = (
    "https://skmetric.readthedocs.io/page/generated/"
    "{estimator_module}.{estimator_name}.html"
)

__all__ = ["PAGE", "CallbackSupportMixin", "with_callbacks"]
