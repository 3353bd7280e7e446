"""Knows what other systems call the fields for a column, and finds the field whose name fits best.

translated_names.py has the names in other languages. suggestions.py asks only for fields whose values fit, too.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.reference.column_groups import REQUIRED_COLUMNS
from session_pipeline.trial.field_values import DECIMAL, FieldValues

# Sessions, which stand for visitors in events that have no other id of them.
SESSIONS = ("session_id", "sessionId", "session", "user_session", "website_session_id")
# Common names of the fields in other systems, the surest first.
USUAL_NAMES: Mapping[str, tuple[str, ...]] = {
    "visitor_id": (
        "visitor_id", "visitorId", "anonymous_id", "anonymousId", "user_pseudo_id", "domain_userid", "distinct_id",
        "client_id", "clientId", "device_id", "cookie_id", "browser_id", "anon_id", "fullVisitorId", "mcvisid", "mpid",
        "visitor", "cookie", "uid", "user_id", "userId", "user", "customer_id", "customerId", "customer", "member_id",
    ),
    "event_time": (
        "event_time", "timestamp", "event_timestamp", "derived_tstamp", "collector_tstamp", "occurred_at", "created_at",
        "original_timestamp", "originalTimestamp", "sent_at", "time", "datetime", "ts", "date",
    ),
    "event_name": (
        "event_name", "event", "eventName", "event_type", "event_action", "type", "action", "name", "kind",
    ),
    "event_id": ("eventId", "event_uuid", "message_id", "messageId", "insert_id", "$insert_id", "uuid", "id"),
    "user_id": ("userId", "customer_id", "customerId", "account_id"),
    "client_session_id": ("session_id", "sessionId", "$session_id", "ga_session_id", "domain_sessionid",
                          "user_session"),
    "received_at": ("receivedAt", "collector_tstamp", "server_time", "ingested_at"),
    "page_url": (
        "pageUrl", "page_location", "context_page_url", "$current_url", "event_url", "pageview_url", "location", "url",
        "href", "page", "pathname", "path", "uri",
    ),
    "page_title": ("pageTitle", "context_page_title", "title"),
    "referrer": ("referer", "page_referrer", "referrer_url", "context_page_referrer", "$referrer", "ref"),
    "value": (
        "revenue", "purchase_revenue", "amount", "order_value", "order_total", "total_price", "grand_total", "total",
    ),
    "currency": ("currency_code", "order_currency", "ccy"),
    "user_agent": ("userAgent", "useragent", "useragent_raw", "context_user_agent", "ua"),
}  # fmt: skip
# Names that mean something else in nested objects: context.library.name is not an event name.
TOP_ONLY = frozenset(("name", "type", "action", "id", "user", "customer", "date", "total", "page", "location", "ref"))
SIMILAR = 0.85  # from which on a name is a misspelled one
# What a misspelled name must contain, so that visit_id is not taken for visitor_id, or referrer_name for event_name.
WORD_OF = {"visitor_id": "visitor", "event_time": "time", "event_name": "event"}
TIME_NAME = re.compile(r"time|date|stamp|(^|_)(ts|at)(_|$)|clock|when", re.IGNORECASE)


def names_for(column: str, columns: Mapping[str, str], rules: ReadingRules) -> Sequence[str]:
    """Return the fields that a column is read from: the suggested one, or those of the rules."""
    return [columns[column]] if column in columns else rules.fields_of(column)


def field_called(
    column: str,
    usual_names: Sequence[str],
    translated: Sequence[str],
    fields: Mapping[str, FieldValues],
    *,
    events_in: str | None,
) -> str | None:
    """Return the field whose name fits a column best; None if no name fits.

    Names are compared without regard to case, accents, spaces and punctuation: Distinct ID is distinct_id. The fields
    of the events in a list are called as they are within an event. Names in other languages are the least sure ones.
    """
    plain = {name: plain_name(name) for name in (column, *usual_names)}
    own = {field: plain_name(field.removeprefix(f"{events_in}.")) for field in fields}
    for name, wanted in plain.items():
        if alike := sorted(field for field in fields if own[field] == wanted):
            return name if name in alike else alike[0]
    nested = {field: plain_name(field) for field in fields if "." in field}
    for name, wanted in plain.items():
        if name not in TOP_ONLY and (inner := [field for field in nested if nested[field].endswith(f".{wanted}")]):
            return min(inner, key=lambda field: (field.count("."), field))
    if column in REQUIRED_COLUMNS:
        possible = [field for field in sorted(fields) if WORD_OF[column] in field.lower()]
        if similar := get_close_matches(column, possible, n=1, cutoff=SIMILAR):
            return similar[0]
    for name in translated:
        if alike := sorted(field for field in fields if own[field] == name):
            return alike[0]
    if column == "event_time" and len(fields) == 1:
        [(name, only)] = fields.items()
        # Numbers alone can be ids that are as large as an epoch time.
        return name if TIME_NAME.search(name) or not only.is_mostly(DECIMAL.fullmatch) else None
    return None


def is_called(field: str, name: str) -> bool:
    """Whether a field, or the last part of its name, is called like a name."""
    return plain_name(field.rpartition(".")[2]) == plain_name(name)


def plain_name(name: str) -> str:
    """Return a name in lower case, without accents, spaces and punctuation, except the dots that lead into objects."""
    return re.sub(r"[^\w.]|_", "", unicodedata.normalize("NFKD", name).lower())
