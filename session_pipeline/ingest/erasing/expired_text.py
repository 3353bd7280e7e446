"""Writes quarantined lines again without their text, when it has expired. build/expiry.py finds which.

File, line number and reason stay, so every line is still accounted for.
"""

from session_pipeline.engines.base import Engine
from session_pipeline.store.records import Key, Written
from session_pipeline.store.store import Store
from session_pipeline.tables import table

EXPIRED_TEXT = "its text has expired"  # the reason of such a partition


def expired_text(store: Store, engine: Engine, key: Key) -> Written:
    """Return the quarantined lines of a delivered file without line and detail, to be committed."""
    partition, contract = store.partitions[key], table(key.table)
    path = store.scratch / f"{key.file_id}.expired.parquet"
    with engine.job() as job:
        job.add_input(contract, store.paths_of(partition))
        select = "select * replace (cast(null as varchar) as detail, cast(null as varchar) as line)"
        count = job.write(contract, f"{select} from {contract.name}", path)
    return Written(key, path, count, partition.fingerprint, counts=dict(partition.counts), reason=EXPIRED_TEXT)
