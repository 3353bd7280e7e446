"""Tests where commands write (links are kept, special files are written into), and that output has no control codes."""

import json
import os
import stat
import subprocess
import sys
import threading
from io import StringIO
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from session_pipeline.cli import app
from session_pipeline.cli.output import destination
from session_pipeline.cli.rows import write_json
from session_pipeline.cli.screen import console
from session_pipeline.errors import StoreError, WrongUseError
from session_pipeline.store.files import make_folder, replacing
from session_pipeline_tests.deployment import WITHOUT_PRIVILEGES, Deployment

PROGRAM = [sys.executable, "-m", "session_pipeline"]
ESCAPE = "\x1b]0;owned\x07\x9b31m"
EVENTS = [
    {"visitor_id": "ann", "event_time": "2024-03-05T09:00:00Z", "event_name": "page_view"},
    {"visitor_id": "ann", "event_time": "2024-03-05T09:05:00Z", "event_name": "purchase", "value": -3,
     "currency": f"E{ESCAPE}", "element": "=1+1"},
]  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published data folder. Tests must not change it."""
    deployment = Deployment(tmp_path_factory.mktemp("output") / "data")
    deployment.deliver("events", EVENTS)
    deployment.run()
    return deployment.folder.path


def call(*arguments: str | Path, stdin: str | None = None) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.long
def test_long_values_are_shortened_for_people_and_whole_in_json(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data")
    long = {"page_url": f"https://shop.example/{'p' * 5000}", "search_term": "s" * 5000, "utm_source": "u" * 5000}
    file = deployment.deliver("events", [{**EVENTS[0], "visitor_id": "v" * 5000, **long}])
    deployment.run()
    [session] = json.loads(call("sessions", "--json", "--data", deployment.folder.path)[1])
    assert session["landing_page"] == "/" + "p" * 5000
    for command in (("sessions",), ("show", session["session_id"]), ("try", file)):
        code, out, err = call(*command, "--data", deployment.folder.path)
        assert (code, len(out) < 5000) == (0, True), err
        assert "pppp" in out


def csv_to(path: Path, data: Path) -> int:
    return call("query", "select 1 as a", "-f", "csv", "-o", path, "--data", data)[0]


# Destinations


@pytest.mark.long
def test_output_goes_through_links(data: Path, tmp_path: Path) -> None:
    target, link, dangling = tmp_path / "target", tmp_path / "link", tmp_path / "dangling"
    target.write_text("old")
    target.chmod(0o600)
    link.symlink_to("target")
    dangling.symlink_to("new")
    assert (csv_to(link, data), csv_to(dangling, data)) == (0, 0)
    assert link.is_symlink()
    assert dangling.is_symlink()
    assert (target.read_text(), (tmp_path / "new").read_text()) == ("a\n1\n", "a\n1\n")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dangling", "link", "new", "target"]


@pytest.mark.parametrize("form", ["csv", "json", "markdown", "parquet"])
def test_output_goes_into_a_pipe(data: Path, tmp_path: Path, form: str) -> None:
    pipe, plain = tmp_path / "pipe", tmp_path / "plain"
    os.mkfifo(pipe)
    received = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    assert call("query", "select 1 as a", "-f", form, "-o", pipe, "--data", data)[0] == 0
    reader.join(20)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert call("query", "select 1 as a", "-f", form, "-o", plain, "--data", data)[0] == 0
    assert received == [plain.read_bytes()]


def test_export_goes_through_links_and_into_pipes(data: Path, tmp_path: Path) -> None:
    link, pipe, copy = tmp_path / "link", tmp_path / "pipe", tmp_path / "copy.duckdb"
    link.symlink_to("behind.duckdb")
    assert call("export", link, "--data", data)[0] == 0
    assert link.is_symlink()
    assert call("export", link, "--data", data)[0] == 2
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: copy.write_bytes(pipe.read_bytes()))
    reader.start()
    assert call("export", pipe, "--data", data)[0] == 0
    reader.join(20)
    for file in (link, copy):
        with duckdb.connect(str(file), read_only=True) as connection:
            assert connection.sql("select count(*) from events").fetchall() == [(2,)]


def test_output_goes_into_a_device(tmp_path: Path) -> None:
    """A pseudo-terminal is a device that a test may write to."""
    controller, device = os.openpty()
    name = Path(os.ttyname(device))
    before = name.stat()
    with destination(name) as temporary:
        temporary.write_text("written")
    assert os.read(controller, 100) == b"written"
    assert (name.stat().st_ino, name.stat().st_rdev) == (before.st_ino, before.st_rdev)
    os.close(controller)
    os.close(device)


def test_output_continues_at_the_position_of_an_open_descriptor(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        file.write("before ")
        file.flush()
        link = tmp_path / "link"
        link.symlink_to(f"/dev/fd/{file.fileno()}")
        with destination(link) as temporary:
            temporary.write_text("written")
    assert (tmp_path / "log").read_text() == "before written"


def test_failed_output_leaves_the_old_file(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    assert call("query", "select error('no') as a", "-f", "csv", "-o", file, "--data", data)[0] == 1
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


def test_own_files_of_the_data_folder_are_not_written(data: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(data / "settings.toml")
    settings = (data / "settings.toml").read_bytes()
    own = ("settings.toml", "warehouse.duckdb", "visitor_key", "raw/test/new.csv", "store/x", "reports/latest.html")
    for path in (tmp_path / "link", *(data / name for name in own)):
        for command in (("query", "select 1", "-f", "csv", "-o", path), ("export", path)):
            code, _, err = call(*command, "--data", data)
            assert (code, "belongs to the data folder" in err) == (2, True), command
    assert (data / "settings.toml").read_bytes() == settings
    assert csv_to(data / "rows.csv", data) == 0


def test_unwritable_path_is_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(WrongUseError, match="is a folder; name a file in it"), destination(tmp_path):
        pass
    code, _, err = call("query", "select 1", "-f", "csv", "-o", tmp_path / "no" / "file", "--data", data)
    assert (code, err) == (1, f"Error: {tmp_path}/no/file: No such file or directory; fix that and try again\n")


@pytest.mark.long
def test_published_files_may_be_links(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    deployment.folder.warehouse.symlink_to(elsewhere / "w.duckdb")
    for name in ("first", "second"):
        deployment.deliver(name, [{**EVENTS[0], "event_id": name}])
        deployment.run()
        assert deployment.folder.warehouse.is_symlink()
        with duckdb.connect(str(elsewhere / "w.duckdb"), read_only=True) as connection:
            counts = connection.sql("select count(*) from events").fetchall()
    assert counts == [(2,)]
    link = tmp_path / "link"
    link.symlink_to("elsewhere/page")
    with replacing(link) as temporary:
        temporary.write_text("page")
    assert (link.is_symlink(), (elsewhere / "page").read_text()) == (True, "page")


def test_folder_that_cannot_be_created_is_explained(tmp_path: Path) -> None:
    (tmp_path / "lake").symlink_to(tmp_path / "gone")
    with pytest.raises(StoreError, match=r"/lake is a link to .*/gone, which is not a folder; create that folder"):
        make_folder(tmp_path / "lake" / "sessions")
    (tmp_path / "reports").write_text("")
    with pytest.raises(StoreError, match="/reports is not a folder; move it elsewhere"):
        make_folder(tmp_path / "reports")


@pytest.mark.long
def test_lake_as_a_dangling_link_is_explained(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data")
    deployment.deliver("events", EVENTS)
    deployment.folder.lake.symlink_to("nowhere")
    with pytest.raises(StoreError, match="is a link to"):
        deployment.run()


def test_unwritable_report_is_explained(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    subprocess.run(["cp", "-a", data, folder], check=True)
    (folder / "reports").mkdir()
    (folder / "reports").chmod(0o500)
    command = [*WITHOUT_PRIVILEGES, *PROGRAM, "report", "--data", str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"Error: {folder}/reports/2024-03-05.html cannot be written (Permission denied); make")
    assert ran.stderr.count("\n") == 1


# Content


HOSTILE = f"select currency, '{ESCAPE}' as \"{ESCAPE}\" from events"


@pytest.mark.parametrize(
    "arguments",
    [
        ("query", HOSTILE),
        ("query", HOSTILE, "-f", "csv"),
        ("query", HOSTILE, "-f", "json"),
        ("query", HOSTILE, "-f", "markdown"),
        ("query", f'from "{ESCAPE}"'),
        ("query", "--tables", ESCAPE),
        ("sessions",),
        ("sessions", "--json"),
        ("sessions", "--outcome", ESCAPE),
        ("sessions", ESCAPE),
        ("show", "ID"),
        ("show", "ID", "--json"),
        ("show", ESCAPE),
        ("try", ESCAPE),
        ("run", "--data", ESCAPE),
        ("status", "--max-age", ESCAPE),
        ("export", f"{ESCAPE}/no"),
        (ESCAPE,),
    ],
    ids=lambda arguments: " ".join(arguments).replace(ESCAPE, "escape"),
)
def test_printed_text_has_no_terminal_control_codes(data: Path, arguments: tuple[str, ...]) -> None:
    session_id = json.loads(call("sessions", "--json", "--data", data)[1])[0]["session_id"]
    texts = [session_id if text == "ID" else text for text in arguments]
    _, out, err = call(*texts, *(() if "--data" in texts else ("--data", str(data))))
    printed = out + err
    assert printed
    assert not any(char != "\n" and (ord(char) < 32 or 127 <= ord(char) < 160) for char in printed), repr(printed)


def test_console_keeps_its_own_colours(tmp_path: Path) -> None:
    with (tmp_path / "screen").open("w+") as file:
        coloured = console(file=file)
        coloured._color_system = 1  # type: ignore[assignment]
        coloured.print(f"text{ESCAPE}", style="bold")
        file.seek(0)
        assert file.read() == "\x1b[1mtext ]0;owned 31m\x1b[0m\n"  # rich itself removes the bell


def test_csv_escapes_formulas_and_keeps_numbers(data: Path) -> None:
    sql = (
        "select unnest(['=1+1', '-2', '+3.5e2', '-2+cmd', '@sum', chr(9) || 'a', '＝1', 'a=1']) as \"=name\", -5 as n,"
        " -1.5::decimal(9, 2) as d"
    )
    _, out, _ = call("query", sql, "-f", "csv", "--data", data)
    texts = ["'=1+1", "-2", "+3.5e2", "'-2+cmd", "'@sum", "'\ta", "'＝1", "a=1"]
    assert out == "'=name,n,d\n" + "".join(f"{text},-5,-1.50\n" for text in texts)
    _, out, _ = call("query", "select '=1' || chr(27) as a", "-f", "csv", "--raw", "--data", data)
    assert out == "a\n=1\x1b\n"


def test_csv_escapes_formulas_behind_other_separators(data: Path) -> None:
    sql = """select unnest(['buy;=HYPERLINK(A1);x', 'a;;@b', 'a;"=1"', 'a;＝1', '-1;+2', 'a; =1', 'a;b=1']) as a"""
    _, out, _ = call("query", sql, "-f", "csv", "--data", data)
    texts = ["buy;'=HYPERLINK(A1);x", "a;;'@b", '"a;\'""=1"""', "a;'＝1", "'-1;'+2", "a; =1", "a;b=1"]
    assert out.splitlines() == ["a", *texts]
    _, out, _ = call(
        "query", r"select unnest(['a' || chr(9) || '-b', 'a' || chr(10) || '=b']) as a", "-f", "csv", "--data", data
    )
    assert out == "a\na\t'-b\n\"a\n'=b\"\n"


