"""Runs a query so that Ctrl-C ends it, whatever DuckDB is doing. `interrupts` handles Ctrl-C everywhere else."""

import threading
import time
from collections.abc import Callable

import duckdb

ATTEMPTS = 100
SECONDS_BETWEEN = 0.1


def run(connection: duckdb.DuckDBPyConnection, work: Callable[[], None]) -> None:
    """Run work that queries a connection in a thread of its own, and wait for it.

    DuckDB looks for signals only in some phases of a query, and forgets an interrupt that arrives before a query
    begins. The waiting thread gets the signal at once, and interrupts the connection until the work ends.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    errors: list[BaseException] = []

    def catch() -> None:
        try:
            work()
        except BaseException as error:  # raised again by the waiting thread
            errors.append(error)

    thread = threading.Thread(target=catch, daemon=True)
    try:
        thread.start()  # within the block: it waits until the thread has started, and the signal can arrive then
        thread.join()
    except KeyboardInterrupt:
        for _ in range(ATTEMPTS):
            connection.interrupt()
            time.sleep(SECONDS_BETWEEN)
            if not thread.is_alive():
                break
        raise
    if errors:
        raise errors[0]
