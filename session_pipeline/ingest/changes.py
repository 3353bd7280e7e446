"""What a source's newest file maps otherwise than the files before it: fields that are new, and fields that are gone.

Knows the ledger's mappings. Reads no file.
"""

from collections.abc import Iterable, Mapping
from typing import Any

COMPARED_FILES = 10


def changed_fields(ledger: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Sentences about the newest file of each source that differs from the ones before; sources without are left out.

    A column is gone when each of the last files had it, and new when none had; what some files have and others have
    not is usual.

    Args:
        ledger: Rows of source_files.
    """
    files: dict[str, list[Mapping[str, Any]]] = {}
    for facts in ledger:
        if facts["status"] == "accepted" and facts["accepted_count"]:
            files.setdefault(facts["source"], []).append(facts)
    found = {source: _changes(sorted(rows, key=_age)[-COMPARED_FILES - 1 :]) for source, rows in sorted(files.items())}
    return {source: sentences for source, sentences in found.items() if sentences}


def _age(facts: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(facts["last_event_time"]), str(facts["path"]), str(facts["file_id"])


def _changes(files: list[Mapping[str, Any]]) -> list[str]:
    """What the last of some files has otherwise than all before it."""
    *before, newest = files
    if not before:
        return []
    mapping = newest["mapping"]
    always = set.intersection(*(set(facts["mapping"]) for facts in before))
    ever = set.union(*(set(facts["mapping"]) for facts in before))
    gone = [f"{column} is gone" for column in sorted(always - set(mapping))]
    new = [f"{column} ({mapping[column]}) is new" for column in sorted(set(mapping) - ever)]
    return [f"{newest['path']}: {sentence}" for sentence in [*gone, *new]]
