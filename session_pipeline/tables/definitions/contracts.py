"""Defines the table that counts sessions by the definitions of other tools."""

from session_pipeline.reference import columns as c
from session_pipeline.reference.column import Column, count, text
from session_pipeline.tables.contract import Table


def _difference(cause: str, meaning: str) -> Column:
    return count(f"{cause}_difference", f"Sessions that the definition has more (or, if negative, fewer) {meaning}.")


TABLES: tuple[Table, ...] = (
    Table(
        name="daily_definitions",
        grain="One row is a day of a site under a definition of a session; without entries in [definitions], no row.",
        date_column="session_date",
        key=("site", "definition"),
        columns=(
            c.SITE,
            text("definition", "Name of the definition; 'own' for the sessions of the other tables."),
            count("session_count", "Sessions that start on the day under the definition, without bots."),
            count("visitor_count", "Distinct visitors of these sessions."),
            count("page_view_count", "Page views of these sessions."),
            Column(
                "bounce_count",
                "BIGINT",
                "Sessions that bounce under the definition, whatever their outcome; for own: with is_bounce. Null if "
                "the definition has no bounces.",
            ),
            Column(
                "engaged_count", "BIGINT", "Sessions engaged under the definition; null if it has no such sessions."
            ),
            Column(
                "average_seconds",
                "DOUBLE",
                "Average length of these sessions, in seconds; null without sessions.",
            ),
            count("unengaged_count", "Sessions of the definition that are not engaged by the rules in [sessions]."),
            _difference("session", "than own: the sum of all other differences"),
            _difference("inactivity", "because of the timeout and its border"),
            _difference("midnight", "because sessions end at midnight"),
            _difference("utc_hour", "because sessions end with an hour of UTC"),
            _difference("event", "because an event starts or ends a session: separator, starts, ends"),
            _difference("client_session", "because the source's session id decides"),
            _difference("user", "because another user starts a session"),
            _difference("campaign", "because a campaign starts a session"),
            _difference("max_hours", "because of the longest time of a session"),
            _difference("uncounted", "because sessions without a page view, or without an event, are not counted"),
        ),
    ),
)
