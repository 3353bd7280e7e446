"""Writes the data that is measured: JSON lines of web events, the same for everyone and on every machine.

`python -m session_pipeline_tests.benchmarks.generate NAME EVENTS RAW` writes the files of one data set into a folder.
It is a process of its own, so that its memory is not counted for the processes that are measured.
"""

import shutil
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb

from session_pipeline_tests.documents import ROOT

FIRST_DAY = date(2025, 3, 1)
FIRST_SMALL_DAY = date(2020, 3, 1)  # early, because days after today are not read
BIG_DAYS = 5
EVENTS_OF_A_VISIT = 8
EVENTS_OF_A_SMALL_DAY = 300
SHOP = ROOT.parent / "shared" / "fixtures" / "retentioneering_ecom" / "ecom.csv.gz"
SHOP_SETTINGS = """
start_date = 2024-01-01

[sources.web]
columns = { visitor_id = "user_id", event_name = "event", event_time = "timestamp" }
"""
# A visit begins in the first three quarters of a slot of three hours and lasts less than four minutes, so the pauses of
# a visitor are longer than half an hour or fall within one session.
VISITS = """
    select
        i,
        i // {events_of_a_visit} as visit,
        date '{first_day}' + to_seconds(
            second_of_visit // 10800 * 10800 + second_of_visit % 8100 + i % {events_of_a_visit} * 20 + one_of(i, 20)
        ) as event_time
    from (
        select i, one_of(i // {events_of_a_visit} * 13 + 5, {seconds}) as second_of_visit
        from range({first}, {last}) as numbers(i)
    )
"""
PLAIN = """
    format('{{:016x}}{{:016x}}', hash(i), hash(i + 7)) as event_id,
    {visitor} as visitor_id,
    {event_time} as event_time,
    case
        when i % 8 = 0 then 'page_view'
        when one_of(i * 3, 50) = 0 then 'purchase'
        when one_of(i * 3, 40) = 0 then 'add_to_cart'
        else 'page_view'
    end as event_name,
    'https://shop.example/' || ['', 'p/', 'cat/', 'cart', 'checkout', 'contact', 'help/'][1 + one_of(i * 5, 7)]
        || one_of(i * 11, 500) as page_url,
    case when i % 8 = 0 then ['https://www.google.com/', '', 'https://t.co/x'][1 + one_of(i, 3)] end as referrer,
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36' as user_agent
"""
NESTED = """,
    strftime(event_time + interval 2 seconds, '%Y-%m-%dT%H:%M:%SZ') as received_at,
    i % 8 as sequence,
    case when one_of(i * 3, 50) = 0 then one_of(i, 10000) / 100 end as value,
    {
        'product': {'sku': 'sku-' || one_of(i * 17, 1000), 'tags': ['a', 'b'][:1 + one_of(i, 2)]},
        'test': {'name': 'checkout', 'variant': ['a', 'b'][1 + one_of(visit, 2)]},
        'position': i % 8
    } as properties
"""
MANY_VISITORS = "'v' || one_of(visit, {visitors})"


@dataclass(frozen=True)
class DataSet:
    """A data set.

    Attributes:
        meaning: What it is, for the page.
        share: The number of its events as a share of those of the largest set; None if it has a size of its own.
        visitor: SQL of the visitor's id.
        is_nested: Whether lines have nested properties and more fields, offsets in times, and a copy in 1,000 lines.
        events_of_a_visit: The number of events of a visit.
    """

    meaning: str
    share: float | None
    visitor: str = MANY_VISITORS
    is_nested: bool = False
    events_of_a_visit: int = EVENTS_OF_A_VISIT


DATA_SETS = {
    "medium": DataSet("one file, 5 days, plain lines", 0.1),
    "large": DataSet("one file, 5 days, plain lines", 1.0),
    "nested": DataSet("nested properties, offsets, values, copies", 0.1, is_nested=True),
    "one_visitor": DataSet(
        "one visitor has 90 % of the events",
        0.1,
        visitor=f"case when one_of(visit, 10) < 9 then 'v' else {MANY_VISITORS} end",
    ),
    "visitors": DataSet("each event has a visitor of its own", 0.5, visitor="'v' || i", events_of_a_visit=1),
    "shop": DataSet("half a year of a small shop, one CSV file", None),
    "year": DataSet("a year of 300 lines a day, a file for each day", None),
}


def rows(data: DataSet, first: int, last: int, *, first_day: date, days: int) -> str:
    """Return SQL of the events with the numbers from `first` to before `last`."""
    visits = VISITS.format(
        events_of_a_visit=data.events_of_a_visit, first_day=first_day, seconds=days * 86_400, first=first, last=last
    )
    event_time = "strftime(event_time + interval 1 hour, '%Y-%m-%dT%H:%M:%S+01:00')" if data.is_nested else "event_time"
    columns = PLAIN.format(visitor=data.visitor.format(visitors=last // 12 + 1), event_time=event_time)
    select = f"select {columns}{NESTED if data.is_nested else ''} from ({visits})"
    copies = f" union all select * from ({select}) where sequence = 7 and one_of(event_id, 125) = 0"
    return select + copies if data.is_nested else select


def connect() -> duckdb.DuckDBPyConnection:
    """Return a connection with the macro of VISITS and PLAIN."""
    connection = duckdb.connect()
    connection.execute("set enable_progress_bar = false")
    connection.execute("create macro one_of(number, most) as cast(hash(number) % most as bigint)")
    return connection


def write_day(number: int, raw: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """Write the file of a small day; the first day has number 1."""
    day = FIRST_SMALL_DAY + timedelta(days=number - 1)
    first = number * EVENTS_OF_A_SMALL_DAY
    data = DataSet("a small day", None, visitor="'v' || one_of(visit, 2000)")
    select = rows(data, first, first + EVENTS_OF_A_SMALL_DAY, first_day=day, days=1)
    connection.execute(f"copy ({select}) to '{raw}/{day}.jsonl' (format json)")


def write_small_days(first: int, last: int, raw: Path) -> None:
    """Write the files of small days, from one number to another, both included."""
    raw.mkdir(parents=True, exist_ok=True)
    with connect() as connection:
        for number in range(first, last + 1):
            write_day(number, raw, connection)


def write(name: str, events: int, raw: Path) -> None:
    """Write a data set into raw/<source>/, and settings.toml next to raw/."""
    raw.mkdir(parents=True)
    settings = raw.parents[1] / "settings.toml"
    settings.write_text(SHOP_SETTINGS if name == "shop" else "")
    if name == "shop":
        shutil.copyfile(SHOP, raw / SHOP.name)
    elif name == "year":
        write_small_days(1, events // EVENTS_OF_A_SMALL_DAY, raw)
    else:
        select = rows(DATA_SETS[name], 0, events, first_day=FIRST_DAY, days=BIG_DAYS)
        with connect() as connection:
            connection.execute(f"copy ({select}) to '{raw}/events.jsonl' (format json)")


if __name__ == "__main__":
    write(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
