"""What the peers know about the delivered files, and the names that they share."""

from pathlib import Path

COLUMNS = ("event_id", "visitor_id", "event_time", "event_name", "page_url", "referrer", "user_agent")
TABLES = ("events", "sessions", "session_actions", "session_outcomes")
SHOP = {"user_id": "visitor_id", "timestamp": "event_time", "event": "event_name"}  # columns of the shop's CSV file
SEARCH, SOCIAL = r"//(www\.)?(google|bing|duckduckgo)\.", r"//(t\.co|(www\.)?facebook\.com)"
GAP_SECONDS = 30 * 60


def is_shop(raw: Path) -> bool:
    return any(raw.glob("*.csv.gz"))


def is_nested(raw: Path) -> bool:
    with min(raw.iterdir()).open("rb") as file:
        return b'"properties"' in file.readline()
