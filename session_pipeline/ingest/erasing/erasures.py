"""Remembers erased visitors and users as keyed hashes, and recognizes them in rows and in text.

An id is not stored, but its HMAC with the visitor key. So ingest recognizes an erased visitor whenever one of its lines
arrives, and without the key the file does not tell who was erased. While an erasure is unfinished, the file also has
the ids in plain text, because logs and reports are searched for them; the last step removes them.

This module handles the file and the hashes. erased_rows.py removes rows; run/erasure.py does the steps of an erasure.
"""

import hmac
import html
import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, unquote_plus

from markupsafe import escape

from session_pipeline.data_folder import DataFolder
from session_pipeline.errors import SessionPipelineError
from session_pipeline.ingest.mapping.visitors import PROPERTY_PURPOSE, USER_PURPOSE, VisitorKey, find_key
from session_pipeline.store.files import replacing
from session_pipeline.store.records import utc_now

FORMAT = 1
DOMAIN = "session_pipeline erasure"  # so that no hash is equal to a visitor id that is made with the same key
ESCAPED = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
SHORT_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
LEAST_SEARCHED = 6  # characters
HASH = re.compile(r"[0-9a-f]{32}")  # an id of a session, or of a visitor that is a hash
HASH_LENGTH = 32
AROUND_HASH = re.compile(r"[0-9a-f]{32,}")  # an escape before an id can end with such characters
MOST_KNOWN_TEXTS = 100_000
Kind = Literal["visitor", "user"]


@dataclass(frozen=True)
class Erasure:
    """A visitor id or a user id that is erased.

    Attributes:
        kind: visitor or user.
        site: The site whose rows are erased; None for all sites.
        hash: The keyed hash of kind, site and id. It is compared with the columns visitor_id and user_id.
        text_hash: The keyed hash of the id alone. It is compared with parts of quarantined lines.
        length: The number of characters of the id, so that parts of other lengths need not be hashed.
        recorded_at: When it was recorded, UTC, as text.
    """

    kind: Kind
    site: str | None
    hash: str
    text_hash: str
    length: int
    recorded_at: str


@dataclass(frozen=True)
class Unfinished:
    """What the remaining steps of an erasure need.

    Attributes:
        ids: The erased ids and the ids of their sessions, in plain text: what logs and reports are searched for.
        visitors: What visitor_id is in erased rows, each with its site.
        users: The erased user ids, as they are in the tables, each with its site.
        session_ids: The sessions that consist of erased events only, also under former ids.
        days: The local days that had events of them, each with its site.
        former_ids: What `hash_properties` makes of these visitors and users as former ids, each with its site.
    """

    ids: tuple[str, ...] = ()
    visitors: tuple[tuple[str, str], ...] = ()
    users: tuple[tuple[str, str], ...] = ()
    session_ids: tuple[str, ...] = ()
    days: tuple[tuple[str, date], ...] = ()
    former_ids: tuple[tuple[str, str], ...] = ()

    @cached_property
    def search(self) -> "IdSearch":
        """Finds these ids in logs and reports."""
        return IdSearch(self.ids)

    def with_others(self, other: "Unfinished") -> "Unfinished":
        """Return this and another one together."""
        both = ((getattr(self, each.name), getattr(other, each.name)) for each in fields(self))
        return Unfinished(*(tuple(sorted({*own, *others})) for own, others in both))


class IdSearch:
    """Finds ids in text: as they are, and escaped as in JSON and HTML.

    An id of fewer than LEAST_SEARCHED characters is not searched for, because it is a part of many other texts.
    """

    def __init__(self, ids: Iterable[str]) -> None:
        """Take the ids."""
        searched = {each for each in ids if len(each) >= LEAST_SEARCHED}
        # A visitor can have thousands of sessions, so their ids are compared with the hashes in a text all at once.
        self._hashes = {each for each in searched if HASH.fullmatch(each)}
        self._others = {form for each in searched - self._hashes for form in _escaped(each)}

    def is_in(self, text: str) -> bool:
        """Whether one of the ids is in a text."""
        return any(each in text for each in self._others) or (
            bool(self._hashes) and any(each in self._hashes for each in _hashes_in(text))
        )


