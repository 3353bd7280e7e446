"""Tests rules that hold across the contracts of all tables."""

from session_pipeline.tables import TABLES


def test_published_tables_by_session_have_is_bot() -> None:
    by_session = {
        name: {column.name for column in contract.columns}
        for name, contract in TABLES.items()
        if contract.is_published and any(column.name == "session_id" for column in contract.columns)
    }
    assert len(by_session) >= 8
    assert [name for name, columns in by_session.items() if "is_bot" not in columns] == []
