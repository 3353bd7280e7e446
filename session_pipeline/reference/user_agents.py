"""Classifies user agents: browser, operating system, kind of device, and whether a bot sent it.

It uses two maintained lists. crawler-user-agents contains bots. ua-parser's rules contain browsers, operating systems
and, as "Spider", programs that call themselves bot, crawler or spider. Headless browsers (HeadlessChrome) and HTTP
libraries (curl, python-requests, okhttp) are in the first list, so they are bots. bots.toml adds what both lack (feed
readers, archivers, health checks), and in-app browsers, which are people. A user agent that is in no list counts as a
person; bots that imitate a browser are not detected here. The settings can add patterns and exceptions, in SQL.

The model `events` joins the result to events.
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib.metadata import version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from session_pipeline.reference.column import arrow_schema
from session_pipeline.reference.column_groups import AGENT

if TYPE_CHECKING:
    import pyarrow as pa
    import ua_parser_rs
    from ua_parser import PartialResult
    from ua_parser.core import Matchers
    from ua_parser.regex import Resolver

# Values that mean that no user agent was sent; access logs write a dash.
ABSENT = frozenset({"", "-"})

# Real user agents have fewer than 500 characters. A hostile one must not cost much more to classify.
LOOKED_AT_CHARACTERS = 1_000

SPIDER = "Spider"  # the family of the parser's rules for programs that call themselves bot, crawler or spider

_DESKTOP_SYSTEMS = re.compile(
    "Windows|Mac OS( X)?|Chrome OS|Linux( Mint)?|[KL]?[Uu]buntu|Debian|Fedora|Red Hat|CentOS|Gentoo"
    "|Arch Linux|(open)?SUSE|Slackware|Mageia|Mandriva|PCLinuxOS|Puppy|(Free|Open|Net)?BSD|Solaris"
)
_REDUCED = re.compile(
    r"reduced \((?P<browser>[^;]{1,80})/[^;/]{0,20}; (?P<os>[^;]{1,80})/[^;/]{0,20};"
    r" (?P<device>tv|desktop|tablet|mobile|other)\)"
)
_TELEVISION = re.compile(r"\bTV\b|[a-z]TV\b|AppleTV|SmartTV|Web0S|Roku/|CrKey|BRAVIA|\bAFT[A-Z]")
_TABLET = re.compile(r"iPad|Tablet|PlayBook|Kindle")
_PHONE = re.compile(r"Mobi|Phone|iPod|BlackBerry|Opera Mini|MIDP|Symbian")


def user_agent_id(user_agent: str) -> str:
    """Return the key of a user agent: md5 of its UTF-8 text in hexadecimal, equal to `md5` in DuckDB and Spark."""
    return hashlib.md5(user_agent.encode(), usedforsecurity=False).hexdigest()


def classify(user_agents: Iterable[str | None]) -> "pa.Table":
    """Classify each user agent.

    Args:
        user_agents: As they were sent, in any order; they may repeat. Null, blank and "-" mean that no user agent was
            sent, and get no row.

    Returns:
        The columns of the contract `user_agents`: one row per distinct user agent, ordered by `user_agent_id`.
        `browser` and `os` are the parser's names of families, "Other" if it finds none. `bot_reason` is null for
        people; otherwise "crawler list: " or "packaged pattern: " and the text that the entry matched, or
        "parser rules: " and the family.
    """
    import pyarrow as pa

    distinct = {text for text in user_agents if text and text.strip(" ") not in ABSENT}
    # Two texts with the same md5 can be made on purpose. The key stays unique: the smaller text wins.
    texts = {user_agent_id(text): text for text in sorted(distinct, reverse=True)}
    rows = [{"user_agent_id": key, **_row(text)} for key, text in sorted(texts.items())]
    return pa.Table.from_pylist(rows, schema=arrow_schema(AGENT))


@cache
def _listed_crawlers() -> tuple[Mapping[str, Any], ...]:
    """Read the crawler list from its file, because the package itself reads it in the encoding of the locale."""
    package = find_spec("crawleruseragents")
    assert package is not None
    assert package.origin is not None
    return tuple(json.loads(Path(package.origin).with_name("crawler-user-agents.json").read_text(encoding="utf-8")))


@cache
def lists_fingerprint() -> str:
    """Return a hash that changes when one of the lists changes, for the fingerprints of classified user agents."""
    patterns = [entry["pattern"] for entry in _listed_crawlers()]
    packages = ("ua-parser", "ua-parser-builtins", "ua-parser-rs")
    rules = [f"{package} {version(package)}" for package in packages]
    added = json.dumps(_additions(), sort_keys=True)
    return hashlib.sha256("\n".join([*patterns, *rules, added]).encode()).hexdigest()


@cache
def _additions() -> Mapping[str, Mapping[str, Any]]:
    """Return what bots.toml adds: patterns of bots by kind, and what is a person."""
    return tomllib.loads(files(__package__).joinpath("bots.toml").read_text(encoding="utf-8"))


@cache
def _in_app() -> re.Pattern[str]:
    return re.compile(_additions()["people"]["in_app"])


def _is_crawler(text: str, name: str) -> bool:
    """Whether the name that the crawler list found is that of a program, and not of an app with a browser in it."""
    return name not in _additions()["people"]["apps"] or not _in_app().match(text)


def reduced_agent(user_agent: str) -> str:
    """Return the user agent of a person reduced to browser, system and kind of device; that of a bot as it is.

    The result, such as "reduced (Chrome/129; Windows/10; desktop)", has the major versions, and is classified like the
    whole text. Blank, "-" and reduced texts stay as they are.
    """
    if user_agent.strip(" ") in ABSENT or _REDUCED.fullmatch(user_agent):
        return user_agent
    row = _row(user_agent)
    if row["is_bot"]:
        return user_agent
    parsed = _parsed(user_agent[:LOOKED_AT_CHARACTERS])
    browser = (parsed.user_agent and parsed.user_agent.major) or ""
    os = (parsed.os and parsed.os.major) or ""
    reduced = f"reduced ({row['browser']}/{browser}; {row['os']}/{os}; {row['device']})"
    # A family that the rules took from the text can be anything; such a program is not worth its name.
    return reduced if _REDUCED.fullmatch(reduced) else f"reduced (Other/; Other/; {row['device']})"


@lru_cache(maxsize=200_000)
def _row(user_agent: str) -> dict[str, str | bool | None]:
    if found := _REDUCED.fullmatch(user_agent):
        return {"user_agent": user_agent, **found.groupdict(), "is_bot": False, "bot_reason": None}
    text = user_agent[:LOOKED_AT_CHARACTERS]
    parsed = _parsed(text)
    browser = parsed.user_agent.family if parsed.user_agent else "Other"
    os = parsed.os.family if parsed.os else "Other"
    bot_reason = None
    if (crawler := _crawlers().extract(text)) and _is_crawler(text, crawler.family):
        bot_reason = f"crawler list: {crawler.family.strip(' /;(')}"
    elif _is_spider(text):
        bot_reason = f"parser rules: {browser if browser != 'Other' else SPIDER}"
    elif added := _added_bots().extract(text):
        bot_reason = f"packaged pattern: {added.family.strip(' /;(')}"
    return {
        "user_agent": user_agent,
        "browser": browser,
        "os": os,
        "device": _device(text, os),
        "is_bot": bot_reason is not None,
        "bot_reason": bot_reason,
    }


def _device(text: str, os: str) -> str:
    """Return the kind of device. By the vendors' own rule, browsers on phones send "Mobi".

    An Android browser that does not send it is on a tablet. An iPad that requests desktop pages, the default since
    iPadOS 13, identifies itself as a Mac and counts as desktop.
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
        # The rule applies to browsers, not to apps. Most apps run on phones.
        return "tablet" if text.startswith("Mozilla/") else "mobile"
    return "other"


