"""Computes results in a second thread before the first one needs them, on a second connection of the engine.

A result is used only if it was computed from what the first thread has when it needs it. A failure is forgotten: the
first thread then computes the result itself, and raises the error. ahead.py decides what is computed.
"""

import sys
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock

from session_pipeline.engines.base import Engine, Jobs

# How long a thread keeps Python's lock while the other one waits for it. Python's own 5 ms are longer than most queries
# of a small day, and each thread waits for the lock after each of its queries.
LOCK_SECONDS = 0.0002
USUAL_LOCK_SECONDS = sys.getswitchinterval()


@dataclass(frozen=True)
class Task:
    """A task of the second thread.

    Attributes:
        read: What it reads.
        compute: Computes the result on the connection that is given to it.
        result: The result, once it is computed.
    """

    read: object
    compute: Callable[[Jobs], object]
    result: "Future[object]" = field(default_factory=Future)


class SecondThread:
    """Computes the tasks that the first thread gives it. Only the first thread calls the methods.

    It takes the task that was given last, because the first thread needs that result last.
    """

    def __init__(self, engine: Engine) -> None:
        """Take the engine of the first thread. The second thread starts with the first task."""
        self._engine = engine
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="second")
        self._lock = Lock()
        self._waiting: dict[Hashable, Task] = {}
        self._taken: dict[Hashable, Task] = {}
        self._is_at_work = False

    def give(self, tasks: Mapping[Hashable, Task]) -> None:
        """Give tasks, in the order in which the results are needed. Does nothing if the engine runs one job at a time.

        Call it between two jobs of the engine.
        """
        jobs = self._engine.second_jobs() if tasks else None
        if jobs is None:
            return
        with self._lock:
            self._waiting |= tasks
            if not self._is_at_work:
                self._is_at_work = True
                sys.setswitchinterval(LOCK_SECONDS)
                self._pool.submit(self._work, jobs)

    def fetch(self, name: Hashable, read: object) -> object | None:
        """Return the result of a task, and wait for it if the thread has taken it; None if the caller must compute it.

        Args:
            name: The task.
            read: What it would read now. If it read something else, its result is not used.
        """
        with self._lock:
            self._waiting.pop(name, None)
            task = self._taken.pop(name, None)
        if task is None or task.result.exception() is not None or task.read != read:
            return None
        return task.result.result()

    def stop(self, *, keep: Hashable = None) -> None:
        """Wait for the task that the thread has taken, and forget all tasks. Then the engine runs one job at a time.

        Args:
            keep: A task that does not use the engine. It goes on, and can be fetched later; it is not waited for.
        """
        with self._lock:
            self._waiting = {name: task for name, task in self._waiting.items() if name == keep}
            stopped = [task for name, task in self._taken.items() if name != keep]
            self._taken = {name: task for name, task in self._taken.items() if name == keep}
            goes_on = bool(self._waiting or self._taken)
        for task in stopped:
            task.result.exception()
        if not goes_on:
            sys.setswitchinterval(USUAL_LOCK_SECONDS)
        self._engine.end_second_jobs()

    def close(self) -> None:
        """Stop, and end the thread."""
        self.stop()
        self._pool.shutdown()

    def _work(self, jobs: Jobs) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._is_at_work = False
                    return
                name, task = self._waiting.popitem()
                self._taken[name] = task
            try:
                task.result.set_result(task.compute(jobs))
            except BaseException as error:
                task.result.set_exception(error)
