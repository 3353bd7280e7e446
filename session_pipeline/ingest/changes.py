"""Reports columns that are new or missing in the newest file of a source, compared with its previous files.

Uses only the mappings in the ledger; reads no files. They do not have the names of the fields in `properties`.
"""

from collections.abc import Iterable

from session_pipeline.store.file_facts import FileFacts

COMPARED_FILES = 10
PROPERTIES, NO_PROPERTIES = "properties", "no field is left for properties"  # its fields have no names here


def changed_fields(ledger: Iterable[FileFacts]) -> dict[str, list[str]]:
    """Return, by source, sentences about the columns in which its newest file differs from the files before.

    A file is newer than another if its first and its last event are later. Files of the same time are not compared, and
    neither are those of different formats, such as a table of contacts beside JSON Lines. A column is gone if each of
    the previous files had it. It is new if none had it. A column that only some of them had is not reported. Sources
    without a difference are left out.

    Args:
        ledger: What is known about each file.
    """
    files: dict[str, list[FileFacts]] = {}
    for facts in ledger:
        if facts["status"] == "accepted" and facts["accepted_count"]:
            files.setdefault(facts["source"], []).append(facts)
    found = {source: _changes(sorted(rows, key=_order)) for source, rows in sorted(files.items())}
    return {source: sentences for source, sentences in found.items() if sentences}


def _age(facts: FileFacts) -> tuple[str, str]:
    return str(facts["first_event_time"]), str(facts["last_event_time"])


def _order(facts: FileFacts) -> tuple[str, ...]:
    return *_age(facts), facts["path"], facts["file_id"]


def _is_before(facts: FileFacts, other: FileFacts) -> bool:
    return all(mine < others for mine, others in zip(_age(facts), _age(other), strict=True))


def _changes(files: list[FileFacts]) -> list[str]:
    """Return the differences between the last file and the files before it."""
    newest = files[-1]
    alike = (facts for facts in files if facts.get("format") == newest.get("format"))
    before = [facts for facts in alike if _is_before(facts, newest)][-COMPARED_FILES:]
    if not before:
        return []
    mapping = newest["mapping"]
    always = set.intersection(*(set(facts["mapping"]) for facts in before))
    ever = set.union(*(set(facts["mapping"]) for facts in before))
    gone = sorted(always - set(mapping))
    new = [f"{column} ({mapping[column]})" for column in sorted(set(mapping) - ever)]
    sentences = [
        *_sentence([column for column in gone if column != PROPERTIES], "gone"),
        *([NO_PROPERTIES] if PROPERTIES in gone else []),
        *_sentence(new, "new"),
    ]
    return [f"{newest['path']}: {sentence}" for sentence in sentences]


def _sentence(columns: list[str], what: str) -> list[str]:
    return [f"{', '.join(columns)} {'is' if len(columns) == 1 else 'are'} {what}"] if columns else []
