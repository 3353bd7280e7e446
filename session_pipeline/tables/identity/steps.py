"""Defines the steps that find out which ids belong to the same person. They are built only if identity.by is person."""

from session_pipeline.tables.graph import PythonTable, Relation, Step
from session_pipeline.tables.identity import from_settings
from session_pipeline.tables.identity.groups import id_groups

STEPS: tuple[Step, ...] = (
    Step(
        name="identity_links",
        tables=("identity_links",),
        relations={"linking_events": Relation(from_settings.linking_events, reads=("raw_events",))},
    ),
    Step(
        name="identity_edges",
        tables=("identity_edges",),
        lists={
            "identity_merges": from_settings.identity_merges,
            "ignored_user_ids": from_settings.ignored_user_ids,
        },
    ),
    Step(
        name="identities",
        tables=("identities",),
        python_table=PythonTable("id_groups", "equal_ids", id_groups),
        parts_model="identity_parts",
    ),
    Step(name="day_identities", tables=("day_identities",)),
)
STEPS_AFTER_SESSIONS: tuple[Step, ...] = (Step(name="event_devices", tables=("event_devices",)),)
