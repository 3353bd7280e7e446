"""Tests which log format `init --from` and `try` suggest for an access log, and what they say about it."""

from pathlib import Path

import pytest

from session_pipeline.settings import load_settings
from session_pipeline_tests.shop_commands import call

pytestmark = pytest.mark.long  # further cases of what the usual tests cover


@pytest.mark.parametrize(
    ("before", "after", "log_format"),
    [
        ("", ' "-"', "nginx_main"),
        ("shop.example:443 ", "", "vhost_combined"),
    ],
)
def test_init_and_try_find_the_log_format(
    before: str, after: str, log_format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = '{}198.51.100.{} - - [04/May/2026:09:00:{}  +0000] "GET /a HTTP/1.1" 200 5 "-" "Mozilla/5.0"{}\n'
    lines = [line.format(before, number % 9, number, after).replace("  ", " ") for number in range(10, 60)]
    file = tmp_path / "other.log"
    file.write_text("".join(lines))
    code, out, err = call("init", tmp_path / "new", "--from", file)
    assert code == 0, err
    assert f'[sources.web]: log_format = "{log_format}" for files like other.log; 50 of 50 lines are accepted' in out
    assert load_settings(tmp_path / "new").source("web").log_format == log_format
    code, out, err = call("try", file)
    assert code == 1
    assert f'[sources.web]\n  log_format = "{log_format}"' in out
    assert f'set sources.web.log_format = "{log_format}"' in " ".join(out.split())
    assert "sources.try" not in out


def test_init_says_that_the_format_of_a_log_is_not_known(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.log"
    file.write_text('Sep 25 06:05:27 lb haproxy[6801]: 192.0.2.7:55008 ft bk 0/72 200 7456 - - ---- "GET / HTTP/1.1"\n')
    code, out, _ = call("init", tmp_path / "new", "--from", file)
    said = "[sources.web]: the format of the lines of haproxy.log is not known; 0 of 1 line are accepted"
    assert (code, said in out) == (1, True)


@pytest.mark.parametrize(
    ("beginnings", "log_format"),
    [(["", "", "198.51.100.9, "], "forwarded_combined"), (["", "", "shop.example:443 "], None)],
)
def test_log_format_is_suggested_if_more_lines_fit_it(
    beginnings: list[str], log_format: str | None, tmp_path: Path
) -> None:
    file = tmp_path / "access.log"
    line = '{}192.0.2.7 - - [04/May/2026:09:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "a"\n'
    file.write_text("".join(map(line.format, beginnings)))
    code, out, err = call("init", tmp_path / "new", "--from", file)
    assert (code, err) == (0, "")
    assert ("3 of 3 lines are accepted" in out) == (log_format is not None)
    web = load_settings(tmp_path / "new").sources.get("web")
    assert (web.log_format if web else None) == log_format


def test_log_with_two_formats_keeps_the_one_of_most_lines(tmp_path: Path) -> None:
    common = '192.0.2.7 - - [04/May/2026:10:00:0%s +0000] "GET /p HTTP/1.1" 200 512'
    file = tmp_path / "access.log"
    file.write_text("\n".join([*(common % second for second in range(5)), f'{common % 5} "-" "curl/8.0"', ""]))
    for command in (("init", tmp_path / "new", "--from", file), ("try", file, "--data", tmp_path / "new")):
        code, out, _ = call(*command)
        assert code == 0
        assert "1 line has another log format, combined: deliver such lines in files of another source" in out
        assert "in Apache and nginx with the format combined" in out
        assert "in another way" not in out
    assert load_settings(tmp_path / "new").source("web").log_format == "common"


def test_lines_of_a_second_log_format_are_named_without_a_section_of_the_source(tmp_path: Path) -> None:
    combined = '192.0.2.7 - - [04/May/2026:10:00:0%s +0000] "GET /p HTTP/1.1" 200 512 "-" "curl/8.0"'
    file = tmp_path / "access.log"
    file.write_text("\n".join([*(combined % second for second in range(5)), f"shop.example {combined % 5}", ""]))
    said = "1 line has another log format, vhost_combined_without_port: deliver such lines in files of another source"
    for command in (("init", tmp_path / "new", "--from", file), ("try", file, "--data", tmp_path / "new")):
        code, out, _ = call(*command)
        assert (code, said in out, "user agent:" in out) == (0, True, False)
    assert load_settings(tmp_path / "new").sources == {}


def test_advice_on_a_log_format_of_the_settings_is_not_given_with_another_one(tmp_path: Path) -> None:
    """Lines of the suggested format need no other source, and have a user agent."""
    folder, file = tmp_path / "new", tmp_path / "access.log"
    assert call("init", folder)[0] == 0
    with (folder / "settings.toml").open("a") as settings:
        settings.write('[sources.web]\nlog_format = "common"\n')
    common = '192.0.2.7 - - [04/May/2026:10:00:00 +0000] "GET /p HTTP/1.1" 200 512\n'
    file.write_text(common + 2 * f'{common.rstrip()} "-" "curl/8.0"\n')
    _, out, _ = call("try", file, "--source", "web", "--data", folder)
    assert 'log_format = "combined"' in out.split("[sources.web]")[1]
    assert ("another source" in out, "no user agent" in out) == (False, False)


def test_missing_user_agent_is_said_for_the_format_of_the_log(tmp_path: Path) -> None:
    folder, file = tmp_path / "new", tmp_path / "access.log"
    assert call("init", folder)[0] == 0
    with (folder / "settings.toml").open("a") as settings:
        settings.write("[sources.web]\nlog_format = '$time_iso8601 $remote_addr \"$request\"'\n")
    file.write_text('2026-05-04T10:00:00Z 192.0.2.7 "GET / HTTP/1.1"\n')
    _, out, _ = call("try", file, "--source", "web", "--data", folder)
    assert "the log has no user agent" in out
    assert "log it if you can, and add it to log_format" in " ".join(out.split())
