"""Names the settings in which the rules that a file was read with differ from the present ones.

The ledger records the rules of each file as short hashes. Whether a file is read again is decided by the fingerprint of
rules.py alone.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from datetime import datetime
from hashlib import sha256

from session_pipeline.ingest.mapping.rules import LOGIC_VERSION, ReadingRules
from session_pipeline.reference.days import ONE_DAY
from session_pipeline.settings import key_of_source
from session_pipeline.store.file_facts import FileFacts

SHOWN = 3
VERSION = "version"
_NOT_RECORDED = frozenset(("source", "latest", "visitor_key"))
# The settings that rules outside of the section of the source are made from.
_SETTINGS: Mapping[str, str] = {
    "keep_query_parameters": "privacy.keep_query_parameters",
    "drop_properties": "privacy.drop_properties",
    "hash_properties": "privacy.hash_properties",
    "has_keyed_users": "privacy.user_ids",
    "has_reduced_agents": "privacy.user_agents",
    "agent_patterns": "bots",
    "plain_users": "identity",
}
CHANGED_SETTINGS = "the settings that it is read with changed"


def recorded(rules: ReadingRules) -> dict[str, str]:
    """Return what the ledger records of the rules: hashes of those that differ from the defaults, by name."""
    found = {VERSION: str(LOGIC_VERSION), "earliest": rules.earliest.isoformat()}
    for each in fields(rules):
        value = getattr(rules, each.name)
        is_default = not value if each.default is MISSING else value == each.default
        if each.name not in _NOT_RECORDED and each.name not in found and not is_default:
            found[each.name] = sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:8]
    return found


def what_changed(facts: FileFacts, rules: ReadingRules) -> str:
    """Return which settings changed since a file was read, as a sentence.

    Args:
        facts: What the ledger has about the file. Earlier versions recorded no rules.
        rules: The present rules.
    """
    before, after = facts.get("rules"), recorded(rules)
    names = [] if before is None else _changed_settings(before, after, rules.source)
    if facts.get("visitor_key") not in (None, rules.visitor_key and rules.visitor_key.fingerprint):
        names.append("visitor_key")
    if before is not None and before[VERSION] != after[VERSION]:
        return "session_pipeline was upgraded" + (f", and {_listed(names)} changed" if names else "")
    return f"{_listed(names)} changed" if names else CHANGED_SETTINGS


def _changed_settings(before: Mapping[str, str], after: Mapping[str, str], source: str) -> list[str]:
    names = [each.name for each in fields(ReadingRules) if before.get(each.name) != after.get(each.name)]
    section = key_of_source(source)
    return [
        _what_moves_the_start(before[name], after[name])
        if name == "earliest"
        else _SETTINGS.get(name, f"{section} {name}")
        for name in names
    ]


def _what_moves_the_start(before: str, after: str) -> str:
    """Return the settings that moved the first accepted instant, which is the midnight of the first day."""
    moved = abs(datetime.fromisoformat(after) - datetime.fromisoformat(before))
    if not moved % ONE_DAY:
        return "start_date"
    return "timezone" if moved < ONE_DAY else "start_date or timezone"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
