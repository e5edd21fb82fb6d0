"""Settings of the documentation: ``sphinx-build -W --keep-going docs build/docs``.

The build needs no network: there is no inventory of other projects to fetch, so that names
outside of skmetric, listed below, stay without a link.
"""

import skmetric

project = "skmetric"
copyright = "skmetric developers, BSD-3-Clause"
release = version = skmetric.__version__
extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["auto_examples/**.ipynb"]
templates_path = ["_templates"]

# Every reference must lead somewhere, but for names of other packages.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(numpy|scipy|sklearn|matplotlib|pandas)\..*")]
linkcheck_ignore = [r"https?://"]

smartquotes = False
autosummary_generate = True
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
# All but: an extended summary, "See Also" and an example for each method, the infinitive
# in a summary, no name in front of what is returned, and a type where it is that of `fit`.
numpydoc_validation_checks = {"all", "ES01", "EX01", "PR04", "RT02", "SA01", "SS05"}

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "ignore_pattern": r"(quickstart|sentence_transformers_dense)\.py",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "doc_module": ("skmetric",),
    "backreferences_dir": "generated/examples",
    "reference_url": {"skmetric": None},
    "image_srcset": ["2x"],
    "download_all_examples": False,
    "write_computation_times": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "skmetric"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
# Pages without others below them.
html_sidebars = {
    page: []
    for page in (
        "benchmarks",
        "changelog",
        "contributing",
        "decisions",
        "guide/getting_started",
    )
}
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