@dataclass(frozen=True)
class Erasures:
    """All erasures of a data folder.

    Attributes:
        entries: The erased ids, in the order in which they were recorded.
        key: The key of the hashes; None only without entries.
        unfinished: What is left to do; None if all erasures are finished.
        linking_events: SQL that adds `previous_id` to the relation raw_events; empty if former ids are not compared.
    """

    entries: tuple[Erasure, ...] = ()
    key: VisitorKey | None = None
    unfinished: Unfinished | None = None
    linking_events: str = ""
    _known: dict[tuple[str, str], bool] = field(default_factory=dict, repr=False, compare=False)

    def hash_of(self, *parts: str | None) -> str:
        """Return the keyed hash of some texts."""
        assert self.key is not None, "erasures have a key"
        return hmac.digest(self.key.secret, json.dumps([DOMAIN, *parts]).encode(), "sha256").hex()

    def with_id(self, kind: Kind, site: str | None, given: str) -> "Erasures":
        """Return these erasures and that of an id. An id that is erased already is not added again."""
        hashed = self.hash_of(kind, site, given)
        if any(entry.hash == hashed for entry in self.entries):
            return self
        entry = Erasure(kind, site, hashed, self.hash_of("text", given), len(given), utc_now())
        return replace(self, entries=(*self.entries, entry), _known={})

    def kinds(self, site: str) -> set[Kind]:
        """The kinds of ids that are erased on a site."""
        return {entry.kind for entry in self._of_site(site)}

    def with_visitor(self, site: str | None, given: str) -> "Erasures":
        """Return these erasures and that of a visitor id, also as `hash_properties` stores it as a former id."""
        assert self.key is not None, "erasures have a key"
        hashed = self.key.keyed(PROPERTY_PURPOSE, given)
        return self.with_id("visitor", site, given).with_id("visitor", site, hashed)

    def with_user(self, site: str | None, given: str) -> "Erasures":
        """Return these erasures and that of a user id, also as it is stored with `user_ids = "keyed"`.

        As a former id, it is also recognized as `hash_properties` stores it.
        """
        assert self.key is not None, "erasures have a key"
        found = self.with_id("user", site, given)
        for purpose in (USER_PURPOSE, PROPERTY_PURPOSE):
            found = found.with_id("user", site, self.key.keyed(purpose, given))
        return found

    def erased(self, kind: Kind, site: str, ids: Iterable[str]) -> list[str]:
        """Return those ids of a site that are erased. A user id is, too, if its keyed form is."""
        entries = [entry for entry in self._of_site(site) if entry.kind == kind]
        sites, hashes = {entry.site for entry in entries}, {entry.hash for entry in entries}
        return [
            each
            for each in ids
            if any(self.hash_of(kind, where, form) in hashes for form in self._forms(kind, each) for where in sites)
        ]

    def _forms(self, kind: Kind, given: str) -> tuple[str, ...]:
        if kind == "visitor" or self.key is None:
            return (given,)
        return given, self.key.keyed(USER_PURPOSE, given)

    def are_in(self, text: str | None, site: str) -> bool:
        """Whether an erased id is in a text: as it is, percent-encoded, as forms write it, or escaped as in JSON.

        Forms write a blank as `+`. An id is a part of the text between characters that are not both letters or digits.
        So v1 is in `"v1"` and not in `v12`.
        """
        texts = {entry.text_hash: entry.length for entry in self._of_site(site)}
        if not text or not texts:
            return False
        lengths = set(texts.values())
        return any(
            self._is_erased(part, site, texts)
            for plain in {text, _unescaped(text)}
            for form in {plain, unquote(plain), unquote_plus(plain)}
            for part in _parts(form, lengths)
        )

    def _is_erased(self, part: str, site: str, texts: Mapping[str, int]) -> bool:
        # Keys and common values are in many lines, so what was hashed is kept.
        known = self._known.get((site, part))
        if known is None:
            if len(self._known) >= MOST_KNOWN_TEXTS:
                self._known.clear()
            known = self._known[site, part] = self.hash_of("text", part) in texts
        return known

    def _of_site(self, site: str) -> Sequence[Erasure]:
        return [entry for entry in self.entries if entry.site in (None, site)]

    def save(self, path: Path) -> None:
        """Write the file atomically; only its owner may read it.

        The caller must hold the write lock of the store: temporary files of others, which can have erased ids, are
        removed.
        """
        left = self.unfinished
        content = {
            "format": FORMAT,
            "visitor_key": self.key and self.key.fingerprint,
            "erasures": [asdict(entry) for entry in self.entries],
            "unfinished": left and {**asdict(left), "days": [[site, str(day)] for site, day in left.days]},
        }
        with replacing(path, is_only_writer=True) as temporary:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump(content, file, indent=1)
                file.write("\n")


