"""Tests what commands print and write: values are whole and safe for terminals and spreadsheets.

test_output_places.py tests where they write it.
"""

import json
import os
import subprocess
from io import StringIO
from pathlib import Path

import duckdb
import pytest

from session_pipeline.cli.rows import write_json
from session_pipeline.cli.screen import console
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.output_commands import ESCAPE, EVENTS, PROGRAM, call


@pytest.fixture
def data(published_controls: Path) -> Path:
    return published_controls


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


@pytest.mark.long
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
        (("query", "--tables", "--file", str(file)), "remove --file or --tables"),
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
    [("| true", 1, ""), pytest.param(">&-", 0, "", marks=pytest.mark.long), ("> /dev/full", 1, FULL)],
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
