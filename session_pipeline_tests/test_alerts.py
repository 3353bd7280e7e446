"""Tests alerts: a real command receives each failed run and check once, however the run was started."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest

from session_pipeline.defs import alerts as alert_history
from session_pipeline.defs import resources
from session_pipeline.defs.dead_runs import MESSAGE, PROCESS, fail_dead_runs
from session_pipeline.errors import DiskFullError, MemoryTooSmallError, SettingsFileError
from session_pipeline.run import alerts
from session_pipeline.run.alerts import Alert, Well, run_command, send_new
from session_pipeline.run.pipeline import open_run
from session_pipeline.settings import AlertSettings, load_settings, parse_settings
from session_pipeline_tests.commands import run_program
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.orchestration import SMALL, Orchestrated, orchestrated, shop_lines

DAY = date(2024, 5, 6)
LISTENER = """
import sys
from pathlib import Path
with Path(__file__).with_name("heard.jsonl").open("a") as heard:
    heard.write(sys.stdin.read())
sys.exit(int(Path(__file__).with_name("answer").read_text()))
"""


class Listener:
    """A script that records the alerts it receives."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        (folder / "listener.py").write_text(LISTENER)
        self.answers(0)

    @property
    def command(self) -> tuple[str, ...]:
        return (sys.executable, str(self.folder / "listener.py"))

    def answers(self, code: int) -> None:
        (self.folder / "answer").write_text(str(code))

    def heard(self) -> list[dict[str, Any]]:
        """Return the alerts received since the last call."""
        path = self.folder / "heard.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]


@pytest.fixture
def listener(tmp_path: Path) -> Listener:
    return Listener(tmp_path / "listener")


def told(listener: Listener) -> list[tuple[str, str]]:
    return [(one["what"], one["about"]) for one in listener.heard()]


# Which alerts are sent, and when they are repeated


