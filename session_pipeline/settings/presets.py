"""Finds presets and puts the keys of a source over those of its preset.

A preset is a TOML file with the keys of a source. Packaged presets are data of ingest/presets/; users' own are in the
folder presets/ next to settings.toml. sources.py defines the keys; load.py validates them.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from stat import S_ISREG
from typing import Any

from session_pipeline.errors import SettingsError
from session_pipeline.settings.shortening import excerpt
from session_pipeline.settings.sources import Preset, Recognition, SourceSettings
from session_pipeline.settings.values import closest, parse_toml, shown

NO_PRESET = "none"  # a source with this preset is never recognized
OWN_FOLDER = "presets"  # next to settings.toml
# Keys that only describe a preset.
_DESCRIPTIONS = ("about", "recognized")
# Tables that are merged key by key; columns and expressions are merged column by column.
_TABLES = ("constants", "event_names", "request")


@cache
def packaged_names() -> tuple[str, ...]:
    """Return the names of the packaged presets, sorted."""
    folder = files("session_pipeline").joinpath("ingest", "presets")
    return tuple(sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml")))


@cache
def packaged_text(name: str) -> str:
    """Return the text of a packaged preset."""
    return files("session_pipeline").joinpath("ingest", "presets", f"{name}.toml").read_text(encoding="utf-8")


@cache
def packaged_preset(name: str) -> Preset:
    """Return a packaged preset."""
    return Preset.model_validate(tomllib.loads(packaged_text(name)))


@cache
def packaged_recognitions() -> Mapping[str, Recognition]:
    """Return how the files of each packaged preset are recognized, by name.

    The rest of the presets is not validated, because parsing their expressions takes longer than a small ingest.
    """
    found = {name: tomllib.loads(packaged_text(name)).get("recognized") for name in packaged_names()}
    return {name: Recognition.model_construct(**given) for name, given in found.items() if given}


def with_preset(own: SourceSettings, name: str) -> SourceSettings:
    """Return the settings of a source whose files are recognized: those of the preset, and the source's own keys."""
    preset = packaged_preset(name)
    given = {key: getattr(preset, key) for key in SourceSettings.model_fields}
    return SourceSettings.model_construct(**{**given, **{key: getattr(own, key) for key in own.model_fields_set}})


def read_preset(name: str, folder: Path | None, key: str) -> tuple[str, dict[str, Any]]:
    """Read a preset: a file of the user's, or a packaged one. A user's file of the same name comes first.

    Args:
        name: Its name, or the path of a TOML file relative to `folder`.
        folder: The folder of settings.toml; None if the settings are not in a folder.
        key: The key that names the preset, for errors.

    Returns:
        The file, for errors, and its content.

    Raises:
        SettingsError: There is no such preset, or it is not valid TOML.
    """
    is_path = name.endswith(".toml")
    path = Path(name) if is_path else Path(OWN_FOLDER) / f"{name}.toml"
    if folder is not None and (is_path or "/" not in name) and _is_file(folder / path, key):
        return str(path), parse_toml(_read(folder / path, key), str(path))
    if name in packaged_names():
        return f"preset {name}", parse_toml(packaged_text(name), f"preset {name}")
    if is_path:
        raise SettingsError(key, f"is {shown(name)}, and there is no such file", "write its path from settings.toml")
    meant = closest(name, [*packaged_names(), NO_PRESET])
    hint = f"{meant} (a preset of your own is the file {excerpt(str(path))} next to settings.toml)"
    raise SettingsError(key, f"is {shown(name)}, which is not a preset", hint)


def over_preset(own: Mapping[str, Any], preset: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a source over those of its preset, both as they were read from TOML.

    A column that the source sets in columns or expressions replaces both in the preset. Constants stay, because they
    are what a column has without a field. The rules for event names of the source come before those of the preset.
    Fields to drop are added to those of the preset, so that a further name keeps no URLs; an empty list drops none.
    """
    merged = {key: value for key, value in preset.items() if key not in _DESCRIPTIONS}
    merged |= {key: value for key, value in own.items() if key not in (*_TABLES, "columns", "expressions", "events")}
    for key in _TABLES:
        _put(merged, key, own.get(key), preset.get(key))
    taken = {name for key in ("columns", "expressions") if isinstance(own.get(key), dict) for name in own[key]}
    for key in ("columns", "expressions"):
        kept = {name: value for name, value in preset.get(key, {}).items() if name not in taken}
        _put(merged, key, own.get(key), kept)
    _put_events(merged, own, preset)
    _put_dropped(merged, own.get("drop_fields"), preset.get("drop_fields"))
    return merged


def _put(merged: dict[str, Any], key: str, own: Any, preset: Any) -> None:
    if isinstance(own, dict):
        merged[key] = {**(preset or {}), **own}
    elif own is not None:
        merged[key] = own  # invalid; load.py reports it
    elif preset:
        merged[key] = preset


def _put_dropped(merged: dict[str, Any], own: Any, preset: Any) -> None:
    if own and isinstance(own, list) and isinstance(preset, list):  # load.py reports what is not a list
        merged["drop_fields"] = [*preset, *(name for name in own if name not in preset)]


def _put_events(merged: dict[str, Any], own: Mapping[str, Any], preset: Mapping[str, Any]) -> None:
    given, names, packaged = own.get("events"), own.get("event_names"), preset.get("events")
    if packaged and (given is None or isinstance(given, list)):
        renamed = [
            {"name": ours, "where": f"event_name = '{theirs.replace(chr(39), chr(39) * 2)}'"}
            for theirs, ours in (names.items() if isinstance(names, dict) else ())
        ]
        merged["events"] = [*(given or []), *renamed, *packaged]
    elif given is not None:
        merged["events"] = given


def _is_file(path: Path, key: str) -> bool:
    try:
        return S_ISREG(path.stat().st_mode)  # from Python 3.14 on, is_file is false after any error
    except (FileNotFoundError, NotADirectoryError, ValueError):  # a ValueError is about a NUL byte
        return False
    except OSError as error:  # such as a name that is longer than the file system allows
        raise _unreadable(path, key, error) from None


def _read(path: Path, key: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(key, f"names {path}, which cannot be read ({error})", "save it as UTF-8 text") from None
    except OSError as error:
        raise _unreadable(path, key, error) from None


def _unreadable(path: Path, key: str, error: OSError) -> SettingsError:
    problem = f"names {path}, which cannot be read ({error.strerror})"
    return SettingsError(key, problem, "it must be a file that this user can read")
