"""Provides the channel rules as small tables for SQL: the packaged lists of sites, mediums and click ids.

`channels.toml` and `google_sources.toml` contain the lists and name their sources.
`tables/sessions/session_channels.sql` joins them to sessions.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import product
from typing import TypedDict, cast

from session_pipeline.reference.small_table import SmallTable

# The tables that `session_channels.sql` joins.
TABLE_NAMES = ("channel_sources", "channel_mediums", "channel_click_ids", "channel_rules", "shared_suffixes")

# The classes of campaign names; their patterns are in the SQL.
CAMPAIGN_CLASSES = ("cross_network", "shopping", "other", "none")


class _Rule(TypedDict, total=False):
    channel: str
    source: list[str]
    medium: list[str]
    campaign: list[str]


class _Lists(TypedDict):
    rules: list[_Rule]
    shared_suffixes: list[str]
    sources: dict[str, list[str]]
    ad_sources: dict[str, list[str]]
    mediums: dict[str, list[str]]
    click_ids: dict[str, dict[str, str]]


@cache
def channel_tables() -> Mapping[str, SmallTable]:
    """Make the tables that `session_channels.sql` joins, by the names that it uses.

    Returns:
        channel_sources: source (a host, "name.*" or a value of utm_source), source_class, medium_class (null: the
            source does not determine it).
        channel_mediums: pattern_number (the first pattern that matches wins), pattern (for LIKE), medium_class.
        channel_click_ids: click_id_type, source_class, medium_class (null: the click id does not determine it),
            excepted_class (a referrer of this class is the source, not the click id).
        channel_rules: source_class, medium_class, campaign_class, channel; one row for every combination of classes,
            so that the ordered rules become a join by equality.
        shared_suffixes: suffix (a domain whose subdomains belong to different owners).
    """
    lists = _lists()
    sources = [
        *((source, name, None) for name, entries in lists["sources"].items() for source in entries),
        *((_only(source), name, None) for name, entries in _google_sources().items() for source in entries),
        *((source, name, "paid") for name, entries in lists["ad_sources"].items() for source in entries),
    ]
    mediums = ((pattern, name) for name, entries in lists["mediums"].items() for pattern in entries)
    click_ids = (
        (name, says.get("source"), says.get("medium"), says.get("except")) for name, says in lists["click_ids"].items()
    )
    return {
        "channel_sources": _table(sources, "source", "source_class", "medium_class"),
        "channel_mediums": SmallTable(
            {"pattern_number": "BIGINT", "pattern": "VARCHAR", "medium_class": "VARCHAR"},
            [
                {"pattern_number": number, "pattern": pattern, "medium_class": name}
                for number, (pattern, name) in enumerate(mediums, start=1)
            ],
        ),
        "channel_click_ids": _table(click_ids, "click_id_type", "source_class", "medium_class", "excepted_class"),
        "channel_rules": _table(_decisions(lists), "source_class", "medium_class", "campaign_class", "channel"),
        "shared_suffixes": _table(((suffix,) for suffix in lists["shared_suffixes"]), "suffix"),
    }


def _table(rows: Iterable[Sequence[str | None]], *names: str) -> SmallTable:
    """Return a table of texts; the rows have the values of the named columns, in this order."""
    return SmallTable(dict.fromkeys(names, "VARCHAR"), [dict(zip(names, row, strict=True)) for row in rows])


def channels() -> tuple[str, ...]:
    """Return all channels, in the order of the rules."""
    return tuple(dict.fromkeys(rule["channel"] for rule in _lists()["rules"]))


def click_id_types() -> tuple[str, ...]:
    """Return the parameters of URLs that are click ids, in lower case."""
    return tuple(_lists()["click_ids"])


def _decisions(lists: _Lists) -> Iterator[tuple[str, str, str, str]]:
    """Yield every combination of classes with its channel, given by the first rule that holds."""
    source_classes = dict.fromkeys([*lists["sources"], "other", "none"])
    medium_classes = [*lists["mediums"], "other", "none"]
    for source, medium, campaign in product(source_classes, medium_classes, CAMPAIGN_CLASSES):
        rule = next(
            rule
            for rule in lists["rules"]
            if source in rule.get("source", source_classes)
            and medium in rule.get("medium", medium_classes)
            and campaign in rule.get("campaign", CAMPAIGN_CLASSES)
        )
        yield source, medium, campaign, rule["channel"]


def _only(source: str) -> str:
    """Return the entry for a source without its subdomains, in the notation of channels.toml."""
    return f"www.{source}" if "." in source else source


@cache
def _lists() -> _Lists:
    return cast(_Lists, tomllib.loads(_text("channels")))


@cache
def _google_sources() -> dict[str, list[str]]:
    return tomllib.loads(_text("google_sources"))


def _text(name: str) -> str:
    return files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
