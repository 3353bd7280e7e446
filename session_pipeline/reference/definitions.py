"""Provides the packaged definitions of sessions: those of other tools, from definitions.toml, which names the sources.

settings/definitions.py validates them like a user's own. tables/definitions/ counts sessions by them.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any


@cache
def packaged_definitions() -> Mapping[str, Mapping[str, Any]]:
    """Return the packaged definitions by name, as they are written in the file."""
    text = files(__package__).joinpath("definitions.toml").read_text(encoding="utf-8")
    return MappingProxyType(tomllib.loads(text))
