"""Measures the CPU seconds and the memory that ingest takes for a million lines.

Run `python -m session_pipeline_tests.benchmarks.ingest_events plain|rich FOLDER [LINES]`. `plain` lines have seven
fields at the top level. `rich` lines have times with offsets, received_at, a value and nested properties. The file
stays in FOLDER for later runs, and so do the rows, to compare them between versions.
"""

import resource
import shutil
import sys
from datetime import datetime
from pathlib import Path
from time import perf_counter

import duckdb

from session_pipeline.ingest.admission.admit import admit
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline_tests.ingesting import read_file

PLAIN = """
    select
        cast(uuid() as varchar) as event_id,
        'v' || (hash(i // 8) % {visitors}) as visitor_id,
        cast(to_timestamp(
            1772323200 + (hash((i // 8) * 13 + 5) % 432000) + (i % 8) * 20 + hash(i) % 20
        ) as timestamp) as event_time,
        case when i % 8 = 0 then 'page_view' when hash(i * 3) % 50 = 0 then 'purchase' else 'page_view' end
            as event_name,
        'https://shop.example/' || ['', 'p/', 'cat/', 'cart'][cast(1 + hash(i * 5) % 4 as integer)]
            || (hash(i * 11) % 500) as page_url,
        case when i % 8 = 0 then ['https://www.google.com/', '', 'https://t.co/x'][cast(1 + hash(i) % 3 as integer)] end
            as referrer,
        'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36' as user_agent
    from range({lines}) as numbers (i)
"""
RICH = """
    select
        event_id,
        visitor_id,
        strftime(event_time, '%Y-%m-%dT%H:%M:%S.%f+02:00') as event_time,
        strftime(event_time + interval 3 second, '%Y-%m-%dT%H:%M:%SZ') as received_at,
        event_name,
        page_url || '?utm_source=news&id=' || (hash(event_id) % 9) as page_url,
        referrer,
        user_agent,
        case when event_name = 'purchase' then 12.5 + hash(event_id) % 90 end as value,
        {{'plan': 'free', 'cart': {{'items': hash(event_id) % 5, 'coupon': null}}}} as properties,
        'de' as language
    from ({plain})
"""


def write_lines(kind: str, path: Path, lines: int) -> None:
    """Write the delivered file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = PLAIN.format(lines=lines, visitors=max(lines // 12, 1))
    select = plain if kind == "plain" else RICH.format(plain=plain)
    duckdb.connect().execute(f"copy ({select}) to '{path}' (format json)")


def main(kind: str, folder: Path, lines: int) -> None:
    path = folder / "raw" / "web" / f"{kind}-{lines}.jsonl"
    if not path.exists():
        write_lines(kind, path, lines)
    scratch = folder / "rows"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    connection = duckdb.connect(config={"memory_limit": "1GB", "temp_directory": str(folder / "spill")})
    connection.execute("set timezone = 'UTC'; set enable_progress_bar = false")
    before, started = resource.getrusage(resource.RUSAGE_SELF), perf_counter()
    admitted = admit(path, root=folder / "raw", source="web", format=None, scratch=scratch)
    middle = resource.getrusage(resource.RUSAGE_SELF)
    reading = read_file(admitted, ReadingRules("web", datetime(2020, 1, 1)), connection, scratch)
    used = resource.getrusage(resource.RUSAGE_SELF)
    admit_seconds = middle.ru_utime + middle.ru_stime - before.ru_utime - before.ru_stime
    read_seconds = used.ru_utime + used.ru_stime - middle.ru_utime - middle.ru_stime
    size = sum(day.path.stat().st_size for day in reading.days)
    print(
        f"{reading.accepted_count:,} lines: {admit_seconds:.1f} + {read_seconds:.1f} CPU s to count and to read,"
        f" {perf_counter() - started:.1f} s, at most {used.ru_maxrss / 2**20:.2f} GiB of memory,"
        f" {size / 2**20:.0f} MiB of rows"
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1_000_000)
