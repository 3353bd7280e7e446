"""Lines of access logs and the events that they become, for tests."""

import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.ingest.mapping.visitors import KEY_BYTES, VisitorKey
from session_pipeline_tests.ingesting import Ingest

KEY = VisitorKey(bytes(range(KEY_BYTES)))
RULES = ReadingRules(
    source="web", earliest=datetime(2020, 1, 1), keep_query_parameters=("q", "utm_source"), visitor_key=KEY
)
NGINX_MAIN = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer"'
    ' "$http_user_agent" "$http_x_forwarded_for"'
)
TIME = "10/Oct/2024:13:55:36 -0700"
AGENT = "Mozilla/5.0 (X11; Linux x86_64) Chrome/120.0.0.0"


def combined(
    request: str = "GET / HTTP/1.1",
    *,
    address: str = "192.0.2.7",
    user: str = "-",
    time: str = TIME,
    status: object = 200,
    referrer: str = "-",
    agent: str = AGENT,
) -> str:
    return f'{address} - {user} [{time}] "{request}" {status} 2326 "{referrer}" "{agent}"'


def visitor(network: str, agent: str = AGENT) -> str:
    """Return the visitor id of a network and user agent, computed independently of the reader."""
    return hmac.new(KEY.secret, f"{network}\n{agent}".encode(), "sha256").hexdigest()[:32]


def events(ingest: Ingest, lines: Sequence[str], rules: ReadingRules = RULES) -> list[dict[str, Any]]:
    """Return the events of lines that are read together, which takes as long as one line."""
    taken = ingest.take("".join(f"{line}\n" for line in lines), "access.log", rules)
    assert taken.quarantined == []
    return taken.events


def event(ingest: Ingest, line: str, rules: ReadingRules = RULES) -> dict[str, Any]:
    taken = ingest.take(line + "\n", "access.log", rules)
    assert taken.quarantined == []
    return taken.events[0]
