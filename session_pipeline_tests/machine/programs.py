"""Hand-written programs for the machine. Each does one thing that can go wrong, in as few operations as possible.

The bugs that they find are in seeded_bugs.py.
"""

from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from typing import Any

from session_pipeline.run.pipeline import open_store
from session_pipeline_tests.machine.file_contents import Content, Event
from session_pipeline_tests.machine.machine import Machine, cut_short
from session_pipeline_tests.machine.options import FIRST

Program = Callable[[Machine], None]


def _event(visitor: str, event_id: str, day: int, clock: str, name: str = "page_view", **more: Any) -> Event:
    return Event(visitor, event_id, datetime.fromisoformat(f"2024-03-{day:02}T{clock}"), name, **more)


# A session over midnight, a duplicate over midnight, twelve events at one instant, and a line without a time.
WEB = Content(
    "test",
    "jsonl",
    (
        _event("a", "again", 9, "23:20:00"),
        _event("a", "1", 9, "23:50:00"),
        _event("a", "2", 10, "00:10:00", "purchase"),
        _event("a", "again", 10, "00:20:00"),
        *(_event("b", event_id, 9, "10:00:00") for event_id in "837465khgnjm"),
        _event("b", "repeated", 9, "12:00:00", "cart"),
        Event("b", "no time", None),
    ),
)
# The earlier of two copies, in the second file.
MORE = Content("test", "csv", (_event("b", "repeated", 9, "11:00:00"), _event("c", "1", 10, "12:00:00")))
SHOP = Content("second", "jsonl", (_event("a", "1", 10, "12:00:00"),))
LATE = Content("test", "jsonl", (_event("a", "late", 9, "22:55:00"),))
EARLIER_COPY = Content("test", "jsonl", (_event("b", "repeated", 9, "10:10:00"),))
OTHER = Content("test", "jsonl", (_event("a", "else", 9, "22:55:00"),))  # the same size as LATE
NEXT_DAY = Content("test", "jsonl", (_event("a", "late", 10, "00:15:00"),))


def first_run(machine: Machine) -> None:
    for content in (WEB, MORE, SHOP):
        machine.deliver(content)
    machine.run()


def run_and_end(machine: Machine) -> None:
    first_run(machine)
    machine.end()


def redelivered_under_another_name(machine: Machine) -> None:
    first_run(machine)
    machine.deliver(WEB)
    machine.run()


def redelivered_compressed(machine: Machine) -> None:
    first_run(machine)
    machine.deliver(WEB, is_compressed=True)
    machine.run()


def comes_late(machine: Machine) -> None:
    first_run(machine)
    machine.deliver(LATE)
    machine.run()


def earlier_copy_comes_late(machine: Machine) -> None:
    first_run(machine)
    machine.deliver(EARLIER_COPY)
    machine.run()


def replaced(machine: Machine) -> None:
    machine.deliver(SHOP)
    file = machine.deliver(LATE)
    machine.run()
    machine.replace(file, OTHER)
    machine.run()


def deleted(machine: Machine) -> None:
    machine.deliver(SHOP)
    file = machine.deliver(LATE)
    machine.run()
    machine.delete(file)
    machine.run()


def changed_timeout(machine: Machine) -> None:
    first_run(machine)
    machine.change("inactivity_minutes", 10)
    machine.run()


def changed_site(machine: Machine) -> None:
    first_run(machine)
    machine.change("second_site", "main")
    machine.run()


def other_time_zone(machine: Machine) -> None:
    machine.change("timezone", "America/New_York")
    first_run(machine)


def earlier_horizon(machine: Machine) -> None:
    first_run(machine)
    machine.run(FIRST)


def damaged_input(machine: Machine) -> None:
    """The open sessions of one day are replaced by those of another day."""
    first_run(machine)
    with closing(open_store(machine.deployment.folder)) as store:
        [of_first] = [number for number, part in enumerate(store.of_table("open_sessions")) if part.key.date == FIRST]
        other = store.path_of(store.of_table("open_sessions")[-1]).read_bytes()
    machine.damage_store(of_first, lambda data: other, "open_sessions")
    machine.deliver(NEXT_DAY)
    machine.run()


def damaged_warehouse(machine: Machine) -> None:
    first_run(machine)
    machine.damage_warehouse(cut_short)
    machine.run()


def published_by_hand(machine: Machine) -> None:
    first_run(machine)
    machine.deliver(LATE)
    machine.publish_by_hand()


def killed_after_the_first_commit(machine: Machine) -> None:
    machine.run()
    machine.deliver(WEB)
    machine.run_and_die("commit: done")


def killed_when_a_file_was_taken(machine: Machine) -> None:
    machine.deliver(WEB)
    machine.run_and_die("ingest: file taken")


def lost_power_after_a_commit(machine: Machine) -> None:
    machine.deliver(SHOP)
    machine.run()
    machine.deliver(WEB)
    machine.run_and_die("commit: done", loses_power=True)
    machine.run()


def lost_power_after_publishing(machine: Machine) -> None:
    first_run(machine)
    machine.deliver(LATE)
    machine.run_and_die("publish: recorded", loses_power=True)
    machine.run()


def killed_while_publishing(machine: Machine) -> None:
    first_run(machine)
    machine.deliver(LATE)
    machine.run_and_die("warehouse: committed")
    machine.run()


def cancelled(machine: Machine) -> None:
    """A file of the store was renamed and not committed, and the delivered file it was built from is gone."""
    first_run(machine)
    file = machine.deliver(LATE)
    machine.run_and_cancel("commit: file renamed")
    machine.delete(file)
    machine.run()


def read_through_views(machine: Machine) -> None:
    machine.change("has_views", True)
    first_run(machine)
    machine.open_reader()
    machine.deliver(LATE)
    machine.run()


def begun_while_held(machine: Machine) -> None:
    machine.run_while_held()
