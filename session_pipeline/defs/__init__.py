"""All Dagster definitions, one module per concept.

Other packages do not import Dagster, except for type annotations. What is built, and why, is decided in `build`; the
work of a run is in `run`.
"""
