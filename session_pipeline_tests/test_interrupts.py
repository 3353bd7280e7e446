"""Tests Ctrl-C: exit code 130 and one sentence, also during imports, at a question, and when a library hides it."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from session_pipeline import interrupts
from session_pipeline_tests.deployment import Deployment

PROGRAM = [sys.executable, "-m", "session_pipeline"]
SENTENCE = f"Error: {interrupts.SENTENCE}\n"
QUESTION = "Remember this id as erased? It cannot be undone. [y/N]:"
EVENT = {"visitor_id": "ann", "event_time": "2024-03-05T09:00:00Z", "event_name": "page_view"}


def interrupted(code: str, *arguments: str) -> tuple[int, str]:
    """Return exit code and standard error of the program; `code` runs before the commands are imported."""
    program = f"import os, signal, sys\nfrom session_pipeline import __main__\n{code}\n__main__.main()"
    ran = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    return ran.returncode, ran.stderr


def at_import(module: str) -> str:
    """Return code that sends SIGINT when the import of a module begins."""
    return f"""
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize(
    ("module", "command"), [("session_pipeline.cli", "--version"), ("duckdb", "check"), ("pydantic", "check")]
)
def test_interrupt_during_import_of_commands_ends_with_130(module: str, command: str) -> None:
    assert interrupted(at_import(module), command) == (130, SENTENCE)


@pytest.mark.long
@pytest.mark.parametrize("module", ["sqlalchemy.engine", pytest.param("dagster", marks=pytest.mark.nightly)])
def test_interrupt_during_import_of_dagster_ends_with_130(tmp_path: Path, module: str) -> None:
    deployment = Deployment(tmp_path / "data")
    deployment.deliver("events", [EVENT])
    code, err = interrupted(at_import(module), "run", "--data", str(tmp_path / "data"))
    assert (code, err.splitlines()[-1:]) == (130, SENTENCE.splitlines())
    assert "Traceback" not in err


HIDDEN = """
import time
import session_pipeline.cli.status as status
def work(folder):
    {work}
status._status = work
"""


@pytest.mark.parametrize(
    "work",
    [
        pytest.param("os.kill(os.getpid(), signal.SIGINT)", marks=pytest.mark.long),
        "try: os.kill(os.getpid(), signal.SIGINT)\n    except KeyboardInterrupt as error: raise ImportError from error",
        pytest.param(
            "try: os.kill(os.getpid(), signal.SIGINT)\n    except KeyboardInterrupt: raise RuntimeError('stopped')",
            marks=pytest.mark.nightly,
        ),
        pytest.param(
            "class Last: __del__ = lambda self: os.kill(os.getpid(), signal.SIGINT)\n    Last()\n    time.sleep(5)",
            marks=pytest.mark.long,
        ),
    ],
    ids=["plain", "as an import error", "as another error", "in a finalizer"],
)
def test_interrupt_hidden_by_a_library_ends_with_130(tmp_path: Path, work: str) -> None:
    Deployment(tmp_path / "data")
    loaded = HIDDEN.format(work=work)
    assert interrupted(loaded, "status", "--data", str(tmp_path / "data")) == (130, SENTENCE)


@pytest.mark.long
def test_interrupt_in_a_connection_that_sqlalchemy_returns(tmp_path: Path) -> None:
    """SQLAlchemy logs the interrupt with its traceback before it raises it."""
    Deployment(tmp_path / "data")
    work = """import sqlalchemy
    engine = sqlalchemy.create_engine("sqlite://")
    sqlalchemy.event.listen(engine, "reset", lambda *_: os.kill(os.getpid(), signal.SIGINT))
    connection = engine.connect()
    connection.execute(sqlalchemy.text("select 1"))
    connection.close()"""
    code, err = interrupted(HIDDEN.format(work=work), "status", "--data", str(tmp_path / "data"))
    assert (code, err) == (130, SENTENCE)


