"""The tables that the packaged settings build. Those of identity are built only if the settings ask for them."""

from collections.abc import Mapping

from session_pipeline import tables
from session_pipeline.tables.steps import is_optional

TABLES: Mapping[str, tables.Table] = {name: each for name, each in tables.TABLES.items() if not is_optional(name)}
