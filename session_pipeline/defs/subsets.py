"""Lets Dagster see that two equal sets of days are equal, so that the UI can launch a backfill of all tables.

Dagster's set of days is a tuple with its own `==`, but with the `!=` of a tuple. That also compares the number of days,
which is null in a set that was merged from others. A backfill compares the tables of one step with `!=`, and so refused
them if they had met their inputs in another order, which differs from process to process.

`defs.storages` calls this, because the webserver and the daemon load it. `defs.partitions` has the days themselves.
"""

from dagster._core.definitions.partitions.subset.time_window import TimeWindowPartitionsSubset


def compare_by_days() -> None:
    """Let `!=` of two sets of days be the opposite of their `==`, in this process."""
    TimeWindowPartitionsSubset.__ne__ = object.__ne__  # type: ignore[method-assign]
