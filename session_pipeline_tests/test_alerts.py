"""Tests alerts: which are sent, when they are repeated, and the command that receives them."""

import json
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from session_pipeline.errors import SettingsFileError
from session_pipeline.run import alerts
from session_pipeline.run.alerts import Alert, Passed, missing_program, run_command, send_new
from session_pipeline.settings import AlertSettings, parse_settings
from session_pipeline_tests.listeners import Listener

DAY = date(2024, 5, 6)


# Which alerts are sent, and when they are repeated


class TestLook:
    BAD = Alert("check_failed", "check ledger_closes", "a line is lost", {"run_id": "r", "day": DAY})
    OTHER = Alert("check_failed", "check ledger_closes", "two lines are lost")
    WELL = Passed("check ledger_closes")

    @pytest.fixture
    def happens(self, tmp_path: Path, listener: Listener) -> Any:
        self.cursor, self.said = 0, list[str]()
        settings = AlertSettings(command=listener.command, time_limit_seconds=20)

        def happens(*news: Alert | Passed) -> list[str]:
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

    @pytest.mark.parametrize("record", ["", "5", '{"cursor": null, "open": [], "waiting": []}', '{"other": 1}'])
    def test_starts_again_after_a_damaged_record(
        self, tmp_path: Path, listener: Listener, happens: Any, record: str
    ) -> None:
        (tmp_path / "alerts.json").write_text(record)
        assert happens(self.BAD) == ["a line is lost"]
        assert self.said == []

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
        assert happens(Passed("check c"), Alert("check_warned", "check c", "b; c", problems=("b", "c"))) == ["b; c"]

    @pytest.mark.parametrize("problem", ["2024-05-06: few", "2024-05-06, main: few"])
    def test_resolves_a_day_only_if_it_was_checked(self, happens: Any, problem: str) -> None:
        unusual = Alert("check_warned", "check c", problem, problems=(problem,))
        assert happens(unusual) == [problem]
        assert happens(Passed("check c", "2024-05-07", "2024-05-08"), Passed("check c"), unusual) == []
        assert happens(Passed("check c", "2024-05-01", "2024-05-06"), unusual) == [problem]
        assert happens(Passed("check c", "2024-05-06", "2024-05-06"), unusual) == [problem]

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

    def test_first_look_sends_the_problem_of_a_day_that_was_not_checked_again(
        self, tmp_path: Path, listener: Listener
    ) -> None:
        settings = AlertSettings(command=listener.command, time_limit_seconds=20)
        few, many = (
            Alert("check_warned", "check c", f"{day}: {what}", problems=(f"{day}: {what}",))
            for day, what in (("2024-05-06", "few"), ("2024-05-07", "many"))
        )
        happened = [few, many, Passed("check c", "2024-05-07", "2024-05-08")]
        send_new(tmp_path, settings, lambda cursor: (happened, 3), pytest.fail)
        assert [one["sentence"] for one in listener.heard()] == ["2024-05-06: few"]

    def test_look_after_a_record_of_another_shape_is_a_first_look(self, tmp_path: Path, listener: Listener) -> None:
        (tmp_path / "alerts.json").write_text('{"other": 1}')
        settings = AlertSettings(command=listener.command, time_limit_seconds=20)
        cursors: list[int | None] = []

        def news(cursor: int | None) -> tuple[Sequence[Alert | Passed], int]:
            cursors.append(cursor)
            return [self.BAD, self.WELL, self.OTHER], 3

        assert send_new(tmp_path, settings, news, pytest.fail) == 1
        assert cursors == [None]

    def test_retries_a_failed_command_after_longer_and_longer_pauses_then_gives_up(
        self, happens: Any, listener: Listener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = 1_800_000_000.0
        monkeypatch.setattr(alerts, "time", lambda: now)
        listener.answers(3)
        happens(self.BAD)
        for pause in (60, 600, 3600, 21600):
            said_before = len(self.said)
            now += pause - 1
            happens()
            assert len(self.said) == said_before, "it is not sent again before the pause is over"
            now += 1
            happens()
        failed = "[alerts] command ended with 3; the alert is: a line is lost"
        again = (*["it will be sent again"] * 4, "given up after 5 attempts")
        assert self.said == [f"{failed} ({what_next})" for what_next in again]
        listener.answers(0)
        now += 10**6
        assert happens() == []

    def test_sends_later_after_a_failed_attempt(
        self, happens: Any, listener: Listener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = 1_800_000_000.0
        monkeypatch.setattr(alerts, "time", lambda: now)
        listener.answers(1)
        happens(self.BAD)
        listener.answers(0)
        assert happens(self.OTHER) == ["two lines are lost"], "other alerts do not wait"
        now += 60
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


def test_command_may_leave_a_process_running() -> None:
    started = monotonic()
    assert run_command(("sh", "-c", "sleep 300 & setsid sleep 301 & cat; echo sent"), {"sentence": "x"}, 100) is None
    assert monotonic() - started < 90, "it waited for a process in the background"


def test_last_line_of_a_failed_command_is_reported() -> None:
    assert run_command(("sh", "-c", "echo first; echo no server >&2; exit 3"), {}, 100) == "ended with 3: no server"


def test_relative_program_is_warned_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alert.sh").write_text("#!/bin/sh\n")
    (tmp_path / "alert.sh").chmod(0o755)
    assert missing_program(["./alert.sh"]) == (
        "the program ./alert.sh depends on the folder that a run is started in; write its whole path"
    )
    assert missing_program([str(tmp_path / "alert.sh")]) is None
    assert missing_program(["sh"]) is None


def test_only_the_program_of_a_command_is_looked_for() -> None:
    assert missing_program(["sh", "-c", "cat > alerts/last"]) is None
    missing = ["no-such-program", "alerts/last", "sh"]
    assert str(missing_program(missing)).startswith("the program no-such-program does not exist on this machine")


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
