"""Tests the command line as a whole: help, wrong use, and commands that need no run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from session_pipeline.data_folder import MOST_BYTES, DataFolder
from session_pipeline.errors import SettingsError
from session_pipeline.run.opened import lost_settings
from session_pipeline.settings import load_settings
from session_pipeline_tests.shop_commands import call


def test_init_creates_a_usable_folder_and_never_overwrites(tmp_path: Path) -> None:
    data = tmp_path / "new"
    code, out, _ = call("init", data)
    assert code == 0
    assert f"session-pipeline run --data {data}" in out
    assert sorted(path.name for path in data.iterdir()) == ["dagster_home", "raw", "settings.toml"]
    assert call("check", "--data", data)[0] == 0
    for file in ([], ["--from", tmp_path / "missing.csv"]):
        code, _, err = call("init", data, *file)
        assert (code, "is already a data folder" in err) == (2, True)


@pytest.mark.parametrize("name", ["a%20b", "a?b", "a\\b", "a*b", "a[b]c", os.fsdecode(b"a\xff")])
def test_path_that_duckdb_or_dagster_misread_cannot_be_a_data_folder(tmp_path: Path, name: str) -> None:
    """With a * or a [, DuckDB would read the files of other folders; with a %20, Dagster the history of another one."""
    folder = tmp_path / name
    assert call("init", folder)[0] == 2
    assert list(tmp_path.iterdir()) == []
    (folder / "raw").mkdir(parents=True)
    for command in ("run", "plan", "status", "check", "verify", "dev"):
        code, out, err = call(command, "--data", folder)
        assert (code, out, "cannot be a data folder" in err) == (2, "", True), command
        assert "Traceback" not in err


def with_bytes(folder: Path, byte_count: int) -> Path:
    """Return the path of a folder below another one that has this many bytes, which are fewer characters."""
    start = f"{folder}/{'ä' * 50}/{'p' * 150}/"
    return Path(start + "q" * (byte_count - len(start.encode())))


@pytest.mark.long
def test_longest_path_of_a_data_folder_can_be_used(tmp_path: Path) -> None:
    data = with_bytes(tmp_path, MOST_BYTES)
    assert call("init", data)[0] == 0
    (data / "raw" / "web").mkdir()
    (data / "raw" / "web" / "day.jsonl").write_text(
        '{"visitor_id": "ann", "event_time": "2024-05-06T10:00:00Z", "event_name": "page_view"}\n'
    )
    assert call("run", "--data", data)[0] == 0
    assert call("status", "--check", "--data", data)[0] == 0


def test_longer_path_than_sqlite_opens_cannot_be_a_data_folder(tmp_path: Path) -> None:
    data = with_bytes(tmp_path, MOST_BYTES + 1)
    code, _, err = call("init", data)
    assert (code, f"its path has {MOST_BYTES + 1} bytes; use a path of at most {MOST_BYTES} bytes" in err) == (2, True)
    assert list(tmp_path.iterdir()) == []
    data.mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(data)
    code, _, err = call("init", link)
    assert (code, f"links lead to {data.resolve()}, which has {MOST_BYTES + 1} bytes;" in " ".join(err.split())) == (
        2,
        True,
    )
    assert list(data.iterdir()) == []


def test_links_in_a_circle_are_no_data_folder(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    for arguments in (["init", tmp_path / "a"], ["status", "--data", tmp_path / "a"]):
        code, _, err = call(*arguments)
        assert (code in (1, 2), "Traceback" in err, str(tmp_path / "a") in err) == (True, False, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("query", "select '\udce9'"),
        ("query", "--tables", "\udce9"),
        ("show", "\udce9"),
        ("sessions", "--outcome", "\udce9"),
        ("erase", "--visitor", "\udce9"),
        ("export", "file", "--visitor", "\udce9"),
    ],
)
def test_text_that_is_not_utf8_is_refused(shop: Path, arguments: tuple[str, ...]) -> None:
    code, _, err = call(*arguments, "--data", shop)
    assert (code, "\\xe9" in err) == (2, True), err
    assert " is not UTF-8; is UTF-8 the encoding of the terminal?" in err


def test_path_of_a_file_can_be_other_than_utf8(shop: Path, tmp_path: Path) -> None:
    file = tmp_path / "\udce9.csv"
    assert call("query", "select 1 as a", "--format", "csv", "--output", file, "--data", shop)[0] == 0
    assert file.read_text() == "a\n1\n"


def test_other_unusual_characters_can_be_in_the_path(tmp_path: Path) -> None:
    assert call("init", tmp_path / "100% {a} 'b' #c ä")[0] == 0


def test_other_system_is_refused_in_one_sentence() -> None:
    code = "import sys; from session_pipeline import __main__; sys.platform = 'win32'; __main__.main()"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert ran.stderr.startswith("Error: session-pipeline runs on Linux, not on win32; ")


def test_version_and_help_options() -> None:
    assert re.fullmatch(r"session-pipeline \d+\.\d+\.\d+\n", call("--version")[1])
    assert call("-h") == call("--help")
    assert call("query", "-h") == call("query", "--help")


def test_help_shows_the_default_day_as_it_is_written() -> None:
    assert "[default: 2026-10-05]" in call("sample", "--help")[1]


def test_shell_completes_command_names() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "session_pipeline"],
        env={
            **os.environ,
            "_SESSION_PIPELINE_COMPLETE": "complete_bash",
            "COMP_WORDS": "session-pipeline se",
            "COMP_CWORD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.split() == ["sessions"]
    assert "--install-completion" in call("-h")[1]


def test_check_names_the_invalid_key(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("[sessions]\ninactivity_minuts = 20\n")
    code, _, err = call("check", "--data", tmp_path)
    assert code == 1
    assert "sessions.inactivity_minuts is an unknown setting; did you mean inactivity_minutes?" in err
    code, out, _ = call("check", "--json", "--data", tmp_path)
    assert (code, json.loads(out)["problems"][0]["key"]) == (1, "sessions.inactivity_minuts")


def test_check_warns_about_a_missing_alert_program(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('[alerts]\ncommand = ["/nope/alert", "--urgent"]\n')
    code, out, _ = call("check", "--data", tmp_path)
    assert (code, "WARNING: alerts.command: the program /nope/alert does not exist on this machine" in out) == (0, True)
    (tmp_path / "settings.toml").write_text('[alerts]\ncommand = ["/etc/passwd"]\n')
    assert "the program /etc/passwd cannot be executed" in call("check", "--data", tmp_path)[1]
    (tmp_path / "settings.toml").write_text('[alerts]\ncommand = ["sh", "-c", "cat"]\n')
    assert "alerts.command" not in call("check", "--data", tmp_path)[1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run", "--data", "nowhere"), "is not a data folder"),
        (("run", "--no-such-option"), "No such option"),
        (("run", "--until", "2024-02-30"), "'--until': '2024-02-30' is not a day; write a day as YYYY-MM-DD"),
        (("sample", "--fault", "mobile:checkout>payment:50%:2026-10-19"), "are 2026-10-05 to 2026-10-11"),
        (("run", "--until", "2999-01-01"), "is in the future"),
        (("run", "--until", "1999-01-01"), "is before start_date"),
        (("status", "--max-age", "soon"), "write it as 90min, 30h or 2d"),
        (("status", "--max-age", "999999999999d"), "write it as 90min, 30h or 2d"),
        (("query",), "there is no SQL"),
        (("query", "select 1", "--format", "parquet"), "name a file with --output"),
        (("query", "select 1; select 2"), "query takes one SELECT"),
        (("query", "copy sessions to 'sessions.csv'"), "query takes one SELECT"),
        (("query", "update extensions"), "query takes one SELECT"),
        (
            ("query", "select interval 1 day as pause", "--format", "parquet", "--output", "no.parquet"),
            "Parquet has no type for pause; cast it to varchar",
        ),
        (("show", "no such id"), "find one with: session-pipeline sessions"),
        (("show", ""), "find one with: session-pipeline sessions"),
    ],
)
def test_wrong_use_exits_with_2_and_a_hint(
    shop: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], sentence: str
) -> None:
    monkeypatch.setenv("SESSION_PIPELINE_DATA", str(shop))
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert sentence in err
    assert "Traceback" not in err


@pytest.mark.parametrize("name", ["raw", "settings.toml", "data"])
def test_part_of_a_data_folder_is_refused_with_the_folder_to_select(shop: Path, name: str) -> None:
    code, _, err = call("status", "--data", shop / name)
    assert (code, f"{shop / name} is not a data folder, but {shop} is; select it with --data" in err) == (2, True), err


def test_settings_of_another_program_do_not_make_a_data_folder(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").touch()
    data = tmp_path / "data"
    assert f"create one with `session-pipeline init {data}`" in call("status", "--data", data)[2]


def test_commands_in_messages_quote_the_folder_for_the_shell(tmp_path: Path) -> None:
    data = tmp_path / "Größe und Maß"
    assert f"create one with `session-pipeline init '{data}'`" in call("status", "--data", data)[2]
    (data / "raw").mkdir(parents=True)
    assert f"`session-pipeline init '{data}'` writes a copy" in call("check", "--data", data)[2]
    assert f"write the packaged settings with `session-pipeline init '{data}'`" in str(lost_settings(DataFolder(data)))
    (data / "raw").rmdir()
    with pytest.raises(SettingsError, match=f"create a data folder with `session-pipeline init '{data}'`"):
        load_settings(data)


def test_sample_writes_the_truth_outside_raw(own_shop: Path, tmp_path: Path) -> None:
    small = ("--visitors", "20", "--days", "2", "--seed", "5")
    assert call("sample", *small, "--data", own_shop)[0] == 0
    assert (own_shop / "truth" / "sessions.csv.gz").is_file()
    assert call("sample", tmp_path / "elsewhere", *small)[0] == 0
    assert (tmp_path / "elsewhere-truth" / "sessions.csv.gz").is_file()
    delivered = sorted(path.name for path in (own_shop / "raw" / "sample").iterdir())
    assert delivered == sorted(path.name for path in (tmp_path / "elsewhere").iterdir())
    assert call("sample", *small, "--data", own_shop)[0] == 2


def test_report_prints_its_path(shop: Path) -> None:
    code, out, _ = call("report", "--data", shop)
    assert (code, Path(out.strip()).is_file()) == (0, True)
