"""From raw web event files to sessions, and from sessions to answers.

Delivered files are read into raw events (ingest/). Day by day, models/ make events, sessions and answers of them:
steps.py says what from what, plan.py what is stale, build.py builds it. The store keeps every partition (store.py), and
publish/ gives readers one warehouse and one lake. `connect()` opens that warehouse, read-only, and
`read("sessions", "2026-10-05", "2026-10-11")` gives a table's rows of some days as a DataFrame, `files(...)` the
Parquet files that hold them.
"""

TYPE_CHECKING = False  # typing takes its time to load
if TYPE_CHECKING:
    from session_pipeline.publish.reader import connect, files, read

__all__ = ["connect", "files", "read"]


def __getattr__(name: str) -> object:
    """Load what readers use when it is asked for, so that importing the package costs nothing."""
    if name in __all__:
        from session_pipeline.publish import reader

        return getattr(reader, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
