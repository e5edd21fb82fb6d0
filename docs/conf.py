"""Settings of the documentation: ``sphinx-build -W --keep-going docs build/docs``.

The build needs no network: the inventories of scikit-learn and scipy are local files.
"""

import doctest
import re
import socket
import sys
from pathlib import Path

import skmetric
from skmetric import plotting

sys.path.insert(0, str(Path(__file__).parent))  # for gallery_order

project = "skmetric"
copyright = "skmetric developers, BSD-3-Clause"
release = version = skmetric.__version__
extensions = [
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["auto_examples/**.ipynb", "inventories"]
templates_path = ["_templates"]

intersphinx_mapping = {
    "sklearn": ("https://scikit-learn.org/stable/", "inventories/sklearn.inv"),
    "scipy": ("https://docs.scipy.org/doc/scipy/", "inventories/scipy.inv"),
}
# Every reference must lead somewhere, but for names that have no inventory, or are newer.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(numpy|matplotlib|pandas)\..*"),
    (r"py:.*", r"sklearn\.(frozen|utils\.metadata_routing)\..*"),
]

smartquotes = False
toc_object_entries_show_parents = "hide"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

autosummary_generate = True
numpydoc_show_class_members = False
# All but: an extended summary, "See Also" and an example for each method, the infinitive
# in a summary, no name in front of what is returned, and a type where it is that of `fit`.
numpydoc_validation_checks = {"all", "ES01", "EX01", "PR04", "RT02", "SA01", "SS05"}

plot_formats = [("png", 150)]
plot_html_show_formats = plot_html_show_source_link = plot_include_source = False
plot_rcparams = {"savefig.bbox": "tight"}
plot_apply_rcparams = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "ignore_pattern": r"(quickstart|sentence_transformers_dense)\.py",
    "subsection_order": [
        f"../examples/{name}" for name in ("search", "tables", "production")
    ],
    "within_subsection_order": "gallery_order.position",
    "abort_on_example_error": True,
    "doc_module": ("skmetric",),
    "backreferences_dir": "generated/examples",
    "reference_url": {"skmetric": None},
    "image_srcset": ["2x"],
    "remove_config_comments": True,
    "thumbnail_size": (560, 392),
    "download_all_examples": False,
    "write_computation_times": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "skmetric"
html_favicon = "_static/logo.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
# Pages without others below them.
html_sidebars = {
    page: []
    for page in (
        "index",
        "benchmarks",
        "changelog",
        "contributing",
        "decisions",
        "guide/getting_started",
    )
}
html_theme_options = {
    "logo": {
        "image_light": "_static/logo.svg",
        "image_dark": "_static/logo.svg",
        "text": "skmetric",
        "alt_text": "skmetric, to the first page",
    },
    "header_links_before_dropdown": 4,
    "github_url": "https://github.com/skmetric/skmetric",
    "show_prev_next": True,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}


def code_of_example(name):
    """The statements in the example of a display's docstring, which draw it."""
    examples = doctest.DocTestParser().get_examples(getattr(plotting, name).__doc__)
    return "".join(example.source for example in examples)


autosummary_context = {
    "drawings": {name: code_of_example(name) for name in plotting.__all__}
}


def group_parameters(app, what, name, obj, options, lines):
    """Put headings between the parameters of a class, as its docstring groups them.

    A group is an item such as ``- When to stop: `max_iter`, `tol`.`` Its heading goes in
    front of its first parameter, which numpydoc has made an entry of a definition list.
    """
    if what != "class":
        return
    text = "\n".join(lines)
    for heading, first in re.findall(r"(?m)^- ([A-Z][^:\n]+): `(\w+)`", text):
        entry = rf"(?m)^( *)(\*\*{first}\*\* : )"
        text = re.sub(entry, rf"\1.. rubric:: {heading}\n\n\1\2", text, count=1)
    lines[:] = text.split("\n")


def is_online():
    """Whether there is a network."""
    try:
        socket.create_connection(("scikit-learn.org", 443), timeout=5).close()
    except OSError:
        return False
    return True


def ignore_links_offline(app):
    """Check links to other sites only where there is a network."""
    if app.builder.name == "linkcheck" and not is_online():
        app.config.linkcheck_ignore = [r"https?://"]


def setup(app):
    """Group parameters once numpydoc has formatted them, and check links if possible."""
    app.connect("autodoc-process-docstring", group_parameters, priority=900)
    app.connect("builder-inited", ignore_links_offline)
