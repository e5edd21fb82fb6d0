"""Rows that are a parameter of an estimator, and that its clones share."""


class SharedRows:
    """Rows without a length, whose copy is the object itself.

    scikit-learn's searches deep-copy the parameters of an estimator for each candidate, and
    slice what is as long as the rows they split. They do neither to this.

    Parameters
    ----------
    rows : {array-like, sparse matrix, dataframe}
    """

    def __init__(self, rows):
        self.rows = rows

    def __deepcopy__(self, memo):
        return self

    def __copy__(self):
        return self

    def __repr__(self):
        shape = getattr(self.rows, "shape", None)
        return f"<{type(self.rows).__name__}{f' of shape {shape}' if shape else ''}>"


def shared_rows(name):
    """A parameter that holds `SharedRows`, or None, whatever it is set to."""
    hidden = f"_{name}"

    def get(estimator):
        return getattr(estimator, hidden)

    def put(estimator, rows):
        is_plain = rows is not None and not isinstance(rows, SharedRows)
        setattr(estimator, hidden, SharedRows(rows) if is_plain else rows)

    return property(get, put)


def unshared(rows):
    """The rows themselves."""
    return rows.rows if isinstance(rows, SharedRows) else rows
