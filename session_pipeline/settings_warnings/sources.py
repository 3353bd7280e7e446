"""Warns about sources: no page views, times or visitors, decimal commas, one site by default, unused event names.

It also warns about files that are delivered again with more lines or other fields, and about columns whose field is
gone.
"""

import os
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import duckdb

from session_pipeline.engines.sql import query_text
from session_pipeline.ingest.admission.raw_folder import has_file
from session_pipeline.reference.column_groups import DELIVERED_COLUMNS, REQUIRED_COLUMNS
from session_pipeline.reference.days import ONLY_DATES, are_midnights
from session_pipeline.reference.usual_event_names import usual_event_names
from session_pipeline.settings import Settings, SourceSettings, as_toml, parse_settings, path_of_source
from session_pipeline.settings.presets import packaged_names, packaged_preset
from session_pipeline.settings.values import is_label, shown
from session_pipeline.settings_warnings.model import SettingsWarning
from session_pipeline.settings_warnings.similar import listed, near
from session_pipeline.settings_warnings.window import Window, on_days

FEWEST_DATES = 10  # events from which on midnight is no coincidence
MOST_FOLDERS = 6  # named in one warning
MOST_NAMES = 500  # only the most frequent names are searched
FEWEST_DAYS_OF_GROWTH = 5  # days on which files must end that may contain each other
# Values can be rare. Of days of which 10 in 13 have one by chance, 10 with a value and 3 without follow each other once
# in three years.
DAYS_WITH_COLUMN = 10
FEWEST_DAYS_WITHOUT_COLUMN = 3
# Of files that repeat events. A cache and its server can log one request of a few visitors in the same second.
FEWEST_REPEATING_VISITORS = 10
MOST_PAIRS_OF_FILES = 1_000  # those with the most equal events
SMALLEST_REPEATED_SHARE = 0.9  # of the events of one of the files
DAYS_OF_REPETITION = 4  # the newest; exports overlap by a day or two, and the last day is often in one file only
MOST_COMPARED_EVENTS = 200_000  # about so many are compared, so that the cost is bounded
FEWEST_NAMELESS = 10  # events from which on a visitor id that names nobody is not a single mistake
PAGE_VIEW = "page_view"
# The detail of quarantined lines whose value decimal_comma reads. In it, value can be followed by the names of fields.
VALUE_WITH_COMMA = r"(?s)value( \(.*\))?: [+-]?(\d{1,3}([. '\x{a0}\x{202f}]\d{3})+|\d*),(\d{1,2}|\d{4,})"
VIEW = re.compile("(?<![a-z])view|pageview|(?-i:(?<=[a-z])View)", re.IGNORECASE)  # review_page is not a view of a page
NAMELESS_IDS = (  # what programs and trackers write for a value that they do not have
    "undefined", "null", "NULL", "none", "None", "nan", "NaN", "NA", "N/A", "unknown", "Unknown", "anonymous",
    "(not set)", "[object Object]", "00000000-0000-0000-0000-000000000000",
)  # fmt: skip


def folders_of_sources(raw: Path) -> dict[str, bool]:
    """Return the folders under raw/, and whether each contains a file. The search in a folder stops at the first."""
    try:
        names = sorted(entry.name for entry in os.scandir(raw) if entry.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}  # the ingest reports folders that cannot be read
    return {
        os.fsencode(name).decode(errors="backslashreplace"): has_file(raw / name)
        for name in names
        if not name.startswith(".")
    }


def used_sources(connection: duckdb.DuckDBPyConnection, folders: Mapping[str, bool]) -> list[str]:
    """Return the sources with a folder that have a file now or had an accepted one.

    A source without a folder was renamed or has ended. Its rows stay as they were read, so no setting changes them.
    """
    rows = connection.execute("select distinct source from source_files where status = 'accepted'").fetchall()
    delivered = {row[0] for row in rows}
    return [name for name, has_file in folders.items() if has_file or name in delivered]