class TestLook:
    BAD = Alert("check_failed", "check ledger_closes", "a line is lost", {"run_id": "r", "day": DAY})
    OTHER = Alert("check_failed", "check ledger_closes", "two lines are lost")
    WELL = Well("check ledger_closes")

    @pytest.fixture
    def happens(self, tmp_path: Path, listener: Listener) -> Any:
        self.cursor, self.said = 0, list[str]()
        settings = AlertSettings(command=listener.command, time_limit_seconds=20)

        def happens(*news: Alert | Well) -> list[str]:
            self.cursor += len(news)
            send_new(tmp_path, settings, lambda cursor: (news, self.cursor), self.said.append)
            return [one["sentence"] for one in listener.heard()]

        happens()
        return happens

    def test_sends_new_alert_as_json(self, tmp_path: Path, listener: Listener) -> None:
        settings = AlertSettings(command=listener.command, time_limit_seconds=20)
        assert send_new(tmp_path, settings, lambda cursor: ([self.BAD], 1), pytest.fail) == 1
        assert listener.heard() == [
            {
                "what": "check_failed",
                "about": "check ledger_closes",
                "sentence": "a line is lost",
                "run_id": "r",
                "day": "2024-05-06",
            }
        ]

    def test_sends_an_alert_once_until_resolved(self, happens: Any) -> None:
        assert happens(self.BAD) == ["a line is lost"]
        assert happens(self.BAD) == []
        assert happens(self.BAD, self.BAD) == []
        assert happens(self.WELL) == []
        assert happens(self.BAD) == ["a line is lost"]

    def test_sends_a_different_sentence_at_once(self, happens: Any) -> None:
        assert happens(self.BAD, self.OTHER, self.BAD) == ["a line is lost", "two lines are lost"]
        assert happens(self.OTHER, self.BAD) == []

    def test_sends_only_the_new_problems(self, happens: Any) -> None:
        assert happens(Alert("check_warned", "check c", "a; b", problems=("a", "b"))) == ["a; b"]
        assert happens(Alert("check_warned", "check c", "b; c", problems=("b", "c"))) == ["c"]
        assert happens(Alert("check_warned", "check c", "a; c", problems=("a", "c"))) == []
        assert happens(Well("check c"), Alert("check_warned", "check c", "b; c", problems=("b", "c"))) == ["b; c"]

    def test_resolves_a_day_only_if_it_was_checked(self, happens: Any) -> None:
        unusual = Alert("check_warned", "check c", "2024-05-06: few", problems=("2024-05-06: few",))
        assert happens(unusual) == ["2024-05-06: few"]
        assert happens(Well("check c", "2024-05-07", "2024-05-08"), Well("check c"), unusual) == []
        assert happens(Well("check c", "2024-05-01", "2024-05-06"), unusual) == ["2024-05-06: few"]

    def test_remembers_a_limited_number_of_problems(self, tmp_path: Path, happens: Any) -> None:
        problems = [f"problem {number}" for number in range(alerts.MOST_REMEMBERED + 1)]
        happens(Alert("check_warned", "check c", "many", problems=problems))
        assert json.loads((tmp_path / "alerts.json").read_text())["open"]["check c"] == problems[1:]

    def test_sends_an_alert_that_was_resolved_in_between(self, happens: Any) -> None:
        assert happens(self.BAD, self.WELL) == ["a line is lost"]

    def test_first_look_sends_only_unresolved_alerts(self, tmp_path: Path, listener: Listener) -> None:
        settings = AlertSettings(command=listener.command, time_limit_seconds=20)
        send_new(tmp_path, settings, lambda cursor: ([self.BAD, self.WELL, self.OTHER], 3), pytest.fail)
        assert [one["sentence"] for one in listener.heard()] == ["two lines are lost"]

    def test_retries_a_failed_command_then_gives_up(self, happens: Any, listener: Listener) -> None:
        listener.answers(3)
        happens(self.BAD)
        happens()
        happens()
        failed = "[alerts] command ended with 3; the alert is: a line is lost"
        again = ("it will be sent again", "it will be sent again", "given up after 3 attempts")
        assert self.said == [f"{failed} ({what_next})" for what_next in again]
        listener.answers(0)
        assert happens() == []

    def test_sends_later_after_a_failed_attempt(self, happens: Any, listener: Listener) -> None:
        listener.answers(1)
        happens(self.BAD)
        listener.answers(0)
        assert happens() == ["a line is lost"]
        assert happens() == []

    def test_sends_nothing_after_the_time_limit(self, happens: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(alerts, "LOOK_SECONDS", 0.0)
        assert happens(self.BAD) == []
        monkeypatch.undo()
        assert happens() == ["a line is lost"]

    def test_does_not_look_without_a_command(self, tmp_path: Path) -> None:
        settings = AlertSettings(command=(), time_limit_seconds=20)
        assert send_new(tmp_path, settings, lambda cursor: pytest.fail("it looked"), pytest.fail) == 0

    def test_failed_look_is_logged_and_not_raised(self, tmp_path: Path, listener: Listener) -> None:
        said: list[str] = []

        def news(cursor: int | None) -> tuple[Sequence[Alert], int]:
            raise OSError("the history cannot be read")

        settings = AlertSettings(command=listener.command, time_limit_seconds=20)
        assert send_new(tmp_path, settings, news, said.append) == 0
        assert said == ["could not look for new alerts: OSError: the history cannot be read"]


# The command


def test_missing_command_is_reported() -> None:
    problem = run_command(("/nowhere/alert",), {}, 5)
    assert problem is not None
    assert problem.startswith("cannot be started (")


def test_command_may_ignore_its_input() -> None:
    assert run_command((sys.executable, "-c", "pass"), {"sentence": "x" * 1_000_000}, 120) is None


def test_slow_command_is_stopped_with_its_children(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    command = ("sh", "-c", f"sleep 300 & echo $! > '{pid}.new' && mv '{pid}.new' '{pid}'; wait")
    seconds, started = 1, monotonic()
    while not pid.exists():  # on a busy machine it may be stopped before it has started its child
        assert run_command(command, {}, seconds) == f"took longer than {seconds} s and was stopped"
        seconds *= 2
    assert monotonic() - started < 250, "it waited for the child"
    status = Path(f"/proc/{pid.read_text()}/stat")
    while status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z":  # a killed process ends soon
        assert monotonic() - started < 250
        sleep(0.05)


def test_alert_text_never_reaches_a_shell(tmp_path: Path, listener: Listener) -> None:
    evil = f"'; touch {tmp_path}/harm; echo $(touch {tmp_path}/harm) `touch {tmp_path}/harm`"
    assert run_command(listener.command, {"sentence": evil}, 120) is None
    assert listener.heard() == [{"sentence": evil}]
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('command = "alert --urgent"', "alerts.command is 'alert --urgent'; write a list, such as ["),
        ('command = [""]', "alerts.command has no program; write the program first"),
        ("command = [1]", "alerts.command[0] is 1; write a string in quotes"),
        ("time_limit_seconds = 0", "alerts.time_limit_seconds is 0; write at least 1"),
        ("time_limit_seconds = 60", "alerts.time_limit_seconds is 60; write at most 20"),
    ],
)
def test_invalid_alert_settings_are_rejected(toml: str, said: str) -> None:
    with pytest.raises(SettingsFileError) as raised:
        parse_settings(f"[alerts]\n{toml}\n")
    assert said in str(raised.value)