def test_numbers_that_json_does_not_have_are_null() -> None:
    written = StringIO()
    with duckdb.connect() as connection:
        numbers = "'nan'::double as a, 'inf'::double as b, '-inf'::float as c, [1.5, 'nan'::double] as d"
        write_json(connection, f"select {numbers}", written)
    assert json.loads(written.getvalue()) == [{"a": None, "b": None, "c": None, "d": [1.5, None]}]


def test_nested_values_are_written_like_values_in_columns(data: Path) -> None:
    sql = "select [1.50, null] as a, {'d': date '2024-03-05'} as b, map {date '2024-03-05': 'it'} as c"
    for arguments in ((), ("--format", "csv")):
        written = call("query", sql, *arguments, "--data", data)[1]
        for value in ("[1.50, NULL]", "{'d': 2024-03-05}", "{2024-03-05: 'it'}"):
            assert value in written
    written = call("query", sql, "--format", "json", "--data", data)[1]
    assert json.loads(written) == [{"a": [1.5, None], "b": {"d": "2024-03-05"}, "c": {"2024-03-05": "it"}}]


def test_long_decimals_are_not_rounded(data: Path) -> None:
    number = "12345678901234567890123456789012.3456"
    assert number in call("query", f"select {number}00::decimal(38, 6) as a", "--data", data)[1]
    assert "100\n" in call("query", "select 100.00 as a", "--data", data)[1]
    sum_of_values = "select 111111110295.111118::decimal(38, 6) as a, 100.00 as b"
    written = call("query", sum_of_values, "-f", "json", "--data", data)[1]
    assert written == '[\n{"a": 111111110295.111118, "b": 100}\n]\n'