def erasures_of(folder: DataFolder) -> Erasures:
    """Return the recorded erasures of a data folder; see `load_erasures`."""
    return load_erasures(folder.erasures, find_key(folder.visitor_key))


def unfinished_in(folder: DataFolder) -> Unfinished | None:
    """Return what is left to do of erasures that were begun; None if there is nothing."""
    return erasures_of(folder).unfinished if folder.erasures.exists() else None


def load_erasures(path: Path, key: VisitorKey | None) -> Erasures:
    """Read the erasures of a data folder; there are none without the file.

    Args:
        path: The file.
        key: The visitor key of the data folder.

    Raises:
        SessionPipelineError: The file is damaged, or it belongs to another visitor key. Without this error, erased
            visitors would come back.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Erasures(key=key)
    except ValueError:
        found = None
    try:
        is_known, fingerprint = found["format"] == FORMAT, found["visitor_key"]
        entries = tuple(Erasure(**entry) for entry in found["erasures"])
        unfinished = _unfinished(found["unfinished"])
    except (KeyError, TypeError, ValueError):
        is_known = False
    if not is_known:
        raise SessionPipelineError(
            f"{path} is not a list of erasures of this version; restore it from a backup: without it, erased visitors"
            " would come back"
        )
    if entries and (key is None or key.fingerprint != fingerprint):
        raise SessionPipelineError(
            f"{path} belongs to another visitor_key; restore {path.with_name('visitor_key')} from a backup: with"
            " another key, erased visitors would come back"
        )
    erasures = Erasures(entries, key, unfinished)
    if unfinished is not None and "users" not in found["unfinished"]:
        return replace(erasures, unfinished=_with_kinds(erasures, unfinished))
    return erasures


def _unfinished(found: Mapping[str, Any] | None) -> Unfinished | None:
    if found is None:
        return None
    return Unfinished(
        tuple(found["ids"]),
        visitors=tuple((site, visitor) for site, visitor in found["visitors"]),
        users=tuple((site, user) for site, user in found.get("users", [])),
        session_ids=tuple(found.get("session_ids", found["ids"])),
        days=tuple((site, date.fromisoformat(day)) for site, day in found["days"]),
        former_ids=tuple((site, each) for site, each in found.get("former_ids", [])),
    )


def _with_kinds(erasures: Erasures, left: Unfinished) -> Unfinished:
    """Return what an older version left to do, with the kinds of its ids, which it did not record."""
    sites = sorted({site for site, _ in (*left.visitors, *left.days)})
    found: dict[Kind, list[tuple[str, str]]] = {
        kind: [(site, each) for site in sites for each in erasures.erased(kind, site, left.ids)]
        for kind in ("visitor", "user")
    }
    return left.with_others(Unfinished(visitors=tuple(found["visitor"]), users=tuple(found["user"])))


def _hashes_in(text: str) -> Iterator[str]:
    """Yield the parts of a text that can be hashes."""
    for found in AROUND_HASH.findall(text):
        for start in range(len(found) - HASH_LENGTH + 1):
            yield found[start : start + HASH_LENGTH]


def _escaped(text: str) -> set[str]:
    """Return a text as it is in plain text, in JSON, in JSON within JSON, and in HTML.

    JSON can have characters beyond ASCII as they are, and reports write quotes as &#34; and &#39;.
    """
    as_json = json.dumps(text)
    in_json = {as_json[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], json.dumps(as_json)[3:-3]}
    return {text, *in_json, html.escape(text), str(escape(text))}


def _unescaped(text: str) -> str:
    """Return a text in which the escapes of JSON are replaced by their characters."""
    if "\\" not in text:
        return text

    def character(found: re.Match[str]) -> str:
        escape = found.group(1)
        return chr(int(escape[1:], 16)) if len(escape) > 1 else SHORT_ESCAPES.get(escape, escape)

    plain = ESCAPED.sub(character, text)
    # Two escapes for one character beyond 16 bits become that character.
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _parts(text: str, lengths: Collection[int]) -> Iterator[str]:
    """Yield the parts of a text that have one of these lengths and begin and end between words."""
    inner = [a.isalnum() and b.isalnum() for a, b in pairwise(text)]
    is_border = [True, *(not each for each in inner), True]
    for start in range(len(text)):
        if is_border[start]:
            for length in lengths:
                if start + length <= len(text) and is_border[start + length]:
                    yield text[start : start + length]
