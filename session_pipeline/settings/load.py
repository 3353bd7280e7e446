"""From settings.toml to `Settings`, or to sentences that say which keys cannot be used and why.

Knows TOML, and pydantic's errors. Does not know what a setting means.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from session_pipeline.errors import SettingsError, SettingsFileError
from session_pipeline.settings.model import Section, Settings
from session_pipeline.settings.values import shown

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SECTIONS = {
    name
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}

# What to write instead, by pydantic's type of error.
_HINTS: Mapping[str, str] = {
    "int_type": "write a whole number",
    "float_type": "write a number",
    "finite_number": "write a finite number",
    "string_type": "write a text in quotes",
    "bool_type": "write true or false",
    "date_type": "write a date without quotes, as 2024-05-31",
    "tuple_type": "write a list, as [ ... ]",
    "dict_type": "write a table, as [name] and its keys below",
    "model_type": "write a table, as [name] and its keys below",
    "greater_than_equal": "write at least {ge}",
    "less_than_equal": "write at most {le}",
    "too_short": "write at least {min_length}",
    "literal_error": "write {expected}: nothing else exists yet",
}


def load_settings(data_folder: Path) -> Settings:
    """The settings of a data folder.

    Raises:
        SettingsError: There are none, or they cannot be used.
    """
    path = data_folder / "settings.toml"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        hint = f"make a data folder with `session-pipeline init {data_folder}`"
        raise SettingsError(str(path), "does not exist", hint) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(str(path), f"cannot be read ({error})", "make it a text file in UTF-8") from None
    return parse_settings(text, str(path))


def parse_settings(text: str, file: str = "settings.toml") -> Settings:
    """The settings that a file's text gives over the packaged defaults.

    A section is laid over the packaged one key by key. A list ([[outcomes]], [[goals]], [[funnels]], ...), [dimensions]
    and [sources] replace the packaged ones whole.

    Args:
        text: TOML.
        file: Its name, for errors.

    Raises:
        SettingsError: It is no TOML.
        SettingsFileError: It has settings that cannot be used; all of them are named.
    """
    merged = dict(_packaged())
    for key, value in _read(text, file).items():
        is_laid_over = key in _SECTIONS and isinstance(value, dict)
        merged[key] = {**merged[key], **value} if is_laid_over else value
    dimensions = merged["dimensions"]
    try:
        context = {"dimensions": tuple(dimensions) if isinstance(dimensions, dict) else ()}
        return Settings.model_validate(merged, context=context)
    except ValidationError as error:
        raise SettingsFileError(file, [_explained(details) for details in error.errors()]) from None


def key_of_source(name: str) -> str:
    """How the settings of a source are headed in settings.toml: [sources.web], [sources."a b"]."""
    return f"[{_path(('sources', name))}]"


def settings_template() -> str:
    """The commented settings that `init` writes: every key that has a default, with it."""
    return files("session_pipeline").joinpath("settings_template.toml").read_text(encoding="utf-8")


@cache
def _packaged() -> Mapping[str, Any]:
    return tomllib.loads(settings_template())


def _read(text: str, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(file, f"is no TOML: {error}", "mend that line; texts are quoted, true is small") from None
    except RecursionError:
        raise SettingsError(file, "is no TOML that can be read", "nest lists less deeply") from None


def _explained(details: ErrorDetails) -> SettingsError:
    location = details["loc"]
    key, context = _path(location), details.get("ctx", {})
    if details["type"] == "refused":
        return SettingsError(key, context["problem"], context["hint"])
    if details["type"] == "missing":
        return SettingsError(key, "is missing", "add it")
    if details["type"] == "extra_forbidden":
        return SettingsError(key, "is no setting", _unknown_key_hint(location))
    problem = f"has {context['actual_length']}" if details["type"] == "too_short" else f"is {shown(details['input'])}"
    hint = _HINTS[details["type"]].format(**context) if details["type"] in _HINTS else details["msg"]
    return SettingsError(key, problem, hint)


def _path(location: tuple[int | str, ...]) -> str:
    """The path of a key, as `funnels[0].steps[1].where`."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part != "[key]":  # pydantic says so where the key itself is refused
            quoted = part if _BARE_KEY.fullmatch(part) else json.dumps(part, ensure_ascii=False)
            path += ("." if path else "") + quoted
    return path


def _unknown_key_hint(location: tuple[int | str, ...]) -> str:
    names = [part for part in location if isinstance(part, str)]
    if names[0] == "sources":
        del names[1]  # what a source is called is up to its folder
    match = get_close_matches(".".join(names), _known_keys(Settings), n=1)
    if not match:
        return "leave it out; `session-pipeline init` writes a file with all there are"
    return f"did you mean {match[0].removeprefix('.'.join([*names[:-1], '']))}?"


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
