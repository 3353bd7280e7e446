"""Tries one file as it is, and with the keys that are suggested for it.

attempt.py reads the file each time; suggested_reading.py suggests the keys.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from session_pipeline.data_folder import DataFolder
from session_pipeline.errors import RefusedFileError, WrongUseError
from session_pipeline.ingest.admission.admit import beginning_of
from session_pipeline.ingest.admission.file_names import UnknownEndingError, kind_of
from session_pipeline.ingest.admission.raw_folder import DELTA_LOG, is_marker
from session_pipeline.ingest.admission.tabbed_logs import FLUENTD
from session_pipeline.ingest.admission.unknown_names import ending_of, keys_of_content
from session_pipeline.ingest.formats import AccessLog, JsonLines
from session_pipeline.reference.log_formats import OTHER_LOG_FORMAT
from session_pipeline.settings import SourceSettings, load_settings, own_keys
from session_pipeline.trial.attempt import attempt
from session_pipeline.trial.header_beside import keys_of_header_beside
from session_pipeline.trial.result import NO_SOURCE, Trial
from session_pipeline.trial.sampled_fields import FIRST_WEB_TIME
from session_pipeline.trial.suggested_logs import INVALID_LOG_LINE

ADDED = ("null_values", "key_values")  # lists that a suggestion adds to
# Suggestions that say only where the events are. The fields of the events are known once they are read with these keys.
ONLY_PLACES = ({"records_in"}, {"events_in"}, {"format"}, FLUENTD.keys())


def source_of(file: Path, folder: DataFolder | None) -> str:
    """Return the source of a file: its folder under raw/ if it is there, otherwise NO_SOURCE."""
    path = file.absolute()
    if folder is not None and folder.raw in path.parent.parents:
        return path.relative_to(folder.raw).parts[0]
    return NO_SOURCE


def chosen_source(file: Path, folder: DataFolder | None) -> str:
    """Return the source of a file: its folder under raw/; elsewhere the only one in the settings, or NO_SOURCE."""
    source = source_of(file, folder)
    if source != NO_SOURCE or folder is None:
        return source
    sources = list(load_settings(folder.path).sources)
    return sources[0] if len(sources) == 1 else NO_SOURCE


def unused_sources(source: str, folder: DataFolder | None) -> list[str]:
    """Return the sources of the settings if a source is none of them and has no folder under raw/."""
    if folder is None or (folder.raw / source).is_dir():
        return []
    sources = sorted(load_settings(folder.path).sources)
    return [] if source in sources else sources


def try_file(
    file: Path, *, folder: DataFolder | None, source: str, start_date: date | None = None, has_sessions: bool = True
) -> Trial:
    """Read one file with the settings of a source, and build the sessions of its first days. Nothing is kept.

    The file is also tried with the keys that are suggested. They are dropped if fewer lines are accepted with them.

    Args:
        file: The file; it can be anywhere.
        folder: The data folder whose settings are used; None uses the packaged settings.
        source: The source whose settings are used.
        start_date: Another start_date for the packaged settings.
        has_sessions: False to build no sessions, which takes less time.

    Raises:
        WrongUseError: The file does not exist, is not a regular file, is a marker of Spark or of the log of a Delta
            table, or its name begins with a dot; or the name of the source cannot be that of a folder that is read.
        SettingsError: The settings are invalid.
    """
    if file.is_dir():
        raise WrongUseError(f"{file} is a folder; name one of its files")
    if not file.is_file():
        raise WrongUseError(f"{file} {'is not a file' if file.exists() else 'does not exist'}; name a file of events")
    if file.name.startswith("."):
        raise WrongUseError(f"{file} begins with a dot, and such files are not read; rename it")
    if is_marker(file.name):
        raise WrongUseError(f"{file} is a marker that Spark writes next to its files and is not read; name one of them")
    if file.absolute().parent.name == DELTA_LOG and source_of(file, folder) != DELTA_LOG:
        raise WrongUseError(f"{file} is in the log of a Delta table, which has no events; name a file of events")
    if not source or source.startswith(".") or "/" in source or "\0" in source:
        raise WrongUseError(
            f"{source!r} is not the name of a source; a source is called like its folder under raw/, such as web"
        )
    present = None if folder is None else load_settings(folder.path).sources.get(source)
    found = attempt(file, folder, source, {}, start_date=start_date, has_sessions=has_sessions)
    try_with = partial(attempt, file, folder, source, start_date=start_date, has_sessions=False)
    if folder is not None and present is not None:
        own = own_keys(folder.path, source)
        together = {key: _with_present(present, own, key, value) for key, value in found.suggested.items()}
        return replace(found, suggested=together)
    is_unread = found.facts["status"] != "accepted" or not found.facts["accepted_count"]
    if is_unread and (keys := keys_of_header_beside(file)):
        return _with_keys(found, keys, try_with)
    return _with_format(found, file, try_with) if _has_other_format(found, file) else _with_suggested(found, try_with)


def _with_present(present: SourceSettings, own: Mapping[str, Any], key: str, value: Any) -> Any:
    """Return a suggested value of a key together with what the settings have there, which stays.

    The members of a preset's tables apply without being repeated, and a repeated column would replace the preset's
    expression. Lists replace those of the preset.
    """
    if isinstance(value, Mapping):
        return {**own.get(key, {}), **value}
    return list(dict.fromkeys((*getattr(present, key), *value))) if key in ADDED else value


def accepted_count(found: Trial) -> int:
    """Return how many lines of the file are accepted with its preset or the suggested keys, else as it is."""
    accepted = found.facts["accepted_count"] if found.facts["status"] == "accepted" else 0
    return found.accepted_with_suggested or 0 if found.suggested and not found.facts.get("preset") else accepted


def with_start_date(found: Trial, file: Path, source: str) -> tuple[Trial, date | None]:
    """Return the trial of a file with the packaged settings, and the start_date that most of its lines need.

    It is the first day of a year, so that files with somewhat earlier events are accepted, too. None if the file does
    not need another one.
    """
    if accepted_count(found) == found.line_count:
        return found, None
    start = FIRST_WEB_TIME.date()
    earlier = try_file(file, folder=None, source=source, start_date=start, has_sessions=False)
    if accepted_count(earlier) <= 2 * accepted_count(found):
        return found, None
    days = attempt(file, None, source, earlier.suggested, start_date=start, has_sessions=False).days
    return (earlier, date(days[0].year, 1, 1)) if days else (found, None)


def with_suggested_start(found: Trial, file: Path, source: str) -> Trial:
    """Return a trial with the packaged settings whose suggested keys were tried with the start_date that they need."""
    earlier, start_date = with_start_date(found, file, source)
    if not found.suggested or start_date is None:
        return found
    return replace(
        found,
        suggested_columns=earlier.suggested_columns,
        suggested=earlier.suggested,
        missing=earlier.missing,
        accepted_with_suggested=earlier.accepted_with_suggested,
        lines_with_suggested=earlier.lines_with_suggested,
        start_date=start_date,
    )


def _with_suggested(found: Trial, try_with: Callable[..., Trial]) -> Trial:
    """Return a trial with the result of its suggested keys; without the keys if fewer lines are accepted with them."""
    if not found.suggested:
        return found
    better = try_with(found.suggested)
    if found.suggested.keys() in ONLY_PLACES:
        found = replace(
            found,
            suggested={**found.suggested, **better.suggested},
            suggested_columns=better.suggested_columns,
            remarks=better.remarks,
            missing=better.missing,
        )
        better = try_with(found.suggested) if better.suggested else better
    if found.suggested.keys() == {"log_format"}:
        is_worse = _unfit_count(better) >= _unfit_count(found)
        found = found if is_worse else replace(found, remarks=better.remarks)  # only now, all times are known
    else:
        is_worse = better.facts["accepted_count"] < found.facts["accepted_count"]
    if is_worse:
        return replace(found, suggested_columns={}, suggested={})
    if not better.facts["accepted_count"] and not found.remarks:
        found = replace(found, remarks=better.remarks)  # about times, once the visitors are known
    accepted, lines = better.facts["accepted_count"], better.facts["line_count"]
    return replace(found, accepted_with_suggested=accepted, lines_with_suggested=lines)


def _with_keys(found: Trial, keys: Mapping[str, Any], try_with: Callable[..., Trial]) -> Trial:
    """Return the trial of a file that cannot be read, with the keys that name its fields, and with further ones."""
    read = try_with(keys)
    if read.facts["status"] != "accepted":
        return found
    all_keys = {**keys, **({} if "preset" in keys else read.suggested)}
    better = try_with(all_keys) if all_keys.keys() != keys.keys() else read
    return _with_trial(found, all_keys, read, better)


def _with_trial(found: Trial, keys: Mapping[str, Any], read: Trial, better: Trial) -> Trial:
    """Return the trial of a file that cannot be read as it is, with the keys that it needs.

    Args:
        found: The trial.
        keys: The keys.
        read: The trial that says what the fields of the file are.
        better: The trial with the keys.
    """
    return replace(
        found,
        suggested=keys,
        suggested_columns=read.suggested_columns,
        remarks=read.remarks,
        missing=read.missing,
        accepted_with_suggested=better.facts["accepted_count"],
        lines_with_suggested=better.facts["line_count"],
    )


def _unfit_count(found: Trial) -> int:
    """Return the number of lines that do not fit the log format."""
    unfit = (INVALID_LOG_LINE, OTHER_LOG_FORMAT)
    return sum(item.line_count for item in found.set_aside if item.reason.startswith(unfit))


def _has_other_format(found: Trial, file: Path) -> bool:
    """Whether the name of a file gives no format, or another one than that of its content, JSON or an access log."""
    if _has_unknown_ending(file):
        return True
    status, keys = found.facts["status"], keys_of_content(beginning_of(file))
    is_json = status == "corrupt" and keys == {"format": JsonLines.name}
    return is_json or (status == "refused" and keys.get("format") == AccessLog.name)


def _has_unknown_ending(file: Path) -> bool:
    try:
        kind_of(file.name, None)
    except RefusedFileError as error:
        return isinstance(error, UnknownEndingError)
    return False


def _with_format(found: Trial, file: Path, try_with: Callable[..., Trial]) -> Trial:
    """Return the trial of a file that is refused for its name, with the keys that its content needs, if it shows them.

    The further keys of JSON and Parquet are those that are found if its name has an ending.
    """
    keys: dict[str, Any] = dict(keys_of_content(beginning_of(file)))
    if not keys:
        return found
    read = found
    if ending := ending_of(keys):
        read = _with_suggested(try_with({}, ending=ending), partial(try_with, ending=ending))
        preset = read.facts.get("preset")
        keys |= {"preset": preset} if preset else read.suggested
    better = try_with(keys)
    if better.facts["status"] != "accepted":
        return found
    return _with_trial(found, keys, read, better)
