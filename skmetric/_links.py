"""Where an estimator is documented, for scikit-learn's display of it in a notebook."""

# Read the Docs leads /page/ on to the version that is the default.
PAGE = (
    "https://skmetric.readthedocs.io/page/generated/"
    "{estimator_module}.{estimator_name}.html"
)
