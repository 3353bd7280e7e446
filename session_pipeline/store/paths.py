"""Defines where the files of partitions are below the store's folder."""

from datetime import date

from session_pipeline.store.records import file_of_hash
from session_pipeline.tables import Table


def file_name(contract: Table, day: date | None, sha256: str) -> str:
    """Return the path of a partition's file, relative to the store's folder."""
    return f"{contract.name}/{folder_name(contract, day)}/{file_of_hash(sha256)}"


def folder_name(contract: Table, day: date | None) -> str:
    """Return the folder name of a partition, in the form that engines can prune: session_date=2026-10-05."""
    return "all" if day is None else f"{contract.date_column}={day.isoformat()}"
