"""The ledger of delivered files as the table source_files."""

import pyarrow as pa

from session_pipeline.engines.duckdb import DuckDBEngine
from session_pipeline.ingest.taken import ledger_row
from session_pipeline.store.files import digest
from session_pipeline.store.records import Key, Written
from session_pipeline.store.store import Store
from session_pipeline.tables import table


def write_source_files(store: Store, engine: DuckDBEngine, run_id: str) -> None:
    """Write the table source_files if the ledger differs from the stored table."""
    contract = table("source_files")
    rows = [
        ledger_row(source_file.facts, contract.schema.names) for source_file in store.catalog.source_files().values()
    ]
    fingerprint = digest([contract.shape, sorted(rows, key=lambda row: str(row["file_id"]))])
    key = Key("source_files", None)
    recorded = store.get(key)
    if recorded is not None and recorded.fingerprint == fingerprint and not recorded.is_damaged:
        return
    path = store.scratch / "source_files.parquet"
    with engine.job() as job:
        job.add_rows("ledger", pa.Table.from_pylist(rows, schema=contract.schema))
        count = job.write(contract, "select * from ledger", path)
    store.commit([Written(key, path, count, fingerprint, reason="the ledger changed")], run_id=run_id)
