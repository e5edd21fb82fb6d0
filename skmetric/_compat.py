"""Callbacks where scikit-learn has them (1.9 and later); nothing, silently, below."""

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


__all__ = ["CallbackSupportMixin", "with_callbacks"]
