"""README: its Python prints what the page says, and its scores are those of the site."""

import contextlib
import io
import re
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# A block of Python, and the output that may follow it.
BLOCK = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)


def read(page):
    """The text of a page, which an installed package may not have."""
    if not (ROOT / page).exists():
        pytest.skip(f"{page} is not with the package")
    return (ROOT / page).read_text("utf-8")


def scores(text):
    """The numbers such as .639 or .6394, rounded to three digits."""
    numbers = map(Decimal, re.findall(r"(?<!\d)\.\d{3,4}\b", text))
    return {number.quantize(Decimal(".001"), ROUND_HALF_UP) for number in numbers}


def test_code_prints_what_the_page_says():
    """Each block runs by itself. One that shows an output prints exactly that."""
    blocks = BLOCK.findall(read("README.md"))
    assert any(output for _, output in blocks)
    for code, output in blocks:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(code, {})
        assert not output or printed.getvalue() == output


def test_links_are_absolute():
    """A package index shows README without the files beside it."""
    targets = re.findall(r"\]\(([^)]+)\)", read("README.md"))
    assert targets
    assert [target for target in targets if not target.startswith("https://")] == []


@pytest.mark.parametrize("page", ["README.md", "docs/index.rst"])
def test_scores_are_those_of_the_benchmarks(page):
    """A score of three digits is one of docs/benchmarks.md, rounded."""
    shown, measured = scores(read(page)), scores(read("docs/benchmarks.md"))
    assert shown
    assert shown <= measured
