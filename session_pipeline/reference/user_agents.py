"""User agents: browser, operating system, kind of device, and whether a program sent it.

Two kept-up lists decide: crawler-user-agents names programs; ua-parser's rules name browsers,
systems and, as "Spider", programs that call themselves bot, crawler or spider. Browsers without a
screen (HeadlessChrome) and HTTP libraries (curl, python-requests, okhttp) are on the first list, so
they are bots. What neither list knows counts as a person: a program that poses as a browser is not
found here.

Knows texts and the two lists. Does not know events, and reads no file of ours.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import ua_parser_rs
from ua_parser import Domain, Resolver
from ua_parser.loaders import load_lazy_builtins
from ua_parser.regex import Resolver as RustResolver

from session_pipeline.reference.columns import AGENT, arrow_schema

# What stands for "no user agent was sent"; access logs write a dash.
ABSENT = frozenset({"", "-"})

# Real user agents stay below 500 characters. A hostile one must not cost more than they do.
LOOKED_AT_CHARACTERS = 1_000

_DESKTOP_SYSTEMS = re.compile(
    "Windows|Mac OS( X)?|Chrome OS|Linux( Mint)?|[KL]?[Uu]buntu|Debian|Fedora|Red Hat|CentOS|Gentoo"
    "|Arch Linux|(open)?SUSE|Slackware|Mageia|Mandriva|PCLinuxOS|Puppy|(Free|Open|Net)?BSD|Solaris"
)
_TELEVISION = re.compile(r"\bTV\b|[a-z]TV\b|AppleTV|SmartTV|Web0S|Roku/|CrKey|BRAVIA|\bAFT[A-Z]")
_TABLET = re.compile(r"iPad|Tablet|PlayBook|Kindle")
_PHONE = re.compile(r"Mobi|Phone|iPod|BlackBerry|Opera Mini|MIDP|Symbian")


def user_agent_id(user_agent: str) -> str:
    """Key of a user agent: md5 of its UTF-8 text in hexadecimal, as DuckDB's and Spark's `md5`."""
    return hashlib.md5(user_agent.encode(), usedforsecurity=False).hexdigest()


def classify(user_agents: Iterable[str | None]) -> pa.Table:
    """Say what each user agent is.

    Args:
        user_agents: As they were sent, in any order, repeated or not. Null, blank and "-" are no
            user agents and get no row.

    Returns:
        The columns of the contract `user_agents`: one row for each distinct user agent, ordered by
        `user_agent_id`. `browser` and `os` are the parser's names of families, "Other" where it
        knows none. `bot_reason` is null for people, else "crawler list: " and what the list's
        entry matched, or "parser rules: " and the family.
    """
    distinct = {text for text in user_agents if text and text.strip(" ") not in ABSENT}
    # Two texts with one md5 can be made on purpose; the key stays unique, the smaller text wins.
    texts = {user_agent_id(text): text for text in sorted(distinct, reverse=True)}
    rows = [{"user_agent_id": key, **_row(text)} for key, text in sorted(texts.items())]
    return pa.Table.from_pylist(rows, schema=arrow_schema(AGENT))


@cache
def _listed_crawlers() -> tuple[Mapping[str, Any], ...]:
    """The crawler list, from its file: the package itself reads it in the encoding of the machine's locale."""
    package = find_spec("crawleruseragents")
    assert package is not None
    assert package.origin is not None
    return tuple(json.loads(Path(package.origin).with_name("crawler-user-agents.json").read_text(encoding="utf-8")))


@cache
def lists_fingerprint() -> str:
    """Hash that changes whenever one of the lists does, for fingerprints of what they decided."""
    patterns = [entry["pattern"] for entry in _listed_crawlers()]
    packages = ("ua-parser", "ua-parser-builtins", "ua-parser-rs")
    rules = [f"{package} {version(package)}" for package in packages]
    return hashlib.sha256("\n".join([*patterns, *rules]).encode()).hexdigest()


def _row(user_agent: str) -> dict[str, str | bool | None]:
    text = user_agent[:LOOKED_AT_CHARACTERS]
    parsed = _parser()(text, Domain.ALL)
    browser = parsed.user_agent.family if parsed.user_agent else "Other"
    os = parsed.os.family if parsed.os else "Other"
    bot_reason = None
    if crawler := _crawlers().extract(text):
        bot_reason = f"crawler list: {crawler.family.strip(' /;(')}"
    elif parsed.device and parsed.device.family == "Spider":
        bot_reason = f"parser rules: {browser if browser != 'Other' else 'Spider'}"
    return {
        "user_agent": user_agent,
        "browser": browser,
        "os": os,
        "device": _device(text, os),
        "is_bot": bot_reason is not None,
        "bot_reason": bot_reason,
    }


def _device(text: str, os: str) -> str:
    """Name the kind of device, by the vendors' own rule: browsers on phones say "Mobi".

    An Android browser that does not is on a tablet. An iPad that asks for desktop pages, its
    default since iPadOS 13, says it is a Mac: desktop.
    """
    if _TELEVISION.search(text):
        return "tv"
    if _DESKTOP_SYSTEMS.fullmatch(os):
        return "desktop"
    if _TABLET.search(text):
        return "tablet"
    if _PHONE.search(text) or os == "iOS":
        return "mobile"
    if os == "Android":
        # Apps, which are not bound to the rule of browsers, run on phones more often than not.
        return "tablet" if text.startswith("Mozilla/") else "mobile"
    return "other"


@cache
def _parser() -> Resolver:
    return RustResolver(load_lazy_builtins())


@cache
def _crawlers() -> ua_parser_rs.UserAgentExtractor:
    """The crawler list in ua-parser's engine: all patterns in one pass, linear in the length.

    crawleruseragents' own functions take 0.1 ms to clear a person and 18 ms to name a crawler; this
    takes 2 µs. The group makes the engine give what the first entry that fits has matched.
    """
    return ua_parser_rs.UserAgentExtractor(
        (f"({entry['pattern']})", None, None, None, None, None) for entry in _listed_crawlers()
    )