def kept_in_columns(settings: Settings, names: Iterable[str]) -> Iterator[SettingsWarning]:
    """Yield a warning for each field that should be dropped or hashed, but is read as a column.

    Only properties are dropped and hashed. The column stores such a field as it is.
    """
    packaged = parse_settings("").privacy.drop_properties
    dropped = [name for name in settings.privacy.drop_properties if name not in packaged]
    for name in sorted(set(names)):
        source = settings.source(name)
        fields = {
            field: column
            for column in sorted(DELIVERED_COLUMNS)
            for field in _listed(source.columns.get(column, column))
        }
        lists = {
            "privacy.drop_properties": dropped,
            "privacy.hash_properties": settings.privacy.hash_properties,
            path_of_source(name, "drop_fields"): source.drop_fields,
        }
        for key, listed_names in lists.items():
            for listed_name in listed_names:
                for field in sorted(field for field in fields if _is_meant(listed_name, field)):
                    column = fields[field]
                    problem = f"has no effect on the column {column}, which reads this field in raw/{name};"
                    hint = _how_to_keep_out(column, path_of_source(name, "columns"))
                    yield SettingsWarning(key, f"{shown(listed_name)} {problem}", hint)


def _is_meant(listed_name: str, field: str) -> bool:
    """Whether a name in a list of fields means a field, which can be nested."""
    return _letters(listed_name) in (_letters(field), _letters(field.rpartition(".")[2]))


def _how_to_keep_out(column: str, columns_key: str) -> str:
    if column in REQUIRED_COLUMNS:
        return "every event needs this column; remove the name, or map another field to the column"
    hashed = "to hash it, set privacy.user_ids = 'keyed'; " if column == "user_id" else ""
    return f"{hashed}to leave the column empty, write {column} = [] in {columns_key}"


def _listed(read: str | Sequence[str]) -> Sequence[str]:
    return [read] if isinstance(read, str) else read


def _letters(name: str) -> str:
    """Return the characters of a name that count when names of fields are compared, in lower case."""
    return re.sub(r"[\s_.$@:/-]", "", name.removeprefix("*")).lower()


def shared_sites(settings: Settings, names: Iterable[str]) -> Iterator[SettingsWarning]:
    """Yield a warning for each site that several sources share if at least one of them has it by default."""
    by_site: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        by_site.setdefault(settings.source(name).site, []).append(name)
    for site, sharing in by_site.items():
        undecided = [name for name in sharing if not settings.has_own_site(name)]
        if len(sharing) > 1 and undecided:
            folders = first_of([f"raw/{name}" for name in sharing], "folders")
            keys = first_of([path_of_source(name, "site") for name in undecided], "keys")
            yield SettingsWarning(
                path_of_source(undecided[0], "site"),
                f"{folders} share one site, {shown(site)}, by default: equal visitor ids in them count as one person,"
                " and a visit or an order that several of them have, with other ids, counts in each;",
                f"set {keys} in settings.toml ({shown(site)} if one site is right)",
            )


def without_page_views(
    connection: duckdb.DuckDBPyConnection, settings: Settings, window: Window, folders: Container[str]
) -> Iterator[SettingsWarning]:
    """Yield a warning for each source that has a folder under raw/ and no page views.

    A source for which the settings set a site that has page views from other sources gets no warning, unless it has an
    event that is probably a page view under another name.
    """
    rows = connection.execute(query_text(__package__, "sources_and_sites"), on_days(window.days)).fetchall()
    sites_with_page_views = {site for _, site, has_page_views in rows if has_page_views}
    with_page_views = {source for source, _, has_page_views in rows if has_page_views}
    for source in dict.fromkeys(row[0] for row in rows if row[0] not in with_page_views and row[0] in folders):
        names = _event_names(connection, window, source)
        completes_a_site = settings.has_own_site(source) and settings.source(source).site in sites_with_page_views
        if completes_a_site and not any(map(is_like_page_view, names)):
            continue
        key = path_of_source(source)
        renamed = _renamed(names)
        fix = (
            f": set {key}.event_names = {as_toml(renamed)}"
            if renamed
            else f", which {key}.event_names can set, or {key}.constants for a source of page views only; for a source"
            f" without pages, such as a file of contact forms, set {key}.site to that of a source with page views"
        )
        yield SettingsWarning(
            key,
            f"raw/{source} has no page view",
            f"{window.words}; existing event names: {listed(names)}; page views must have event_name 'page_view'{fix}",
        )


def without_times_of_day(
    connection: duckdb.DuckDBPyConnection, settings: Settings, window: Window, folders: Container[str]
) -> Iterator[SettingsWarning]:
    """Yield a warning for each source that has a folder under raw/ and whose events are all at midnight."""
    days = on_days(window.days)
    asked = {**days, "fewest_events": FEWEST_DATES}
    rows = connection.execute(query_text(__package__, "whole_quarters"), asked).fetchall()
    for source in (row[0] for row in rows if row[0] in folders):
        times = connection.execute(query_text(__package__, "event_times"), {**days, "source": source}).fetchall()
        if are_midnights([row[0] for row in times], settings.source(source).timezone):
            yield SettingsWarning(
                path_of_source(source),
                f"all times of raw/{source} are midnight",
                f"{window.words}: {ONLY_DATES}",
            )


