"""Loads `Settings` from settings.toml and the environment, or reports which keys are invalid and why.

Parses TOML and turns pydantic's errors into sentences. model.py defines the settings and their limits.
"""

import json
import os
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from session_pipeline.data_folder import DataFolder
from session_pipeline.errors import SettingsError, SettingsFileError
from session_pipeline.reference.signals import Signal
from session_pipeline.settings.environment import PREFIX, Variable, unknown_variable_hint, variable_of, variables
from session_pipeline.settings.model import Settings
from session_pipeline.settings.presets import NO_PRESET, over_preset, read_preset
from session_pipeline.settings.section import Section
from session_pipeline.settings.sources import Preset
from session_pipeline.settings.values import closest, parse_toml, shown

_START_DATE = re.compile(r"^start_date = \S+", re.MULTILINE)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SECTIONS = {
    name
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}

# Hints on what to write instead, by pydantic's type of error.
_HINTS: Mapping[str, str] = {
    "int_type": "write a whole number",
    "float_type": "write a number",
    "finite_number": "write a finite number",
    "string_type": "write a string in quotes",
    "bool_type": "write true or false",
    "date_type": "write a date without quotes, such as 2024-05-31",
    "tuple_type": "write a list: [ ... ]",
    "dict_type": "write a table: {{ key = ... }}",
    "model_type": "write a table: {{ key = ... }}",
    "greater_than_equal": "write at least {ge}",
    "less_than_equal": "write at most {le}",
    "too_short": "write at least {min_length}",
    "literal_error": "write {expected}",
}
# Hints for options of other tools that a source does not need, by key.
_NEEDLESS_KEYS: Mapping[str, str] = {
    "encoding": "remove it; text is read in UTF-8, so deliver it in UTF-8",
    "charset": "remove it; text is read in UTF-8, so deliver it in UTF-8",
    "compression": "remove it; compressed files are recognized, such as .gz and .zst",
}
# Keys of a table in a list for which it is not enough to name the required ones, by the name of the list.
_USUAL_KEYS: Mapping[str, Sequence[str]] = {
    "outcomes": ("name", "where"),
    "exclusions": ("where",),
    "link": ("visitor_id", "user_id"),
    "unlink": ("visitor_id", "user_id"),
}


