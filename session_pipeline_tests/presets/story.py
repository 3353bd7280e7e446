"""The story that every example file of a preset tells: five visitors, on 4 and 5 May 2026, UTC.

A file can have more lines than these events, as its tool writes them: identify calls, page pings, images. They must not
change the sessions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0"
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


@dataclass(frozen=True)
class StoryEvent:
    """One event of the story.

    Attributes:
        visitor: Who: ada, ben, bot, dan, eve.
        time: When, UTC.
        name: Our name of the event.
        path: The path of its page.
        query: The query of its page.
        value: Its value in euros.
    """

    visitor: str
    time: datetime
    name: str
    path: str
    query: str = ""
    value: Decimal | None = None


@dataclass(frozen=True)
class StorySession:
    """One session of the story; `views` are its page views."""

    visitor: str
    started_at: datetime
    views: int
    outcome: str
    is_bot: bool = False
    value: Decimal | None = None


def _at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-05-{text}")


EVENTS = (
    # Ada comes from Google and buys; she comes again on the next day.
    StoryEvent("ada", _at("04T09:00:00"), "page_view", "/"),
    StoryEvent("ada", _at("04T09:01:10"), "page_view", "/products/lamp"),
    StoryEvent("ada", _at("04T09:02:30"), "add_to_cart", "/products/lamp"),
    StoryEvent("ada", _at("04T09:03:15"), "page_view", "/cart"),
    StoryEvent("ada", _at("04T09:04:00"), "page_view", "/checkout"),
    StoryEvent("ada", _at("04T09:05:20"), "purchase", "/checkout", value=Decimal("49.90")),
    # Ben sends a contact form.
    StoryEvent("ben", _at("04T11:00:00"), "page_view", "/"),
    StoryEvent("ben", _at("04T11:00:45"), "page_view", "/contact"),
    StoryEvent("ben", _at("04T11:02:00"), "contact", "/contact"),
    StoryEvent("ben", _at("04T11:02:05"), "page_view", "/contact/thanks"),
    # A bot that says what it is.
    StoryEvent("bot", _at("04T12:00:00"), "page_view", "/"),
    StoryEvent("bot", _at("04T12:00:20"), "page_view", "/products/lamp"),
    StoryEvent("bot", _at("04T12:00:40"), "page_view", "/blog"),
    # Dan comes from a newsletter, reads one page and leaves.
    StoryEvent("dan", _at("04T15:30:00"), "page_view", "/blog", "utm_source=newsletter&utm_medium=email"),
    # Eve reads over midnight.
    StoryEvent("eve", _at("04T23:50:00"), "page_view", "/blog"),
    StoryEvent("eve", _at("05T00:05:00"), "page_view", "/blog/second"),
    StoryEvent("eve", _at("05T00:10:30"), "page_view", "/about"),
    StoryEvent("ada", _at("05T10:00:00"), "page_view", "/"),
    StoryEvent("ada", _at("05T10:00:30"), "page_view", "/products/desk"),
)

SESSIONS = (
    StorySession("ada", _at("04T09:00:00"), 4, "purchase", value=Decimal("49.90")),
    StorySession("ben", _at("04T11:00:00"), 3, "contact"),
    StorySession("bot", _at("04T12:00:00"), 3, "engaged", is_bot=True),
    StorySession("dan", _at("04T15:30:00"), 1, "bounce"),
    StorySession("eve", _at("04T23:50:00"), 3, "engaged"),
    StorySession("ada", _at("05T10:00:00"), 2, "engaged"),
)


@dataclass(frozen=True)
class Limits:
    """What the files of a preset cannot show. docs/sources/ explains why.

    Attributes:
        has_bot: Whether the bot's lines are in the file and can be distinguished from others.
        has_values: Whether lines have a value.
        names: Other names of events than in the story, by the story's name; an empty name: the event is not shown.
        outcomes: Other outcomes of sessions than in the story, by the story's outcome.
        without_page: Events whose lines do not say on which page they happened, by our name.
        sessions: The sessions, if the files show too few events for those of the story.
    """

    has_bot: bool = True
    has_values: bool = True
    names: Mapping[str, str] = field(default_factory=dict)
    outcomes: Mapping[str, str] = field(default_factory=dict)
    without_page: frozenset[str] = frozenset()
    sessions: tuple[StorySession, ...] | None = None


# Tools that remove bots themselves, and whose files have no user agent: the bot is not in the file.
NO_BOT = Limits(has_bot=False)
# A log of requests shows that a form was sent, and not what for; only the page after it can say that.
REQUESTS = Limits(
    has_values=False,
    names={"add_to_cart": "submit", "purchase": "submit", "contact": "submit"},
    outcomes={"purchase": "engaged"},
)
LIMITS: Mapping[str, Limits] = {
    **dict.fromkeys(("alb", "caddy", "cloudflare", "nginx_json", "nginx_main", "vhost_combined", "w3c"), REQUESTS),
    # A link that is tracked has no page, and revenue is part of a text.
    "adobe_analytics": Limits(has_values=False, without_page=frozenset(["add_to_cart", "contact"])),
    "amplitude": NO_BOT,
    "ga4": NO_BOT,
    "matomo": Limits(has_bot=False, without_page=frozenset(["purchase"])),
    "mixpanel": NO_BOT,
    "plausible": NO_BOT,
    "umami": NO_BOT,
    "vercel": NO_BOT,
    # Orders are all that the shop's own database has.
    "woocommerce": Limits(
        names=dict.fromkeys(("page_view", "add_to_cart", "contact"), ""),
        without_page=frozenset(["purchase"]),
        sessions=(StorySession("ada", _at("04T09:05:20"), 0, "purchase", value=Decimal("49.90")),),
    ),
    # Goals have numbers, and the settings of a site say which of them is a purchase.
    "yandex_metrica": Limits(
        has_bot=False,
        has_values=False,
        names=dict.fromkeys(("add_to_cart", "purchase", "contact"), ""),
        outcomes={"purchase": "engaged"},
    ),
}


def events_of(preset: str) -> list[StoryEvent]:
    """Return the events of the story that the files of a preset show."""
    limits = LIMITS.get(preset, Limits())
    return [
        replace(
            event,
            name=limits.names.get(event.name, event.name),
            path="" if event.name in limits.without_page else event.path,
            value=event.value if limits.has_values else None,
        )
        for event in EVENTS
        if (limits.has_bot or event.visitor != "bot") and limits.names.get(event.name, event.name)
    ]


def sessions_of(preset: str) -> list[StorySession]:
    """Return the sessions of the story that the files of a preset show."""
    limits = LIMITS.get(preset, Limits())
    if limits.sessions is not None:
        return list(limits.sessions)
    return [
        replace(
            session,
            outcome=limits.outcomes.get(session.outcome, session.outcome),
            value=session.value if limits.has_values else None,
        )
        for session in SESSIONS
        if limits.has_bot or session.visitor != "bot"
    ]