def nameless_visitors(
    connection: duckdb.DuckDBPyConnection, settings: Settings, window: Window, folders: Container[str]
) -> Iterator[SettingsWarning]:
    """Yield a warning for each source with events whose visitor id means that the visitor is not known."""
    asked = {**on_days(window.days), "nameless_ids": list(NAMELESS_IDS), "fewest_events": FEWEST_NAMELESS}
    by_source: dict[str, list[str]] = {}
    for source, visitor in connection.execute(query_text(__package__, "nameless_visitors"), asked).fetchall():
        by_source.setdefault(source, []).append(visitor)
    for source, visitors in by_source.items():
        rules = settings.source(source)
        # Rows of files that are gone stay as they were read.
        unset = [visitor for visitor in visitors if visitor not in rules.null_values]
        if unset and source in folders and "visitor_id" not in rules.constants:
            null_values = as_toml([*rules.null_values, *unset])
            key = path_of_source(source, "null_values")
            yield SettingsWarning(
                key,
                f"visitors of raw/{source} who are not known count as one person with the id {shown(unset[0])}",
                f"{window.words}; to set such lines aside, set {key} = {null_values};"
                " or map another field to visitor_id",
            )


def decimal_commas(
    connection: duckdb.DuckDBPyConnection, settings: Settings, window: Window, folders: Container[str]
) -> Iterator[SettingsWarning]:
    """Yield a warning for each source with lines that are quarantined because their value has a decimal comma."""
    asked = {**on_days(window.days), "value_with_comma": VALUE_WITH_COMMA}
    for source, count, example in connection.execute(query_text(__package__, "decimal_commas"), asked).fetchall():
        if source in folders and not settings.source(source).decimal_comma:
            key = path_of_source(source, "decimal_comma")
            written = shown(example.rpartition(": ")[2])
            lines = "1 line" if count == 1 else f"{count:,} lines"
            yield SettingsWarning(
                key,
                f"raw/{source} has values with a decimal comma, whose lines are quarantined:",
                f"{lines}, such as {written}; to accept them, set {key} = true",
            )


def growing_files(connection: duckdb.DuckDBPyConnection, folders: Container[str]) -> Iterator[SettingsWarning]:
    """Yield a warning for each source whose files contain all events of the files before."""
    asked = {"fewest_days": FEWEST_DAYS_OF_GROWTH}
    rows = connection.execute(query_text(__package__, "growing_files"), asked).fetchall()
    for source, first_time, count, path in rows:
        if source in folders:
            yield SettingsWarning(
                path_of_source(source),
                f"each new file of raw/{source} contains the events of the files before:",
                f"{count:,} files begin at {first_time:%Y-%m-%d %H:%M:%S} UTC, the last is {shown(path)}; with each of"
                " them, all of its days are built again, and runs become slower; deliver only new lines",
                is_in_report=False,
            )


def repeated_events(
    connection: duckdb.DuckDBPyConnection, window: Window, folders: Container[str]
) -> Iterator[SettingsWarning]:
    """Yield a warning for each source without ids of events whose files repeat events in lines with other fields."""
    newest = window.days[:DAYS_OF_REPETITION]
    days = {"first_day": min(newest), "last_day": max(newest)}
    for source, count in connection.execute(query_text(__package__, "sources_without_ids"), days).fetchall():
        if source not in folders:
            continue
        asked = {
            **days,
            "source": source,
            "hashes_before": "g" if count <= MOST_COMPARED_EVENTS else f"{16**8 * MOST_COMPARED_EVENTS // count:08x}",
            "fewest_visitors": FEWEST_REPEATING_VISITORS,
            "most_pairs": MOST_PAIRS_OF_FILES,
            "smallest_share": SMALLEST_REPEATED_SHARE,
        }
        rows = connection.execute(query_text(__package__, "repeated_events"), asked).fetchall()
        for path, other_path, same_count in rows:
            key = f"{path_of_source(source, 'columns')}.event_id"
            yield SettingsWarning(
                key,
                f"files of raw/{source} repeat events with other fields, and each counts again:",
                f"at least {same_count:,} events of {shown(path)} are also in {shown(other_path)}; without an event_id,"
                f" only equal lines are one event; map a field to it, or build one in"
                f" {path_of_source(source, 'expressions')}.event_id from fields that both files have",
            )


