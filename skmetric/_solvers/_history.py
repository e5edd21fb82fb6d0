"""What one sees while a map is learnt: curves, a line an iteration, callbacks."""


class History:
    """Listens to a solver, see :mod:`skmetric._solvers._minimize`.

    Parameters
    ----------
    estimator : estimator instance
    context : callback context
    data : dict
        X and y, for callbacks.
    """

    def __init__(self, estimator, context, data):
        self.estimator, self.context, self.data = estimator, context, data
        self.losses, self.active_fractions, self.scores = [], [], []
        self.margins = {}
        # From the parameters of a solver to the map.
        self.expand = lambda parameters: parameters
        self._task = None

    def follow(self, task_name):
        """Say what an iteration is called."""
        self.task_name = task_name

    def start(self):
        """Begin an iteration, unless one is open."""
        if self._task is None:
            self._task = self.context.subcontext(task_name=self.task_name)
            self._task.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def finish(self, step):
        """End an iteration; true if a callback asks to stop."""
        self.losses.append(step.loss)
        self.active_fractions.append(step.active_fraction)
        if self.estimator.verbose:
            print(self._line())
        task, self._task = self._task, None
        return task.call_on_fit_task_end(
            estimator=self.estimator,
            reconstruction_attributes=lambda: {"components_": self.expand(step.parameters)},
            **self.data,
        )

    def close(self):
        """End an iteration that was begun but not needed."""
        if self._task is not None:
            self._task.call_on_fit_task_end(estimator=self.estimator)

    def _line(self):
        parts = [
            f"loss {self.losses[-1]:.6g}",
            f"active {100 * self.active_fractions[-1]:.2f} %",
        ]
        if self.scores:
            parts.append(f"validation {self.scores[-1]:.4f}")
        name = type(self.estimator).__name__
        return f"[{name}] {self.task_name} {len(self.losses)}: {', '.join(parts)}"
