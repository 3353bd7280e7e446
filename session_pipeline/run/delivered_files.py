"""Finds what run, plan and status say about delivered files: to be read, gone, or without their source.

Reading them is the work of ingest/.
"""

from datetime import datetime, time
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from session_pipeline.data_folder import DataFolder
from session_pipeline.ingest.admission.raw_folder import deliveries, source_folders
from session_pipeline.ingest.ledger import Ledger, RulesOf
from session_pipeline.ingest.mapping.source_rules import rules_of
from session_pipeline.ingest.mapping.visitors import find_key
from session_pipeline.reference.days import Calendar
from session_pipeline.settings import Settings, key_of_source
from session_pipeline.store.records import SourceFile
from session_pipeline.store.store import Store


def files_to_read(folder: DataFolder, settings: Settings, store: Store) -> dict[str, str]:
    """Return the delivered files that the next ingest will read or forget, by path below raw/, with the reason."""
    found = list(deliveries(folder))
    ledger = Ledger(store.catalog, store.partitions, _rules(folder, settings))
    ledger.look(found)
    reasons = {delivery.name: ledger.why_read(delivery) for delivery in found}
    gone = {ledger.files[file_id].facts["path"]: "is gone; it was not accepted" for file_id in ledger.outdated(found)}
    return {name: reason for name, reason in reasons.items() if reason is not None} | gone


def files_there(folder: DataFolder, store: Store) -> set[str]:
    """Return the ids of the ledger's files that are under raw/ now; the others were replaced, moved or removed."""
    known = store.catalog.delivered()
    return {known[delivery.name][1] for delivery in deliveries(folder) if delivery.name in known}


def not_accepted_count(store: Store) -> int:
    """Return the number of files in the ledger that are corrupt or refused.

    An ingest removes those that are gone, so after it, all of them are under raw/.
    """
    return sum(item.facts["status"] != "accepted" for item in store.catalog.source_files().values())


def files_gone(folder: DataFolder, settings: Settings, store: Store) -> list[str]:
    """Return the accepted files that are gone from raw/, have events in the store, and whose source's settings changed.

    Their rows stay as they were read.
    """
    changed = _read_with_other_settings(folder, settings, store)
    if not changed:
        return []  # almost always, and a history can have very many files
    present = {delivery.name for delivery in deliveries(folder)}
    return sorted(item.facts["path"] for item in changed if present.isdisjoint(store.catalog.paths_of(item.file_id)))


def files_of_other_settings(folder: DataFolder, settings: Settings, store: Store) -> set[str]:
    """Return the paths below raw/ of the accepted files that were read with other settings or by another version.

    Also of those that are gone. It is fast if there are none, which is almost always so.
    """
    changed = {item.file_id for item in _read_with_other_settings(folder, settings, store)}
    return (
        {path for path, (_, file_id) in store.catalog.delivered().items() if file_id in changed} if changed else set()
    )


def _read_with_other_settings(folder: DataFolder, settings: Settings, store: Store) -> list[SourceFile]:
    rules = _rules(folder, settings)
    return [
        item
        for item in store.catalog.source_files().values()
        if item.facts["status"] == "accepted"
        and item.facts["accepted_count"] > item.facts.get("expired_count", 0)
        and not rules(item.facts["source"], item.facts.get("preset")).gave(item.fingerprint)
    ]


def lines_before_start(settings: Settings, store: Store) -> int:
    """Count accepted lines from before the present `start_date`, which no day counts.

    They are from files that are gone. If the file is still under raw/, it is read again and such lines are quarantined.
    """
    start = Calendar(settings.timezone).start(settings.start_date)
    count = 0
    for key, partition in store.partitions.items():
        if key.table != "raw_events" or key.date is None or key.date > start.date():
            continue
        if key.date < start.date():
            count += partition.row_count
        elif start.time() != time.min:
            count += sum(_lines_before(start, path) for path in store.paths_of(partition))
    return count


def _lines_before(start: datetime, path: Path) -> int:
    import pyarrow.compute as pc  # slow to load, and seldom needed
    import pyarrow.parquet as pq

    times = pq.read_table(path, columns=["event_time"], partitioning=None)
    return pc.sum(pc.less(times.column("event_time"), start)).as_py() or 0


def sources_without_folder(folder: DataFolder, settings: Settings) -> list[str]:
    """Return a sentence for each source in the settings without a folder under raw/; it names a similar folder."""
    if not folder.raw.is_dir():
        return []
    there = source_folders(folder)
    sentences = []
    for name in settings.sources:
        if name in there:
            continue
        hint = "; deliver its files there, or rename or remove it"
        if (folder.raw / name).is_symlink():
            hint = ", but a link, and links are not followed; put the files themselves into a folder, or mount it there"
        elif match := get_close_matches(name, sorted(there - settings.sources.keys()), n=1):
            hint = f"; did you mean {key_of_source(match[0])}?"
        sentences.append(f"{key_of_source(name)} in settings.toml has no folder raw/{name}{hint}")
    return sentences


def lost_visitor_key(folder: DataFolder, store: Store) -> str | None:
    """Return a warning if visitor ids in the store were made with another key than the present one, else None."""
    others = other_key_count(folder, store)
    if not others:
        return None
    return (
        f"the visitor ids of {others} {'file' if others == 1 else 'files'} were made with a visitor_key other than"
        f" {'the current one' if folder.visitor_key.exists() else 'that of the next run'}: the same people get other"
        f" ids; restore {folder.visitor_key} from a backup if there is one"
    )


def replaced_visitor_key(folder: DataFolder, file_count: int) -> str:
    """Return a warning after an ingest that read files again because their visitor ids were made with another key."""
    return (
        f"visitor_key was missing or changed, so {file_count} {'file was' if file_count == 1 else 'files were'} read"
        " again with another key: the same people have other visitor ids than before; to have the former ones back,"
        f" restore {folder.visitor_key} from a backup, and run again"
    )


def other_key_count(folder: DataFolder, store: Store) -> int:
    """Return the number of files in the store whose visitor ids were made with another key than the present one."""
    key = find_key(folder.visitor_key)
    known = key.fingerprint if key is not None else None
    made = [item.facts.get("visitor_key") for item in store.catalog.source_files().values()]
    return sum(1 for each in made if each not in (None, known))


def recognized_presets(settings: Settings, store: Store) -> dict[str, list[str]]:
    """Return the presets that files of a source were recognized as, by source, for sources without own settings."""
    found: dict[str, set[str]] = {}
    for item in store.catalog.source_files().values():
        source, preset = item.facts["source"], item.facts.get("preset")
        if preset is not None and settings.recognizes(source):
            found.setdefault(source, set()).add(preset)
    return {source: sorted(presets) for source, presets in sorted(found.items())}


def _rules(folder: DataFolder, settings: Settings) -> RulesOf:
    """Return a function that gives the reading rules of a source; they are made once per source and preset."""
    key = find_key(folder.visitor_key)
    return cache(lambda source, preset: rules_of(settings, source, key, preset))
