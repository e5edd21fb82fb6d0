"""README: its Python runs, and prints what the page says it prints."""

import contextlib
import io
import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
# A block of Python, and the output that may follow it.
BLOCK = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)


def blocks():
    """The blocks of README with their outputs, the empty text where none is shown."""
    return BLOCK.findall(README.read_text("utf-8")) if README.exists() else []


@pytest.mark.parametrize(("code", "output"), blocks())
def test_code_prints_what_readme_says(code, output):
    """Each block runs by itself. One that shows an output prints exactly that."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, {})
    assert not output or printed.getvalue() == output


@pytest.mark.skipif(not README.exists(), reason="README is not with the package")
def test_links_are_absolute():
    """A package index shows README without the files beside it."""
    targets = re.findall(r"\]\(([^)]+)\)", README.read_text("utf-8"))
    assert targets
    assert [target for target in targets if not target.startswith("https://")] == []
