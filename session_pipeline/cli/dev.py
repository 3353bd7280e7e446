"""The command dev: starts the Dagster UI, with the schedule and the sensors of a data folder."""

import errno
import os
import socket
import sys
from typing import Annotated

import typer

from session_pipeline import interrupts
from session_pipeline.cli.app import Data, chosen_folder
from session_pipeline.cli.screen import echo
from session_pipeline.defs import home
from session_pipeline.errors import HistoryError, WrongUseError
from session_pipeline.settings import load_settings
from session_pipeline.store.shortage import report_shortage


def dev(
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port on 127.0.0.1.")] = 3000, data: Data = None
) -> None:
    """Start the Dagster UI on 127.0.0.1.

    The schedule and the sensors are on, so files delivered while it runs are ingested and built.
    """
    folder = chosen_folder(data)
    load_settings(folder.path)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            problem = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be opened: {error.strerror}"
            raise WrongUseError(f"port {port} {problem}; name another with --port, such as 3001") from None

    from sqlalchemy.exc import SQLAlchemyError

    from session_pipeline.defs import dead_runs, local_runs

    try:
        with report_shortage(folder.dagster_home):
            local_runs.check_parts_of_processes(folder)
            with local_runs.instance_of(folder) as instance:
                dead_runs.fail_dead_runs(instance, folder)
    except SQLAlchemyError as error:
        why = str(error).splitlines()[0]
        raise HistoryError(
            f"Dagster cannot use its database in {folder.dagster_home} ({why}); check the disk, and whether another"
            " program uses that folder"
        ) from error
    echo(f"The Dagster UI will be at http://127.0.0.1:{port} in a few seconds; Ctrl-C stops it.")
    sys.stdout.flush()
    interrupts.raise_interrupts(even_if_ignored=True)
    python = [sys.executable, "-W", "ignore:Function `dev_command` is superseded"]
    dagster = ["-m", "dagster", "dev", "-m", "session_pipeline.definitions", "-h", "127.0.0.1", "-p", str(port)]
    os.chdir(folder.path)  # in a folder with a dagster.yaml of another home, as in the repository, Dagster warns
    os.execve(sys.executable, [*python, *dagster], {**os.environ, **home.prepare(folder)})