IN_A_JOB = """import sqlalchemy, uuid, dagster as dg
    from session_pipeline.defs import code_location, local_runs
    @dg.op
    def step():
        {work}
    jobs = dg.Definitions(jobs=[dg.GraphDefinition("job", node_defs=[step]).to_job()])
    with local_runs.instance_of(folder) as instance:
        run = dict(instance=instance, run_id=str(uuid.uuid4()), run_config=local_runs.QUIET)
        result = code_location.execute(jobs, "job", tags=dict(), **run)
    assert not result.success
    raise KeyboardInterrupt"""


@pytest.mark.long
@pytest.mark.parametrize(
    "work",
    [
        """engine = sqlalchemy.create_engine("sqlite://")
        sqlalchemy.event.listen(engine, "reset", lambda *_: os.kill(os.getpid(), signal.SIGINT))
        engine.connect().close()""",
        """class Last: __del__ = lambda self: os.kill(os.getpid(), signal.SIGINT)
        Last()
        time.sleep(5)""",
    ],
    ids=["in a connection that sqlalchemy returns", "in a finalizer"],
)
def test_interrupt_hidden_by_a_library_in_a_job_ends_with_130(tmp_path: Path, work: str) -> None:
    """While a job of Dagster runs, its own handler raises another error."""
    Deployment(tmp_path / "data")
    loaded = HIDDEN.format(work=IN_A_JOB.format(work=work))
    assert interrupted(loaded, "status", "--data", str(tmp_path / "data")) == (130, SENTENCE)


@pytest.mark.long
def test_interrupt_at_the_question_of_erase_ends_with_130(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data")
    process = started("erase", "--visitor", "ann", "--data", str(tmp_path / "data"), stdin=subprocess.PIPE)
    assert process.stderr is not None
    asked = process.stderr.read(len(QUESTION))
    assert (asked, process.poll()) == (QUESTION, None)
    err = interrupt(process)
    assert (process.returncode, err) == (130, SENTENCE)
    assert not deployment.folder.erasures.exists()


@pytest.mark.long
def test_end_of_input_at_the_question_of_erase_ends_with_1(tmp_path: Path) -> None:
    Deployment(tmp_path / "data")
    process = started("erase", "--visitor", "ann", "--data", str(tmp_path / "data"), stdin=subprocess.DEVNULL)
    err = process.communicate(timeout=300)[1]
    assert (process.returncode, err) == (1, f"{QUESTION}Aborted!\n")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with one event. Read only."""
    deployment = Deployment(tmp_path_factory.mktemp("published") / "data")
    deployment.deliver("events", [EVENT])
    deployment.run()
    return deployment.folder.path


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_ends_a_query_and_leaves_no_file(published: Path, tmp_path: Path, number: int) -> None:
    long_query = "select count(*) from range(100000000) as a, range(100000000) as b where a.range % 7 = b.range % 5"
    process = started("query", long_query, "-f", "csv", "-o", str(tmp_path / "out"), "--data", str(published))
    wait_for(lambda: any(tmp_path.glob(".session-pipeline-*")))
    require_interrupted(process, interrupt(process, number))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_interrupt_ends_a_run(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data")
    for attempt in range(5):
        deployment.deliver(f"events {attempt}", [{**EVENT, "event_id": str(attempt)}])
        process = started("run", "--data", str(tmp_path / "data"))
        assert process.stderr is not None
        process.stderr.readline()  # Reading: 1 file
        err = interrupt(process)
        if process.returncode != 0:  # on a busy machine the run may end before this process can interrupt it
            break
    require_interrupted(process, err)


def started(*arguments: str, stdin: int | None = None) -> "subprocess.Popen[str]":
    return subprocess.Popen([*PROGRAM, *arguments], stdin=stdin, stderr=subprocess.PIPE, text=True)


def require_interrupted(process: "subprocess.Popen[str]", err: str) -> None:
    assert (process.returncode, err.splitlines()[-1:]) == (130, SENTENCE.splitlines()), err
    assert "Traceback" not in err


def interrupt(process: subprocess.Popen[str], number: int = signal.SIGINT) -> str:
    """Press Ctrl-C once, or send another signal, and return what the process printed until it ended."""
    process.send_signal(number)
    try:
        return process.communicate(timeout=300)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        pytest.fail("the process ignores the interrupt")


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