def missing_columns(
    connection: duckdb.DuckDBPyConnection, settings: Settings, folders: Container[str]
) -> Iterator[SettingsWarning]:
    """Yield a warning for each own entry of `columns` that no file of the latest days has, but days before had."""
    for source, columns in ((name, _own_columns(settings, name)) for name in settings.sources if name in folders):
        if not columns:
            continue
        asked = {
            "source": source,
            "columns": sorted(columns),
            "days_before": DAYS_WITH_COLUMN,
            "fewest_days": FEWEST_DAYS_WITHOUT_COLUMN,
        }
        rows = connection.execute(query_text(__package__, "missing_columns"), asked).fetchall()
        for column, count, path in rows:
            key = f"{path_of_source(source, 'columns')}.{column}"
            yield SettingsWarning(
                key,
                f"no value of {listed(_listed(columns[column]))} in the files since {shown(path)};",
                f"{count:,} files have none, but each of the {DAYS_WITH_COLUMN} days with"
                f" files before had one; if the field was renamed, add its new name, which try shows, to {key}",
            )


def unknown_event_names(
    connection: duckdb.DuckDBPyConnection, settings: Settings, window: Window, folders: Container[str]
) -> Iterator[SettingsWarning]:
    """Yield a warning for each entry of event_names of which a source has neither the delivered name nor ours.

    Names of a packaged preset are not compared. A source without events on the days of the window has no warning.
    """
    for source, names in ((name, _own_event_names(settings, name)) for name in settings.sources if name in folders):
        if not names:
            continue
        wanted = sorted({*names, *names.values()})
        asked = {**on_days(window.days), "source": source, "names": wanted}
        rows = connection.execute(query_text(__package__, "occurring_names"), asked).fetchall()
        if not rows:
            continue
        occurring = {row[0] for row in rows}
        for theirs in (theirs for theirs, ours in names.items() if not occurring.intersection((theirs, ours))):
            existing = _event_names(connection, window, source)
            alike = near(theirs, existing)
            hint = f"similar event names: {listed(alike)}" if alike else f"existing event names: {listed(existing)}"
            yield SettingsWarning(
                f"{path_of_source(source, 'event_names')}[{theirs}]",
                f"raw/{source} has no event {shown(theirs)}",
                f"{window.words}; {hint}; correct it or remove it",
            )


def _own_event_names(settings: Settings, source: str) -> dict[str, str]:
    """Return the delivered event names with ours, without those of a packaged preset."""
    own = settings.sources[source]
    packaged = _preset_of(own).event_names
    return {theirs: ours for theirs, ours in own.event_names.items() if packaged.get(theirs) != ours}


def _own_columns(settings: Settings, source: str) -> dict[str, str | Sequence[str]]:
    """Return the columns of a source with their fields, without those of a packaged preset and those left empty."""
    own = settings.sources[source]
    packaged = _preset_of(own).columns
    return {column: fields for column, fields in own.columns.items() if fields and packaged.get(column) != fields}


def _preset_of(own: SourceSettings) -> SourceSettings:
    """Return the packaged preset of a source; settings without any keys if it has none."""
    return packaged_preset(own.preset) if own.preset in packaged_names() and own.preset else SourceSettings()


def _event_names(connection: duckdb.DuckDBPyConnection, window: Window, source: str) -> list[str]:
    """Return the event names of a source, the most frequent first."""
    rows = connection.execute(
        query_text(__package__, "event_names"), {**on_days(window.days), "source": source, "most_names": MOST_NAMES}
    ).fetchall()
    return [row[0] for row in rows]


def _renamed(names: Sequence[str]) -> Mapping[str, str]:
    """Return names of events with those that the packaged rules know; none if none of them is a page view."""
    renamed = usual_event_names(filter(is_label, names))
    if PAGE_VIEW in renamed.values():
        return renamed
    page_view = next(filter(is_like_page_view, filter(is_label, names)), None)
    return {page_view: PAGE_VIEW, **renamed} if page_view else {}


def is_like_page_view(name: str) -> bool:
    """Whether an event is probably a page view under another name: pageview, $pageview, Page Viewed, page."""
    letters = "".join(filter(str.isalpha, name.lower()))
    return letters in ("page", "screenview") or ("page" in letters and VIEW.search(name) is not None)


def first_of(names: list[str], what: str) -> str:
    """Return names as words; of many, only the first ones, because a warning is one line."""
    if len(names) > MOST_FOLDERS:
        names = [*names[:MOST_FOLDERS], f"{len(names) - MOST_FOLDERS} more {what}"]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