def test_no_alert_command_by_default() -> None:
    assert parse_settings("").alerts.command == ()


# Runs


@pytest.fixture(scope="module")
def built_day(tmp_path_factory: pytest.TempPathFactory) -> Orchestrated:
    """One ingested and built day, for tests to copy."""
    folder = tmp_path_factory.mktemp("alerts")
    settings = {**SMALL, "alerts": {"command": list(Listener(folder / "listener").command)}}
    with orchestrated(folder / "data", settings) as made:
        made.deliver(str(DAY), shop_lines(DAY))
        assert made.ingest().success
        assert made.build().success
        look_at(made)
    return made


@pytest.fixture
def deployment(built_day: Orchestrated, tmp_path: Path, listener: Listener) -> Iterator[Orchestrated]:
    """A copy of the day with its run history and its own listener."""
    settings = {**SMALL, "alerts": {"command": list(listener.command)}}
    with orchestrated(tmp_path / "data", settings, copy_of=built_day) as made:
        assert look_at(made) == []
        assert listener.heard() == []
        yield made


def look_at(deployment: Orchestrated) -> list[str]:
    """Look for alerts and return the log messages."""
    said: list[str] = []
    alert_history.send_new(
        deployment.instance, deployment.folder, load_settings(deployment.folder.path).alerts, said.append
    )
    return said


def tick(deployment: Orchestrated) -> str | None:
    definitions = deployment.definitions()
    with dg.build_sensor_context(instance=deployment.instance, definitions=definitions) as context:
        return definitions.resolve_sensor_def("alerts").evaluate_tick(context).skip_message


def lose_a_line(deployment: Deployment) -> None:
    with open_run(deployment.folder, run_id="test") as run:
        [partition] = [found for found in run.store.of_table("raw_events") if found.key.date == DAY]
        run.store.commit([], run_id="test", drop=[partition.key])


@pytest.mark.long
def test_failed_check_and_the_run_it_stopped_are_sent_once(deployment: Orchestrated, listener: Listener) -> None:
    loaded = deployment.definitions()  # definitions loaded later lack the partition of the lost line's day
    lose_a_line(deployment)
    names = ("events", "duplicate_events", "open_sessions", "recent_event_ids")
    for _ in range(2):
        deployment.by_hand(DAY + timedelta(days=1), *names, definitions=loaded)
        assert look_at(deployment) == []
    check, *others = [one for one in listener.heard() if one["what"].startswith("check")]
    assert others == []
    assert {
        name: check[name] for name in ("what", "check", "table", "severity", "launched_by", "first_day", "last_day")
    } == {
        "what": "check_failed",
        "check": "ledger_closes",
        "table": "events",
        "severity": "error",
        "launched_by": "manual",
        "first_day": "2024-05-07",
        "last_day": "2024-05-07",
    }
    assert check["sentence"].startswith(f"test/{DAY}.jsonl: the store has 0 accepted and 0 quarantined")
    assert check["data_folder"] == str(deployment.folder.path)
    assert deployment.instance.get_run_by_id(check["run_id"]) is not None
    assert check["time"].endswith("+00:00")


