"""Reads settings from environment variables, such as SESSION_PIPELINE_SESSIONS__INACTIVITY_MINUTES=20.

Finds the variables and parses their values with pydantic-settings. load.py combines them with the file; model.py
validates the values.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import reduce
from operator import getitem
from typing import Any

from session_pipeline.errors import SettingsError
from session_pipeline.settings.model import Settings
from session_pipeline.settings.section import Section
from session_pipeline.settings.sources import SourceSettings
from session_pipeline.settings.values import shown

PREFIX = "SESSION_PIPELINE_"
DELIMITER = "__"
# Variables that are not settings: the data folder, and those with which store/crash_points.py lets tests kill a run.
OTHERS = {f"{PREFIX}{name}" for name in ("DATA", "CRASH_AT", "CRASH_LOG")}
# Variables that Kubernetes and Docker set in every container that can reach a service named session-pipeline.
OF_SERVICES = re.compile(PREFIX + r"(SERVICE_(HOST|PORT(_.+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)")

Path = tuple[str, ...]


@dataclass(frozen=True)
class Variable:
    """An environment variable that sets a key of the settings.

    Attributes:
        name: The name as in the environment.
        path: The key that it sets, such as ("sessions", "inactivity_minutes").
        values: Nested tables that contain the value of the key.
    """

    name: str
    path: Path
    values: Mapping[str, Any]

    @property
    def value(self) -> Any:
        """The value of the key."""
        return reduce(getitem, self.path, self.values)


def variables(environment: Mapping[str, str]) -> Iterator[Variable | SettingsError]:
    """Yield the variables that set keys, sorted by name, and an error for each variable that cannot be read."""
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in OTHERS and not OF_SERVICES.fullmatch(name):
            yield _variable(name, environment[name])


def variable_of(path: Path) -> str:
    """Return the name of the variable that sets a key."""
    return PREFIX + DELIMITER.join(path).upper()


def unknown_variable_hint(name: str) -> str:
    """Return what to do about a variable that sets no key."""
    parts = name.removeprefix(PREFIX).split(DELIMITER)
    known = [*_paths(Settings)]
    if parts[0].upper() == "SOURCES" and len(parts) > 1:
        known += _paths(SourceSettings, ("sources", parts[1]))
    match = get_close_matches(name, map(variable_of, known), n=1)
    return f"did you mean {match[0]}?" if match else "unset it; docs/operations.md explains the names of variables"


def _variable(name: str, text: str) -> Variable | SettingsError:
    parts = name.removeprefix(PREFIX).split(DELIMITER)
    try:
        if not all(parts):
            raise ValueError
        if parts[0].upper() != "SOURCES" or len(parts) == 1:
            values = _read(Settings, PREFIX, name, text)
        elif len(parts) == 2:
            values = {"sources": {parts[1].lower(): json.loads(text)}}
        else:
            of_source = _read(SourceSettings, f"{PREFIX}SOURCES{DELIMITER}{parts[1]}{DELIMITER}", name, text)
            values = {"sources": {parts[1].lower(): of_source}}
        return Variable(name, _path(values, len(parts)), values)
    except (json.JSONDecodeError, RecursionError):
        return SettingsError(name, f"is {shown(text)}", "write it as JSON")
    except ValueError:  # there is no such key
        return SettingsError(name, "is an unknown setting", unknown_variable_hint(name))


def _path(values: Any, length: int) -> Path:
    path = []
    for _ in range(length):
        (key,) = values  # ValueError if the variable set nothing
        path.append(key)
        values = values[key]
    return tuple(path)


def _read(section: type[Section], prefix: str, name: str, text: str) -> dict[str, Any]:
    """Return the values that one variable sets. Variables are read one by one, so that errors can name them."""
    from pydantic_settings import EnvSettingsSource  # takes a third of a second to import
    from pydantic_settings import SettingsError as NotJsonError

    source = EnvSettingsSource(
        section,  # type: ignore[arg-type]  # only its fields and its configuration are used
        case_sensitive=False,
        env_prefix=prefix.lower(),
        env_nested_delimiter=DELIMITER,
    )
    source.env_vars = {name.lower(): text}
    try:
        return source()
    except NotJsonError:
        raise json.JSONDecodeError("is not valid JSON", text, 0) from None


def _paths(section: type[Section], before: Path = ()) -> Iterator[Path]:
    for name, field in section.model_fields.items():
        path = (*before, name)
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, Section):
            yield from _paths(annotation, path)
        else:
            yield path
