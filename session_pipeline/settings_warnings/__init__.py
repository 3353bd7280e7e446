"""Warnings about settings that have no effect, or a surprising one, on the published data.

rules.py finds rules that match nothing, outcomes.py outcomes that no session can have, funnels.py exclusions that
exclude all attempts or none, and breakdowns without effect. sources.py finds sources without page views or times of
day, visitors who are not known, values with a decimal comma, folders that share a site by default, event names that
never occur, columns whose field is gone, and files that repeat events of other files. read_again.py finds sources whose
events are not compared, because the next run reads them with other settings.
The settings themselves are valid; invalid ones are errors of settings/. Reads the warehouse, and how files were read,
so that all callers (check, run, the report and the asset check) give the same answer for the same publication.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import duckdb

from session_pipeline.data_folder import DataFolder
from session_pipeline.errors import StoreError
from session_pipeline.publish import warehouse
from session_pipeline.settings import Settings
from session_pipeline.settings_warnings import funnels, outcomes, read_again, rules, sources
from session_pipeline.settings_warnings.model import SettingsWarning
from session_pipeline.settings_warnings.read_again import sources_to_read_again
from session_pipeline.settings_warnings.sources import folders_of_sources
from session_pipeline.settings_warnings.window import Window, recent_days

__all__ = ["Findings", "find", "find_for_folder", "folders_of_sources", "sources_to_read_again"]

NOTHING: Mapping[str, bool] = {}


@dataclass(frozen=True)
class Findings:
    """The result of comparing the settings with the published data.

    Attributes:
        warnings: Warnings for the user, in the order of the settings.
        unmatched_steps: Every funnel step that matches no event, as (funnel, step number). This includes steps of
            packaged funnels without a warning.
    """

    warnings: tuple[SettingsWarning, ...] = ()
    unmatched_steps: frozenset[tuple[str, int]] = frozenset()


def find_for_folder(folder: DataFolder, settings: Settings) -> Findings:
    """Compare settings with the published data and the folders under raw/. Also works before the first run.

    Raises:
        StoreError: The warehouse cannot be read.
    """
    folders = folders_of_sources(folder.raw)
    if not folder.warehouse.is_file():
        with_files = [name for name, has_file in folders.items() if has_file]
        return Findings((*_of_settings(settings), *_of_sources(settings, with_files)))
    with closing(warehouse.connect(folder.warehouse, folder.store)) as connection:
        return find(connection, settings, folders, lambda: sources_to_read_again(folder, settings))


def find(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    folders: Mapping[str, bool],
    to_read_again: Callable[[], Mapping[str, bool]] = dict,
) -> Findings:
    """Compare settings with a warehouse.

    The cost is bounded: at most the last 28 days with events and at most five million events are read, but always at
    least one day. Most rules match on the newest day; only the others are tested on the days before. Of each delivered
    file, one row is read, and once more for each source with `columns` of its own. Of files that overlap and have no
    ids, about 200,000 events of the four newest days are compared.

    Args:
        connection: The warehouse.
        settings: The settings, which may be newer than the warehouse.
        folders: The `folders_of_sources` of the data folder. Only these sources are compared.
        to_read_again: Returns the `sources_to_read_again` of the data folder. It is asked only if there are warnings.
            Right after an ingest, there are no such sources.

    Raises:
        StoreError: The warehouse lacks a table or a column, or a file of the store that it refers to cannot be read.
    """
    try:
        window = recent_days(connection, settings)
        names = sources.used_sources(connection, folders)
        found = [] if window is None else rules.unmatched(connection, settings, window)
        of_rules, of_events, growing = [], [], []
        if window is not None:
            of_rules = rules.warnings(connection, window, found)
            of_events = _of_events(connection, settings, window, folders)
            growing = list(sources.growing_files(connection, folders))
        if (of_rules or of_events) and window is not None and (again := to_read_again()):
            left = _of_events(connection, settings, window, folders, again)
            if of_rules or len(left) < len(of_events):
                of_rules, of_events = [read_again.not_compared(sorted(again))], left
        warnings = [*_of_settings(settings), *of_rules, *_of_sources(settings, names), *of_events, *growing]
    except duckdb.Error as error:
        why = warehouse.reason_and_fix(error)
        raise StoreError(f"the warehouse cannot be compared with the settings {why}") from None
    return Findings(tuple(warnings), frozenset(rule.step for rule in found if rule.step is not None))


def _of_events(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    window: Window,
    folders: Mapping[str, bool],
    again: Mapping[str, bool] = NOTHING,
) -> list[SettingsWarning]:
    """Return the warnings about the events of sources, without sources that are read again."""
    compared = [name for name in folders if name not in again]
    with_delivered_names = [name for name in folders if again.get(name, True)]
    return [
        *sources.without_page_views(connection, settings, window, compared),
        *sources.without_times_of_day(connection, settings, window, compared),
        *sources.nameless_visitors(connection, settings, window, compared),
        *sources.decimal_commas(connection, settings, window, compared),
        *sources.repeated_events(connection, window, compared),
        *sources.missing_columns(connection, settings, compared),
        *sources.unknown_event_names(connection, settings, window, with_delivered_names),
    ]


def _of_settings(settings: Settings) -> list[SettingsWarning]:
    return [
        *outcomes.without_sessions(settings),
        *funnels.pointless_exclusions(settings),
        *funnels.pointless_breakdowns(settings),
    ]


def _of_sources(settings: Settings, names: Sequence[str]) -> list[SettingsWarning]:
    return [*sources.shared_sites(settings, names), *sources.kept_in_columns(settings, names)]