def load_settings(data_folder: Path) -> Settings:
    """Load the settings of a data folder. The environment overrides the file, which overrides the packaged defaults.

    A folder with `raw/` and without settings.toml has the packaged defaults.

    Raises:
        SettingsError: There are no settings, or they are invalid.
    """
    folder = DataFolder(data_folder)
    path = folder.settings
    if not folder.has_settings and folder.raw.is_dir():
        return parse_settings("", "the environment", os.environ, folder=folder.path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        hint = f"create a data folder with `session-pipeline init {shlex.quote(str(data_folder))}`"
        raise SettingsError(str(path), "does not exist", hint) from None
    except UnicodeDecodeError as error:
        raise SettingsError(str(path), f"cannot be read ({error})", "save it as a UTF-8 text file") from None
    except OSError as error:
        hint = "it must be a file that this user can read"
        raise SettingsError(str(path), f"cannot be read ({error.strerror})", hint) from None
    return parse_settings(text, str(path), os.environ, folder=folder.path)


def own_keys(data_folder: Path, source: str) -> Mapping[str, Any]:
    """Return the keys of a source as settings.toml has them, without those of its preset, of valid settings."""
    folder = DataFolder(data_folder)
    if not folder.has_settings:
        return {}
    found = parse_toml(folder.settings.read_text(encoding="utf-8-sig"), str(folder.settings))
    keys: Mapping[str, Any] = found.get("sources", {}).get(source, {})
    return keys


def parse_settings(
    text: str,
    file: str = "settings.toml",
    environment: Mapping[str, str] = MappingProxyType({}),
    *,
    folder: Path | None = None,
) -> Settings:
    """Combine the text of a settings file and environment variables with the packaged defaults.

    A section overrides the packaged section key by key. A list ([[outcomes]], [[goals]], [[funnels]], ...),
    [dimensions] and [sources] replace the packaged ones as a whole. A variable replaces the key that it names, after
    the file.

    Args:
        text: TOML.
        file: The name of the file, for errors.
        environment: Environment variables; those that are not settings are ignored.
        folder: The folder of the settings file, for the user's own presets; None: there are none.

    Raises:
        SettingsError: The text is not valid TOML.
        SettingsFileError: Some settings are invalid; the error lists all of them.
    """
    merged = dict(_packaged())
    for key, value in parse_toml(text, file).items():
        is_merged = key in _SECTIONS and isinstance(value, dict)
        merged[key] = {**merged[key], **value} if is_merged else value
    found = list(variables(environment))
    errors = [error for error in found if isinstance(error, SettingsError)]
    given = []
    for variable in (variable for variable in found if isinstance(variable, Variable)):
        try:
            merged = _with(merged, variable)
            given.append(variable)
        except SettingsError as error:
            errors.append(error)
    dimensions = merged["dimensions"]
    merged["sources"] = _with_presets(merged["sources"], folder, errors)
    try:
        context = {"dimensions": tuple(dimensions) if isinstance(dimensions, dict) else ()}
        settings = Settings.model_validate(merged, context=context)
    except ValidationError as error:
        errors += [_explained(details, given) for details in _causes(error.errors())]
    if errors:
        in_environment = sum(error.key.startswith(PREFIX) for error in errors)
        where = [file] * (in_environment < len(errors)) + ["the environment"] * (in_environment > 0)
        raise SettingsFileError(" with ".join(dict.fromkeys(where)), errors)
    return settings


def _with_presets(sources: Any, folder: Path | None, errors: list[SettingsError]) -> Any:
    """Return the sources with the keys of their presets below their own; add the errors of presets."""
    if not isinstance(sources, dict):
        return sources
    merged = dict(sources)
    for name, own in sources.items():
        chosen = own.get("preset") if isinstance(own, dict) else None
        if not isinstance(chosen, str) or chosen == NO_PRESET:
            continue
        try:
            where, preset = read_preset(chosen, folder, _path(("sources", name, "preset")))
        except SettingsError as error:
            errors.append(error)
            merged[name] = {key: value for key, value in own.items() if key != "preset"}
            continue
        try:
            Preset.model_validate({"about": "", **preset})
            merged[name] = over_preset(own, preset)
        except ValidationError as error:
            for details in _causes(error.errors()):
                found = _explained({**details, "loc": ("sources", "", *details["loc"])}, ())
                key = found.key.removeprefix('sources."".')
                hint = found.hint.replace('[sources."".', "[")
                errors.append(SettingsError(f"{where}: {key}", found.problem, hint))
    return merged


def path_of_source(name: str, *keys: str) -> str:
    """Return the path of a source, or of a key of it, as in settings.toml: sources.web.columns or sources."a b"."""
    return _path(("sources", name, *keys))


def key_of_source(name: str) -> str:
    """Return the header of a source's section in settings.toml, such as [sources.web] or [sources."a b"]."""
    return f"[{path_of_source(name)}]"


def source_section(name: str, keys: Mapping[str, Any]) -> str:
    """Return the section of a source as it is written in settings.toml: texts, booleans, lists of texts and tables."""
    lines = [f"{key} = {as_toml(value)}" for key, value in keys.items()]
    return "\n".join([key_of_source(name), *lines, ""])


def as_toml(value: Any) -> str:
    """Return a text, a boolean, a list of texts or a table as it is written in settings.toml."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        members = ", ".join(f"{_key(key)} = {as_toml(each)}" for key, each in value.items())
        return f"{{ {members} }}"
    if isinstance(value, str):
        return _quoted(value)
    return f"[{', '.join(map(as_toml, value))}]"


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _quoted(name)


def _quoted(text: str) -> str:
    """Return a text as in TOML, with characters escaped that a terminal cannot show, such as a no-break space."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else _escaped(char) for char in quoted)


def _escaped(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"


def settings_template(start_date: date | None = None) -> str:
    """Return the commented settings that `init` writes: all keys that have a default, with their defaults.

    Args:
        start_date: Another start_date than the default.
    """
    text = files(__package__).joinpath("template.toml").read_text(encoding="utf-8")
    return text if start_date is None else _START_DATE.sub(f"start_date = {start_date}", text)


@cache
def _packaged() -> Mapping[str, Any]:
    return tomllib.loads(settings_template())


def _with(tables: Mapping[str, Any], variable: Variable) -> dict[str, Any]:
    """Return the tables with the value of a variable at its path. A whole section is merged key by key.

    Raises:
        SettingsError: The path leads into a value that is not a table.
    """
    changed = dict(tables)
    table = changed
    *outer, last = variable.path
    for depth, key in enumerate(outer, start=1):
        inner = table.get(key, {})
        if not isinstance(inner, dict):
            whole = variable_of(variable.path[:depth])
            raise SettingsError(variable.name, "is an unknown setting", f"{key} is not a table; set it with {whole}")
        table[key] = table = dict(inner)
    is_section = not outer and last in _SECTIONS and isinstance(table[last], dict) and isinstance(variable.value, dict)
    table[last] = {**table[last], **variable.value} if is_section else variable.value
    return changed


def _causes(found: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out lists that are too short only because their elements are invalid."""
    inner = {other["loc"][:length] for other in found for length in range(len(other["loc"]))}
    return [details for details in found if details["type"] != "too_short" or details["loc"] not in inner]


def _explained(details: ErrorDetails, given: Sequence[Variable]) -> SettingsError:
    location = details["loc"]
    key, context = _path(location), details.get("ctx", {})
    variable = _variable_at(location, given, is_refused=details["type"] == "refused" and "[key]" not in location)
    if variable is not None:
        rest = _path(location[len(variable.path) :])
        key = variable.name + (f".{rest}" if rest and not rest.startswith("[") else rest)
    if details["type"] == "refused":
        return SettingsError(key, context["problem"], context["hint"])
    if details["type"] == "missing":
        return SettingsError(key, "is missing", "add it")
    if details["type"] == "extra_forbidden":
        return SettingsError(key, "is an unknown setting", _unknown_key_hint(location, variable))
    problem = f"has {context['actual_length']}" if details["type"] == "too_short" else f"is {shown(details['input'])}"
    hint = _HINTS[details["type"]].format(**context) if details["type"] in _HINTS else details["msg"]
    return SettingsError(key, problem, _table_hint(details) or hint)


def _table_hint(details: ErrorDetails) -> str | None:
    """Return how to write a table, or a list of tables, that was written in another way; None if it was not."""
    *outer, last = details["loc"]
    if details["type"] == "tuple_type" and not outer and isinstance(details["input"], dict):
        return f"write [[{last}]] in double brackets above each one, with its name below it"
    if details["type"] == "model_type" and not outer and isinstance(details["input"], list):
        return f"write [{last}] in single brackets, once"
    names = [part for part in outer if isinstance(part, str)]
    if details["type"] in ("model_type", "dict_type") and len(names) == len(outer) and isinstance(last, str):
        path = "sources.web" if details["loc"] == ("sources",) else _path(details["loc"])
        return f"write a table: [{path}], and its keys below it"
    section = _section_at(names)
    if details["type"] == "model_type" and isinstance(last, int) and section is not None:
        required = [name for name, field in section.model_fields.items() if field.is_required()]
        keys = _USUAL_KEYS.get(names[-1], required)
        return f"write a table: {{ {', '.join(f'{key} = ...' for key in keys)} }}"
    return None


def _section_at(names: Sequence[str]) -> type[Section] | None:
    """Return the section of the elements of a list, such as that of funnel steps; None if they have none."""
    section: type[Section] | None = Settings
    for name in [*names[:1], *names[2:]] if names[:1] == ["sources"] else names:
        field = section.model_fields.get(name) if section is not None else None
        section = next(_sections_in(field.annotation), None) if field is not None else None
    return section


def _path(location: tuple[int | str, ...]) -> str:
    """Return the path of a key, such as `funnels[0].steps[1].where`."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part != "[key]":  # pydantic adds this part if the key itself is invalid
            path += ("." if path else "") + _key(part)
    return path


def _variable_at(location: tuple[int | str, ...], given: Sequence[Variable], is_refused: bool) -> Variable | None:
    """Return the variable that set the value at a location; the most specific one if there are several.

    A variable below the location can also be the reason why a value exists there, but not the reason why several keys
    contradict each other.
    """
    location = tuple(part for part in location if part != "[key]")
    found = [variable for variable in given if location[: len(variable.path)] == variable.path]
    if not found and not is_refused:
        found = [variable for variable in given if variable.path[: len(location)] == location]
    return max(found, key=lambda variable: len(variable.path), default=None)


def _unknown_key_hint(location: tuple[int | str, ...], variable: Variable | None) -> str:
    if variable is not None and len(variable.path) >= len(location):
        return unknown_variable_hint(variable.name)
    names = [part for part in location if isinstance(part, str)]
    if names[0] == "sources":
        if names[2:] and names[2] in _NEEDLESS_KEYS:
            return _NEEDLESS_KEYS[names[2]]
        del names[1]  # the name of a source is the name of its folder
    if names[:2] == ["definitions", "rules"] and len(names) > 3:
        del names[2]  # the name of a definition is the user's
    if names[:-1] == ["friction"] and names[-1] in get_args(Signal):
        return f"to switch this signal off, write signals without {names[-1]!r}"
    known, table = _known_keys(Settings), ".".join([*names[:-1], ""])
    of_table = [key.removeprefix(table) for key in known if table and key.startswith(table)]
    if direct := [name for name in of_table if "." not in name]:
        return closest(names[-1], direct)
    match = get_close_matches(".".join(names), known, n=1)
    return (
        f"did you mean {match[0]}?" if match else "remove it; `session-pipeline init` writes a file with all settings"
    )


def _known_keys(section: type[Section], prefix: str = "") -> list[str]:
    keys = []
    for name, field in section.model_fields.items():
        keys.append(prefix + name)
        for inner in _sections_in(field.annotation):
            keys += _known_keys(inner, f"{prefix}{name}.")
    return keys


def _sections_in(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for argument in get_args(annotation):
        yield from _sections_in(argument)