def test_session_ids_are_whole_on_a_narrow_terminal(data: Path) -> None:
    [session, *_] = json.loads(call("sessions", "--json", "--data", data)[1])
    environment = {**os.environ, "COLUMNS": "50"}
    command = [*PROGRAM, "sessions", "--data", str(data)]
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert session["session_id"][:12] in out


def test_markdown_is_a_table_of_plain_text(data: Path) -> None:
    sql = (
        "select 'a|b' as x, '![i](javascript:1) <b> snake_case _e_' as y, 1.5 as n, null::text as z,"
        " 'l' || chr(10) as m"
    )
    _, out, _ = call("query", sql, "-f", "markdown", "--data", data)
    assert out.splitlines() == [
        "| x | y | n | z | m |",
        "|---|---|---:|---|---|",
        r"| a\|b | !\[i\](javascript:1) &lt;b&gt; snake_case \_e\_ | 1.5 |  | l  |",
    ]


def test_sql_comes_from_a_file_or_standard_input(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "q.sql"
    file.write_text("\ufeff-- a comment\nselect 1 as a;\n")
    assert call("query", "--file", file, "-f", "csv", "--data", data)[:2] == (0, "a\n1\n")
    assert call("query", "-", "-f", "csv", "--data", data, stdin="select 2 as a\n")[:2] == (0, "a\n2\n")
    for arguments, sentence in (
        (("query", "select 1", "--file", str(file)), "is given twice"),
        (("query", "-"), "standard input contains no SQL"),
        (("query", "select 1", "--raw"), "--raw applies only to CSV"),
        (("query", "select 1", "-f", "parquet"), "Parquet cannot be printed; name a file with --output"),
        (("query", "select 1", "-f", "table", "-o", "x"), "a table can only be printed"),
        (("query", "select 1", "-f", "csv", "-o", "-"), "--output - names no file"),
    ):
        code, _, err = call(*arguments, "--data", data)
        assert (code, sentence in err) == (2, True), err
    code, _, err = call("query", "--file", tmp_path / "none.sql", "--data", data)
    assert (code, err) == (1, f"Error: {tmp_path}/none.sql: No such file or directory; fix that and try again\n")


@pytest.mark.long
def test_ascii_terminal_gets_escapes(data: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}

    def ran(*arguments: str) -> str:
        command = [*PROGRAM, *arguments, "--data", str(data)]
        done = subprocess.run(command, env=environment, capture_output=True, check=True)
        assert b"Traceback" not in done.stderr
        return done.stdout.decode("ascii")

    assert "\\xe9" in ran("query", "select 'é' as a")
    assert json.loads(ran("query", "select 'é😀' as a", "-f", "json")) == [{"a": "é😀"}]
    assert "purchase" in ran("sessions")


FULL = "Error: standard output: No space left on device; fix that and try again\n"


@pytest.mark.parametrize(
    ("redirection", "code", "sentence"),
    [("| true", 1, ""), (">&-", 0, ""), ("> /dev/full", 1, FULL)],
)
def test_unread_output_ends_without_a_traceback(data: Path, redirection: str, code: int, sentence: str) -> None:
    sql = "select unnest(range(200000)) as a"
    script = f'set -o pipefail; "$@" {redirection}'
    command = ["bash", "-c", script, "bash", *PROGRAM, "query", sql, "-f", "csv", "--data", str(data)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == code
    assert "Traceback" not in ran.stderr
    assert "Exception ignored" not in ran.stderr
    assert sentence in ran.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_full_standard_output_is_named(unbuffered: str) -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [*PROGRAM, "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )
    assert (ran.returncode, ran.stderr) == (1, FULL)


def test_sessions_are_listed_in_a_total_order(data: Path) -> None:
    _, out, _ = call("sessions", "--json", "--data", data)
    (session,) = json.loads(out)
    assert (session["session_date"], session["outcome"], session["event_count"]) == ("2024-03-05", "purchase", 2)
    assert "purchase" in call("sessions", "--day", "2024-03-05", "--outcome", "purchase", "--data", data)[1]
    assert call("sessions", "--day", "2024-03-06", "--data", data)[1] == (
        "no sessions; all are from 2024-03-05 to 2024-03-05\n"
    )
    code, _, err = call("sessions", "--outcome", "purchas", "--data", data)
    assert (code, "did you mean purchase?" in err) == (2, True)