@pytest.mark.long
def test_warning_is_sent_as_a_warning(deployment: Orchestrated, listener: Listener) -> None:
    (deployment.folder.raw / "test" / "picture.png").write_bytes(b"\x89PNG")
    assert deployment.ingest().success
    assert tick(deployment) == "alerts sent: 1"
    [warned] = listener.heard()
    assert (warned["what"], warned["check"], warned["severity"]) == ("check_warned", "set_aside_rate", "warn")
    assert "test/picture.png: " in warned["sentence"]
    assert warned["job"] == "ingest"
    assert deployment.ingest().success
    assert tick(deployment) == "no new alert"
    (deployment.folder.raw / "test" / "picture.png").unlink()
    assert deployment.ingest().success
    assert tick(deployment) == "no new alert"
    assert listener.heard() == []


@pytest.mark.long
def test_repeated_run_failure_is_sent_once_until_success(deployment: Orchestrated, listener: Listener) -> None:
    settings, definitions = deployment.folder.settings.read_text(), deployment.definitions()
    deployment.folder.settings.write_text("[sessions]\ninactivity_minuts = 30\n")
    for _ in range(2):
        assert not deployment.execute("ingest", {}, definitions=definitions).success
    deployment.folder.settings.write_text(settings)
    look_at(deployment)
    [failed] = listener.heard()
    assert (failed["what"], failed["job"], failed["severity"]) == ("run_failed", "ingest", "error")
    assert "sessions.inactivity_minuts is an unknown setting; did you mean inactivity_minutes?" in failed["sentence"]
    assert deployment.ingest().success
    deployment.folder.settings.write_text("[sessions]\ninactivity_minuts = 30\n")
    assert not deployment.execute("ingest", {}, definitions=definitions).success
    deployment.folder.settings.write_text(settings)
    look_at(deployment)
    assert told(listener) == [("run_failed", "job ingest")]


