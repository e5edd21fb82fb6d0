"""Texts that several docstrings contain, each written once."""

import inspect


def with_texts(**texts):
    """Decorator that replaces each ``%(name)s`` in a docstring by the text of that name.

    A name must stand where the docstring is not indented further than its first line. A
    text may contain the names of later ones. Where there is no docstring, as under
    ``python -OO``, nothing changes.
    """

    def fill(documented):
        if documented.__doc__:
            filled = inspect.cleandoc(documented.__doc__)
            for name, text in texts.items():
                filled = filled.replace(f"%({name})s", text)
            documented.__doc__ = filled + "\n"
        return documented

    return fill
