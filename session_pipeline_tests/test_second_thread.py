"""Tests the second thread: which results are used, in which order tasks are taken, and how it stops."""

import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from threading import Event, current_thread, main_thread

import pytest

from session_pipeline.build.second_thread import USUAL_LOCK_SECONDS, SecondThread, Task
from session_pipeline.engines.base import Jobs

WAIT_SECONDS = 20.0


class TwoJobs:
    """An engine that can run two jobs at the same time; it notes whether it has to."""

    stretch_scale = 1
    keeps_rows = True
    task_runner = None

    def __init__(self) -> None:
        self.are_two = False

    def job(self) -> "nullcontext[None]":
        return nullcontext()

    def second_jobs(self) -> "TwoJobs | None":
        self.are_two = True
        return self

    def end_second_jobs(self) -> None:
        self.are_two = False

    def close(self) -> None:
        pass


class OneJob(TwoJobs):
    def second_jobs(self) -> None:
        return None


@pytest.fixture
def engine() -> TwoJobs:
    return TwoJobs()


@pytest.fixture
def second(engine: TwoJobs) -> Iterator[SecondThread]:
    made: SecondThread = SecondThread(engine)  # type: ignore[arg-type]
    yield made
    made.close()


def returns(value: str) -> Task:
    return Task("inputs", lambda jobs: value)


def in_turn(started: Event, go: Event) -> Callable[[Jobs], str]:
    """Return a function that says when it starts, and waits."""

    def compute(jobs: Jobs) -> str:
        started.set()
        assert go.wait(WAIT_SECONDS)
        return "late"

    return compute


def give_and_wait(second: SecondThread, tasks: dict[object, Task]) -> None:
    """Give tasks, and wait until all of them are computed."""
    last = Event()
    second.give({"last": Task("", lambda jobs: str(last.set())), **tasks})  # the one given first is taken last
    assert last.wait(WAIT_SECONDS)


def test_result_is_used_if_the_task_read_the_same(second: SecondThread) -> None:
    give_and_wait(second, {"a": returns("result")})
    assert second.fetch("a", "inputs") == "result"


def test_result_is_not_used_if_the_inputs_changed(second: SecondThread) -> None:
    give_and_wait(second, {"a": returns("result")})
    assert second.fetch("a", "other inputs") is None


def test_result_is_fetched_once(second: SecondThread) -> None:
    give_and_wait(second, {"a": returns("result")})
    second.fetch("a", "inputs")
    assert second.fetch("a", "inputs") is None


def test_unknown_task_has_no_result(second: SecondThread) -> None:
    assert second.fetch("a", "inputs") is None


@pytest.mark.parametrize("error", [ValueError(), MemoryError(), KeyboardInterrupt(), SystemExit()])
def test_failed_task_has_no_result_and_the_next_ones_go_on(error: BaseException, second: SecondThread) -> None:
    def fail(jobs: Jobs) -> str:
        raise error

    give_and_wait(second, {"b": returns("result"), "a": Task("inputs", fail)})
    assert second.fetch("a", "inputs") is None
    assert second.fetch("b", "inputs") == "result"


def test_task_that_is_not_taken_yet_is_left_to_the_caller(second: SecondThread) -> None:
    started, go = Event(), Event()
    second.give({"a": returns("never"), "b": Task("inputs", in_turn(started, go))})
    assert started.wait(WAIT_SECONDS)
    assert second.fetch("a", "inputs") is None
    go.set()
    assert second.fetch("b", "inputs") == "late"


def test_fetch_waits_for_a_task_that_is_taken(second: SecondThread) -> None:
    started, go = Event(), Event()
    second.give({"a": Task("inputs", in_turn(started, go))})
    assert started.wait(WAIT_SECONDS)
    go.set()
    assert second.fetch("a", "inputs") == "late"


