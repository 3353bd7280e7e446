"""Defines the tables of identity: ids seen together, the links between ids, and the person of each id."""

from session_pipeline.reference import columns as c
from session_pipeline.reference.column import Column, count, flag, text, time
from session_pipeline.tables.contract import Table

TABLES: tuple[Table, ...] = (
    Table(
        name="identity_links",
        grain="One row is a visitor of a day, with a user id and a former id that their events carry, or without.",
        date_column="event_date",
        key=("site", "visitor_id", "carried_user_id", "previous_id"),
        group="identity",
        is_published=False,
        columns=(
            c.SITE,
            c.VISITOR_ID,
            c.CARRIED_USER_ID,
            text(
                "previous_id",
                "Former id of the visitor or the user (identity.previous_id); '' without one.",
                is_personal=True,
            ),
            time("first_seen_at", "Time of the first of these events."),
            time("last_seen_at", "Time of the last of these events."),
            count("event_count", "Number of these events, with duplicates."),
        ),
    ),
    Table(
        name="identity_edges",
        grain="One row is a link between two ids of a site, if identity.by is person. Undone links have no row.",
        date_column=None,
        key=("site", "kind", "id", "other_id"),
        group="identity",
        columns=(
            c.SITE,
            text(
                "kind",
                "visitor_user: a visitor id was used with a user id; visitors, users: both ids are the same visitor or "
                "user, because an event names one as the former id of the other. Settings can link them, too.",
            ),
            text("id", "The visitor id; for two ids of the same kind, the smaller one.", is_personal=True),
            text("other_id", "The user id; for two ids of the same kind, the larger one.", is_personal=True),
            Column("first_seen_at", "TIMESTAMP", "Time of the first event that links them; null if only settings do."),
            Column("last_seen_at", "TIMESTAMP", "Time of the last event that links them; null if only settings do."),
            flag(
                "is_carried",
                "Whether an event of the visitor carries the user id; if not, an alias or the settings link them.",
            ),
            flag("is_by_settings", "Whether identity.link links them."),
        ),
    ),
    Table(
        name="identities",
        grain="One row is a linked visitor id, with a user id or without, and the person that its events count for, if "
        "identity.by is person.",
        date_column=None,
        key=("site", "visitor_id", "carried_user_id"),
        group="identity",
        columns=(
            c.SITE,
            c.VISITOR_ID,
            c.CARRIED_USER_ID,
            c.PERSON_ID,
            flag("is_shared", "Whether several persons use the visitor id."),
        ),
    ),
    Table(
        name="day_identities",
        grain="One row is a visitor id of a day whose events count for another id, with a user id or without.",
        date_column="event_date",
        key=("site", "visitor_id", "carried_user_id"),
        group="identity",
        is_published=False,
        columns=(c.SITE, c.VISITOR_ID, c.CARRIED_USER_ID, c.PERSON_ID),
    ),
    Table(
        name="event_devices",
        grain="One row is an event whose visitor_id is that of a person and not its own, if identity.by is person.",
        date_column="event_date",
        key=("site", "session_id", "event_number"),
        group="identity",
        columns=(
            c.SITE,
            c.SESSION_ID,
            c.EVENT_NUMBER,
            c.VISITOR_ID,
            text("device_id", "visitor_id that the source gave the event.", is_personal=True),
            c.EVENT_IS_BOT,
        ),
    ),
)