def _parsed(text: str) -> "PartialResult":
    """Return the browser and the operating system."""
    from ua_parser import Domain  # loads YAML, and most commands classify nothing

    return _browsers_and_systems()(text, Domain.USER_AGENT | Domain.OS)


def _is_spider(text: str) -> bool:
    """Whether the rules of devices find a spider. All of them take 0.1 s to load, so first those that can find one."""
    from ua_parser import Domain

    if SPIDER not in text and _spiders()(text, Domain.DEVICE).device is None:
        return False
    device = _devices()(text, Domain.DEVICE).device
    return device is not None and device.family == SPIDER


@cache
def _browsers_and_systems() -> "Resolver":
    browsers, systems, _ = _rules()
    return _resolver((browsers, systems, []))


@cache
def _devices() -> "Resolver":
    return _resolver(([], [], _rules()[2]))


@cache
def _spiders() -> "Resolver":
    """Return the rules that name each device a spider. Others take the name of a device from the text."""
    return _resolver(([], [], [rule for rule in _rules()[2] if getattr(rule, "family", None) == SPIDER]))


def _rules() -> "Matchers":
    from ua_parser.loaders import load_lazy_builtins

    return load_lazy_builtins()


def _resolver(rules: "Matchers") -> "Resolver":
    from ua_parser.regex import Resolver

    return Resolver(rules)


@cache
def _crawlers() -> "ua_parser_rs.UserAgentExtractor":
    """Return the crawler list in ua-parser's engine: all patterns in one pass, linear in the length of the text.

    The package's own functions take 0.1 ms for a person and 18 ms for a crawler; this takes 2 µs. The group makes the
    engine return the text that the first matching entry matched.
    """
    ignored = _additions()["people"]["not_bots"]
    return _extractor(entry["pattern"] for entry in _listed_crawlers() if entry["pattern"] not in ignored)


@cache
def _added_bots() -> "ua_parser_rs.UserAgentExtractor":
    return _extractor(pattern for kind in _additions()["bots"].values() for pattern in kind)


def _extractor(patterns: Iterable[str]) -> "ua_parser_rs.UserAgentExtractor":
    import ua_parser_rs

    return ua_parser_rs.UserAgentExtractor((f"({pattern})", None, None, None, None, None) for pattern in patterns)