def test_threads_pass_pythons_lock_on_sooner_while_there_are_two(second: SecondThread) -> None:
    usual = sys.getswitchinterval()
    give_and_wait(second, {"a": returns("result")})
    assert sys.getswitchinterval() < usual
    second.stop()
    assert sys.getswitchinterval() == usual


def test_tasks_that_were_given_last_are_taken_first(second: SecondThread) -> None:
    taken: list[str] = []

    def noting(name: str) -> Task:
        return Task("inputs", lambda jobs: str(taken.append(name)))

    started, go = Event(), Event()
    second.give({"first": Task("inputs", in_turn(started, go))})
    assert started.wait(WAIT_SECONDS)
    second.give({"a": noting("a"), "b": noting("b")})
    second.give({"c": noting("c")})
    go.set()
    second.fetch("first", "inputs")
    give_and_wait(second, {})
    assert taken == ["c", "b", "a"]


def test_tasks_run_in_another_thread_and_on_the_other_connection(engine: TwoJobs, second: SecondThread) -> None:
    found: list[object] = []

    def note(jobs: Jobs) -> str:
        found.extend([current_thread() is main_thread(), jobs, engine.are_two])
        return ""

    give_and_wait(second, {"a": Task("inputs", note)})
    assert found == [False, engine, True]


def test_stop_waits_for_the_task_at_work_and_forgets_all(engine: TwoJobs, second: SecondThread) -> None:
    started, go, done = Event(), Event(), Event()

    def slow(jobs: Jobs) -> str:
        in_turn(started, go)(jobs)
        done.set()
        return "late"

    second.give({"a": returns("never"), "b": Task("inputs", slow)})
    assert started.wait(WAIT_SECONDS)
    go.set()
    second.stop()
    assert done.is_set()
    assert not engine.are_two
    assert second.fetch("a", "inputs") is None
    assert second.fetch("b", "inputs") is None


def test_task_that_is_kept_goes_on_after_a_stop(engine: TwoJobs, second: SecondThread) -> None:
    started, go = Event(), Event()
    second.give({"kept": Task("inputs", in_turn(started, go))})
    assert started.wait(WAIT_SECONDS)
    second.give({"other": returns("never")})
    second.stop(keep="kept")  # without waiting for it
    assert not engine.are_two
    assert sys.getswitchinterval() < USUAL_LOCK_SECONDS
    go.set()
    assert second.fetch("kept", "inputs") == "late"
    assert second.fetch("other", "inputs") is None
    second.stop()
    assert sys.getswitchinterval() == USUAL_LOCK_SECONDS


def test_task_that_is_kept_is_taken_after_a_stop(second: SecondThread) -> None:
    started, go, taken = Event(), Event(), Event()
    second.give({"kept": Task("inputs", lambda jobs: str(taken.set())), "other": Task("", in_turn(started, go))})
    assert started.wait(WAIT_SECONDS)
    go.set()
    second.stop(keep="kept")
    assert taken.wait(WAIT_SECONDS)
    assert second.fetch("kept", "inputs") == "None"


def test_stop_without_the_kept_task_ends_the_second_job(second: SecondThread) -> None:
    give_and_wait(second, {"a": returns("result")})
    second.stop(keep="kept")
    assert sys.getswitchinterval() == USUAL_LOCK_SECONDS


def test_after_a_stop_new_tasks_can_be_given(second: SecondThread) -> None:
    give_and_wait(second, {"a": returns("old")})
    second.stop()
    give_and_wait(second, {"a": returns("new")})
    assert second.fetch("a", "inputs") == "new"


def test_engine_that_runs_one_job_at_a_time_gets_no_tasks() -> None:
    second: SecondThread = SecondThread(OneJob())  # type: ignore[arg-type]
    second.give({"a": returns("result")})
    assert second.fetch("a", "inputs") is None
    second.close()


def test_giving_nothing_does_not_change_the_engine(engine: TwoJobs, second: SecondThread) -> None:
    second.give({})
    assert not engine.are_two
