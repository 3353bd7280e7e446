"""Makes random sessions for the tables of paths: several sites, and days with gaps of more than a window.

All sites of a group share settings. Their sessions differ: some sites have few frequent paths, others many rare ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from session_pipeline_tests.oracles.paths import Sizes

Line = dict[str, Any]

FIRST_DAY = date(2024, 2, 20)
# Days after the first: close to each other, on both sides of the ends of windows, and after a gap of a whole window.
OFFSETS = (0, 1, 2, 4, 6, 7, 8, 13, 20, 27, 28, 29, 58, 60)
LAST_DAY = FIRST_DAY + timedelta(days=OFFSETS[-1] + 1)
TIMEZONES = ("Europe/Berlin", "UTC", "America/New_York")

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0 Safari/537.36"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 Version/17.4 Mobile Safari/604.1"
CRAWLER = "Googlebot/2.1 (+http://www.google.com/bot.html)"
AGENTS = (CHROME, CHROME, IPHONE, None, CRAWLER)

BUY = "buy > now"
SIZES = (
    Sizes(max_steps=10, max_path_actions=12, max_paths=6, min_session_count=1),
    Sizes(max_steps=3, max_path_actions=3, max_paths=4, min_session_count=2),
    Sizes(max_steps=1, max_path_actions=1, max_paths=1, min_session_count=3),
    Sizes(max_steps=4, max_path_actions=5, max_paths=7, min_session_count=3),
    Sizes(max_steps=2, max_path_actions=4, max_paths=30, min_session_count=2),
    Sizes(max_steps=10, max_path_actions=12, max_paths=1000, min_session_count=1),
)
FOLDS: tuple[Sequence[tuple[str, str]], ...] = (
    ((r"/[0-9]+\b", "/:id"), ("/+$", "")),
    (),
    (("^/help/.*$", "/help"), ("/help", "/(help.[+]")),
)

# The actions of the sites. Names that begin with a slash are pages, others are events.
FEW = ("/", "/a/b", "/a/c", "/x", "search", "cart", "cart", BUY, "ping")
PAGES = (
    "/",
    "/help/pay",
    "/help/pay/",
    "/help/pay/a",
    "/help/pay/b",
    "/help/x",
    "/p/1",
    "/p/2",
    "/p/2/r",
    "/y",
    "/z",
    "cart",
)
NAMES = (
    "(end)", "(start)", "(more)", "(other)", "(no action)", "action (end)", "a>b", "a›b", "…", "/a/…", "a\nb", "ä", "Ä",
    "/e/f", "/n\nl/f", "/n/l\nf", "/A/b", "/a/b", "page_view", "asset", "call", BUY, "cart", "(other event)", "(x) > y",
    "/p?page=a/b", "/p?page=a", "/p?page=", "/p?q=3&page=&page=1&page=2", "/p/7/?page=/7/", "/p/7/?other=1&page=2#?q=3",
    "%20", "/%3E/ä", "😀", "a/b", "scroll", "/p/1/2", "/p#x?page=1", "/d/a/b/c/d/e/f/g/h/i/x", "/d/a/b/c/d/e/f/g/h/i",
)  # fmt: skip


@dataclass(frozen=True)
class Group:
    """Settings and lines of several sites."""

    sizes: Sizes
    fold: Sequence[tuple[str, str]]
    timezone: str
    lines: Mapping[str, Sequence[Line]]
    parameters: Sequence[str] = ("page", "q")
    ignored: Sequence[str] = ("ping",)

    @property
    def settings(self) -> dict[str, Any]:
        fold = [{"pattern": pattern, "replacement": replacement} for pattern, replacement in self.fold]
        return {
            "timezone": self.timezone,
            "paths": asdict(self.sizes),
            "actions": {
                "fold": fold,
                "ignored_events": list(self.ignored),
                "query_parameters": list(self.parameters),
            },
            "privacy": {"keep_query_parameters": ["page", "q"]},
            "sources": {source: {"site": f"site-{source}"} for source in self.lines},
            "outcomes": [
                {"name": "bought", "where": f"event_name = '{BUY}'", "is_conversion": True},
                {"name": "called", "where": "event_name = 'call'", "is_conversion": True},
                {"name": "in_cart", "where": "event_name = 'cart'"},
            ],
        }


def group(seed: int) -> Group:
    """Make the sessions of a seed. The result is always the same."""
    random = Random(seed)
    timezone = TIMEZONES[seed % len(TIMEZONES)]
    sites = {
        "few": sessions_of_few_paths,
        "pages": sessions_of_pages,
        "names": sessions_of_names,
        "small": single_actions,
        "rare": sessions_without_a_common_action,
    }
    return Group(
        sizes=SIZES[seed % len(SIZES)],
        fold=FOLDS[(seed + seed // len(SIZES)) % len(FOLDS)],
        timezone=timezone,
        lines={source: lines_of(source, make, random, ZoneInfo(timezone)) for source, make in sites.items()},
    )


def lines_of(source: str, make: Any, random: Random, zone: ZoneInfo) -> list[Line]:
    found: list[Line] = []
    for offset in OFFSETS:
        if random.random() < 0.15:
            continue  # a site without visits on a day on which others have some
        midnight = datetime.combine(FIRST_DAY + timedelta(days=offset), datetime.min.time(), zone).astimezone(UTC)
        for number, actions in enumerate(make(random)):
            seconds = random.choice((0, 1, 11, 12, 22, 23.999, random.random() * 22)) * 3600
            moment = midnight + timedelta(seconds=seconds)
            agent = random.choice(AGENTS)
            is_slow = random.random() < (0.1 if len(actions) <= 10 else 0.5)  # some sessions take hours
            for action in actions:
                found.append(line(f"{offset} {number}", f"{source} {len(found):06d}", moment, action, agent))
                pauses = (1700, 1799) if is_slow else (0, 0.25, 1, 1, 2, 7.5, 9, 40, 99, 100, 101, 1234)
                moment += timedelta(seconds=random.choice(pauses))
    return found


def line(visitor: str, event_id: str, moment: datetime, action: str, agent: str | None) -> Line:
    name = action
    page: Line = {"page_url": "https://shop.example/on/page"} if name == "asset" else {}
    if action.startswith("/") and "\n" not in action and not action.startswith("/e"):
        path, sign, query = action.partition("?")
        name, page = "page_view", {"page_url": f"https://shop.example{quote(path, safe='/%#')}{sign}{query}"}
    return {
        "visitor_id": visitor,
        "event_id": event_id,
        "event_time": moment.isoformat(),
        "event_name": name,
        **page,
        **({"user_agent": agent} if agent else {}),
    }


def sessions_of_few_paths(random: Random) -> list[list[str]]:
    """Frequent paths with some repeats, and sometimes a rare action or one more at the end."""
    whole = (("/", "search", "cart"), ("/", "search", "search", "cart", BUY), ("/", "/a/b", "/a/c"), ("/x",), ("ping",))
    sessions = []
    for _ in range(random.randint(8, 24)):
        actions = list(random.choice(whole))
        if random.random() < 0.4:
            actions.insert(random.randrange(len(actions) + 1), random.choice(FEW))
        sessions.append(actions)
    # Ten loops, so that the 90th percentile is one of their times.
    return [*sessions, ["/x"] * 11] if random.random() < 0.4 else sessions


def sessions_of_pages(random: Random) -> list[list[str]]:
    return [random.choices(PAGES, k=random.randint(1, 6)) for _ in range(random.randint(5, 15))]


def sessions_of_names(random: Random) -> list[list[str]]:
    """Sessions of names that could be confused, sometimes with two that are written alike one after the other."""
    sessions = []
    for _ in range(random.randint(3, 12)):
        alike = random.choice((["(end)", "action (end)"], ["a>b", "a›b"], [], [], []))
        sessions.append(random.choices(NAMES, k=random.randint(1, 5)) + alike)
    return sessions


def sessions_without_a_common_action(random: Random) -> list[list[str]]:
    return [[f"/folder/{random.randrange(99)}x"] for _ in range(random.randint(6, 9))]


def single_actions(random: Random) -> list[list[str]]:
    """Few sessions of one or two actions, so that there are ties, and counts at and around the minimum."""
    return [random.choices(FEW, k=random.randint(1, 2)) for _ in range(random.randint(1, 7))]