@pytest.mark.long
def test_failure_that_differs_only_in_numbers_is_sent_once(
    deployment: Orchestrated, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 100_000
    for reason in (DiskFullError, DiskFullError, MemoryTooSmallError):
        free -= 1

        def fails(*args: Any, free: int = free, reason: Any = reason, **more: Any) -> None:
            raise reason(f"/data/{free}", free) if reason is DiskFullError else reason("2 MB")

        monkeypatch.setattr(resources, "open_run", fails)
        assert not deployment.ingest().success
    look_at(deployment)
    full, small = [one["sentence"] for one in listener.heard()]
    assert full.startswith("cannot write /data/99999: ")
    assert small.startswith("not enough memory")


def test_loaded_sensor_reports_invalid_settings(deployment: Orchestrated, listener: Listener) -> None:
    definitions = deployment.definitions()
    deployment.folder.settings.write_text("[sessions]\ninactivity_minuts = 30\n")
    assert not deployment.execute("ingest", {}, definitions=definitions).success
    with dg.build_sensor_context(instance=deployment.instance, definitions=definitions) as context:
        definitions.resolve_sensor_def("alerts").evaluate_tick(context)
    assert told(listener) == [("run_failed", "job ingest")]


@pytest.mark.parametrize("found_by", ["a run", "the sensor"])
def test_dead_run_is_sent(deployment: Orchestrated, listener: Listener, found_by: str) -> None:
    job = deployment.definitions().resolve_job_def("build")
    run_id = str(uuid4())
    died = f"{socket.gethostname()}/another start/pid:[1]/1/1/{run_id}"
    run = deployment.instance.create_run_for_job(job, run_id=run_id, tags={PROCESS: died})
    deployment.instance.report_engine_event("started", run)
    deployment.instance.handle_new_event(_started(run))
    if found_by == "a run":
        assert fail_dead_runs(deployment.instance, deployment.folder) == 1
        look_at(deployment)
    else:
        assert tick(deployment) == "alerts sent: 1"
    [failed] = listener.heard()
    assert (failed["what"], failed["run_id"]) == ("run_failed", run.run_id)
    assert failed["sentence"] == MESSAGE


def _started(run: dg.DagsterRun) -> Any:
    from dagster._core.events import DagsterEvent, DagsterEventType
    from dagster._core.events.log import EventLogEntry

    event = DagsterEvent(event_type_value=DagsterEventType.RUN_START.value, job_name=run.job_name, message="started")
    return EventLogEntry(
        error_info=None,
        level=20,
        user_message="",
        run_id=run.run_id,
        timestamp=0.0,
        dagster_event=event,
        job_name=run.job_name,
    )


def test_stopped_run_is_not_sent(deployment: Orchestrated, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*args: Any, **more: Any) -> None:
        raise dg.DagsterExecutionInterruptedError

    monkeypatch.setattr(resources, "open_run", stopped)
    assert not deployment.ingest().success
    look_at(deployment)
    assert listener.heard() == []


@pytest.mark.long
def test_sent_alerts_are_remembered_after_a_restart(
    deployment: Orchestrated, listener: Listener, tmp_path: Path
) -> None:
    (deployment.folder.raw / "test" / "picture.png").write_bytes(b"\x89PNG")
    assert deployment.ingest().success
    look_at(deployment)
    assert len(listener.heard()) == 1
    look_in_another_process = (
        "import sys; from pathlib import Path\n"
        "from session_pipeline.data_folder import DataFolder\n"
        "from session_pipeline.defs import alerts, local_runs\n"
        "from session_pipeline.settings import load_settings\n"
        "folder = DataFolder(Path(sys.argv[1]))\n"
        "with local_runs.instance_of(folder) as instance:\n"
        "    alerts.send_new(instance, folder, load_settings(folder.path).alerts, print)\n"
    )
    command = [sys.executable, "-c", look_in_another_process, str(deployment.folder.path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=120)[0] for process in processes] == ["", ""]
    assert listener.heard() == []


# The command line


def session_pipeline(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return run_program(*arguments, COLUMNS="200")


@pytest.mark.long
def test_sensor_does_not_repeat_alerts_of_a_command_line_run(tmp_path: Path, listener: Listener) -> None:
    with orchestrated(tmp_path / "data", {**SMALL, "alerts": {"command": list(listener.command)}}) as deployment:
        deployment.deliver(str(DAY), [*shop_lines(DAY), *["{"] * 40])
        ran = session_pipeline("run", "--data", deployment.folder.path)
        assert ran.returncode == 0, ran.stderr
        [warned] = [one for one in listener.heard() if one["check"] == "set_aside_rate"]
        assert "40 of 55 lines were quarantined" in warned["sentence"]
        assert warned["launched_by"] == "command line"
        assert tick(deployment) == "no new alert"
        assert listener.heard() == []


@pytest.mark.long
def test_failed_alert_command_does_not_fail_the_run(tmp_path: Path, listener: Listener) -> None:
    listener.answers(7)
    deployment = Deployment(tmp_path / "data", {**SMALL, "alerts": {"command": list(listener.command)}})
    deployment.deliver(str(DAY), [*shop_lines(DAY), *["{"] * 40])
    ran = session_pipeline("run", "--data", deployment.folder.path)
    assert ran.returncode == 0, ran.stderr
    assert "[alerts] command ended with 7; the alert is: test/2024-05-06.jsonl: " in ran.stdout + ran.stderr
    assert "(it will be sent again)" in ran.stdout + ran.stderr


@pytest.mark.long
def test_failed_command_line_run_is_sent(tmp_path: Path, listener: Listener) -> None:
    with orchestrated(tmp_path / "data", {**SMALL, "alerts": {"command": list(listener.command)}}) as deployment:
        deployment.deliver(str(DAY), shop_lines(DAY))
        deployment.run()
        lose_a_line(deployment)
        deployment.deliver("late", shop_lines(DAY, visitors=7)[-1:])
        ran = session_pipeline("run", "--data", deployment.folder.path)
        assert ran.returncode == 1
        assert {("check_failed", "check ledger_closes"), ("run_failed", "job build")} <= set(told(listener))
