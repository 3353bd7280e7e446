"""Tests programs of random operations on a small deployment, with all checks after each operation.

At the end, the rows must equal those of a clean run. Hypothesis shows a failure as the shortest program that still
fails. With PIPELINE_TESTS_EFFORT there are more programs, different each time; the printed seed repeats them.
"""

import os
import sys
import tempfile
from datetime import date, datetime, timedelta
from pathlib import Path
from random import SystemRandom
from shutil import rmtree
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from session_pipeline.tables.steps import STEPS
from session_pipeline_tests.machine.file_contents import Content, Event
from session_pipeline_tests.machine.machine import HARMS, Harm, Machine
from session_pipeline_tests.machine.options import CHANGES, DAYS, FIRST, SEPARATOR
from session_pipeline_tests.reliability.figures import amount, effort, record, tell

SEED = "PIPELINE_TESTS_SEED"  # repeats the programs of a run with more effort
EXAMPLES, STEPS_A_PROGRAM = amount(6, 10), 12

# Times around the midnights of UTC and of New York: at the timeout, at the last hour, off by a microsecond.
MIDNIGHTS = (0, 5, 4, 12)
DISTANCES = (
    timedelta(0),
    timedelta(microseconds=-1),
    timedelta(microseconds=1),
    timedelta(minutes=-10),
    timedelta(minutes=10),
    timedelta(minutes=-30),
    timedelta(minutes=30),
    timedelta(minutes=-60),
    timedelta(minutes=30, microseconds=1),
)
TIMES = st.builds(
    lambda day, hour, distance: datetime(FIRST.year, FIRST.month, FIRST.day + day, hour) + distance,
    st.sampled_from([1, 0, 2]),
    st.sampled_from(MIDNIGHTS),
    st.sampled_from(DISTANCES),
)
EVENTS = st.builds(
    Event,
    visitor=st.sampled_from("aab"),
    event_id=st.sampled_from("123456"),
    at=st.one_of(TIMES, TIMES, TIMES, st.none()),
    name=st.sampled_from(["page_view", "page_view", "cart", "purchase", SEPARATOR]),
    user=st.sampled_from([None, None, "ann", "bob"]),
    member=st.sampled_from([None, "cyd"]),
    sequence=st.sampled_from([None, None, 1, 2]),
)
CONTENTS = st.builds(
    Content,
    source=st.sampled_from(["test", "test", "second"]),
    format=st.sampled_from(["jsonl", "csv"]),
    events=st.lists(EVENTS, min_size=1, max_size=4).map(tuple),
)
PLACES = st.one_of(st.integers(1, 60), st.integers(1, 700))
has_files = precondition(lambda self: bool(self.machine.mirror.lying))


class Programs(RuleBasedStateMachine):
    """The operations of the machine as Hypothesis rules."""

    counted: ClassVar[dict[str, int]] = {"machine_examples": 0, "machine_steps": 0}

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="machine-"))
        self.machine = Machine(self.folder)
        self.step_count = 0

    @initialize(contents=st.lists(CONTENTS, min_size=1, max_size=2))
    def begin(self, contents: list[Content]) -> None:
        for content in contents:
            self.machine.deliver(content)
        self.machine.run()

    def file(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.machine.mirror.lying)))

    @rule(content=CONTENTS, is_compressed=st.booleans())
    def deliver(self, content: Content, is_compressed: bool) -> None:
        self.machine.deliver(content, is_compressed=is_compressed)

    @rule(content=CONTENTS)
    def deliver_late(self, content: Content) -> None:
        self.machine.run()
        self.machine.deliver(content)

    @rule(data=st.data(), is_compressed=st.booleans())
    def redeliver(self, data: st.DataObject, is_compressed: bool) -> None:
        known = sorted(self.machine.mirror.read, key=lambda content: content.file_id)
        self.machine.deliver(data.draw(st.sampled_from(known)), is_compressed=is_compressed)

    @rule(content=CONTENTS)
    def deliver_damaged(self, content: Content) -> None:
        self.machine.deliver_damaged(content)

    @has_files
    @rule(data=st.data())
    def rename(self, data: st.DataObject) -> None:
        self.machine.rename(self.file(data))

    @has_files
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        self.machine.delete(self.file(data))

    @has_files
    @rule(data=st.data(), events=st.lists(EVENTS, min_size=1, max_size=4))
    def replace(self, data: st.DataObject, events: list[Event]) -> None:
        file = self.file(data)
        format = "csv" if ".csv" in file else "jsonl"
        self.machine.replace(file, Content(file.split("/")[0], format, tuple(events)))

    @rule(change=st.sampled_from(CHANGES))
    def change(self, change: tuple[str, Any]) -> None:
        self.machine.change(*change)

    @rule()
    def change_back(self) -> None:
        self.machine.change_back()

    @rule(number=st.integers(0, 200), harm=st.sampled_from(HARMS))
    def damage_store(self, number: int, harm: Harm) -> None:
        self.machine.damage_store(number, harm)

    @rule(harm=st.sampled_from(HARMS))
    def damage_warehouse(self, harm: Harm) -> None:
        self.machine.damage_warehouse(harm)

    @rule()
    def remove_lake(self) -> None:
        self.machine.remove_lake()

    @rule(until=st.sampled_from(DAYS[2:]))
    def run_until(self, until: date) -> None:
        self.machine.run(until)

    @rule()
    def run_within_limits(self) -> None:
        self.machine.run_within_limits()

    @rule(number=PLACES, loses_power=st.booleans())
    def run_and_die(self, number: int, loses_power: bool) -> None:
        self.machine.run_and_die(number, loses_power=loses_power)

    @rule(number=PLACES)
    def run_and_cancel(self, number: int) -> None:
        self.machine.run_and_cancel(number)

    @rule(number=st.sampled_from([0, 0, 1, 5, 20, 100]))
    def run_twice_at_once(self, number: int) -> None:
        self.machine.run_twice_at_once(number)

    @rule(days=st.sets(st.sampled_from(DAYS), min_size=1, max_size=3))
    def build_days(self, days: set[date]) -> None:
        self.machine.build_days(days)

    @rule(step=st.sampled_from(STEPS), day=st.sampled_from(DAYS[1:4]))
    def build_by_hand(self, step: Any, day: date) -> None:
        self.machine.build_by_hand(step, day)

    @rule()
    def publish_by_hand(self) -> None:
        self.machine.publish_by_hand()

    @rule()
    def open_reader(self) -> None:
        self.machine.open_reader()

    @invariant()
    def count(self) -> None:
        self.step_count += 1

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:  # otherwise an operation failed, and its error must be shown
                self.machine.end()
                self.counted["machine_examples"] += 1
                self.counted["machine_steps"] += self.step_count
        finally:
            rmtree(self.folder)


def try_programs(seed_of_all: int | None) -> None:
    """Run programs; always the same ones, unless a seed is given."""
    Programs.counted.update(dict.fromkeys(Programs.counted, 0))
    chosen = Programs if seed_of_all is None else seed(seed_of_all)(Programs)
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        chosen,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS_A_PROGRAM,
            derandomize=seed_of_all is None,
            database=None,
            deadline=None,
            print_blob=True,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.reliability
@pytest.mark.timeout(36_000)
def test_random_programs_end_like_a_clean_run() -> None:
    chosen = os.environ.get(SEED)
    seed_of_all = int(chosen) if chosen else SystemRandom().getrandbits(32) if effort() > 1 else None
    if seed_of_all is not None:
        tell(f"{SEED}={seed_of_all}")
    try_programs(seed_of_all)
    record(**Programs.counted)
