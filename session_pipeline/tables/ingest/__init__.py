"""The tables that ingest writes: delivered files, quarantined lines and raw events."""
