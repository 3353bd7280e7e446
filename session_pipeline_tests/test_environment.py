"""Tests settings from environment variables: they override the file, cover every setting, and errors name them."""

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.errors import SettingsFileError
from session_pipeline.settings import Settings, load_settings, parse_settings
from session_pipeline.settings.environment import OTHERS, PREFIX, variable_of
from session_pipeline_tests.documents import ROOT


def parsed(text: str = "", **variables: str) -> Settings:
    return parse_settings(text, environment={f"{PREFIX}{name}": value for name, value in variables.items()})


def errors_of(text: str = "", **variables: str) -> dict[str, str]:
    """Return the error of each key, without the prefix of variables."""
    with pytest.raises(SettingsFileError) as error:
        parsed(text, **variables)
    return {found.key.removeprefix(PREFIX): f"{found.problem}; {found.hint}" for found in error.value.errors}


def test_variables_override_single_keys_of_the_file() -> None:
    file = "timezone = 'Asia/Tokyo'\n[sessions]\ninactivity_minutes = 10\nmax_hours = 5"
    settings = parsed(file, SESSIONS__INACTIVITY_MINUTES="20", TIMEZONE="Europe/Berlin")
    assert (settings.timezone, settings.sessions.inactivity_minutes) == ("Europe/Berlin", 20)
    assert settings.sessions.max_hours == 5
    assert parsed(file, SESSIONS='{"inactivity_minutes": 7}').sessions.max_hours == 5


def test_values_get_the_type_of_their_setting() -> None:
    settings = parsed(
        START_DATE="2024-02-29",
        INCLUDE_TODAY="true",
        PUBLISH__NATIVE_LIMIT_GB="1.5",
        SESSIONS__SEPARATOR="20",
        SESSIONS__PASSIVE_EVENTS='["ping"]',
        ALERTS__COMMAND='["/bin/alert", "--now"]',
        GOALS='[{"name": "bought", "where": "event_name = \'purchase\'"}]',
        DIMENSIONS__PLAN="json_extract_string(properties, '$.plan')",
    )
    assert (settings.start_date, settings.include_today) == (date(2024, 2, 29), True)
    assert settings.publish.native_limit_gb == 1.5
    assert (settings.sessions.separator, settings.sessions.passive_events) == ("20", ("ping",))
    assert settings.alerts.command == ("/bin/alert", "--now")
    assert [goal.name for goal in settings.goals] == ["bought"]
    assert settings.dimensions.keys() == {*parsed().dimensions, "plan"}
    assert parsed(DIMENSIONS="{}").dimensions == {}


def test_sources_can_be_set_by_key_or_as_json() -> None:
    file = "[sources.web]\nsite = 'shop'\nformat = 'csv'"
    source = parsed(file, SOURCES__WEB__FORMAT="tsv", SOURCES__WEB__CLOCK_TOLERANCE_MINUTES="5").source("web")
    assert (source.site, source.format, source.clock_tolerance_minutes) == ("shop", "tsv", 5)
    source = parsed(SOURCES__WEB__COLUMNS__VISITOR_ID="uid").source("web")
    assert source.columns == {"visitor_id": "uid"}
    assert parsed(file, SOURCES__WEB='{"site": "other"}').source("web").format is None
    assert parsed(SOURCES='{"Web": {"format": "csv"}}').source("Web").format == "csv"


def test_every_packaged_setting_can_be_set() -> None:
    """Each setting is set to its packaged value, so the settings must stay equal."""

    def texts(values: dict[str, Any], path: tuple[str, ...] = ()) -> dict[str, str]:
        found: dict[str, str] = {}
        for key, value in values.items():
            if isinstance(value, dict) and key not in ("sources", "dimensions"):
                found |= texts(value, (*path, key))
            else:
                found[variable_of((*path, key))] = value if isinstance(value, str) else json.dumps(value)
        return found

    packaged = parsed()
    values = packaged.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    environment = texts(values)
    assert len(environment) > 30
    assert parse_settings("", environment=environment) == packaged


@pytest.mark.parametrize(
    ("variables", "key", "sentence"),
    [
        ({"SESSIONS__INACTIVITY_MINUTES": "soon"}, None, "is 'soon'; write a whole number"),
        ({"SESSIONS__INACTIVITY_MINUTES": ""}, None, "is ''; write a whole number"),
        ({"SESSIONS__MAX_HOURS": "25"}, None, "is 25; write at most 24"),
        ({"SESSIONS__INACTIVITY_MINUTS": "1"}, None, f"did you mean {PREFIX}SESSIONS__INACTIVITY_MINUTES?"),
        ({"TIMEZONES": "UTC"}, None, f"is an unknown setting; did you mean {PREFIX}TIMEZONE?"),
        ({"TIMEZONE": "Mars"}, None, "is not a time zone"),
        ({"TIMEZONE__X": "UTC"}, None, "is an unknown setting"),
        ({"SESSIONS__": "UTC"}, None, "is an unknown setting"),
        ({"": "UTC"}, None, "is an unknown setting"),
        ({"SESSIONS__A__B": "1"}, None, "is an unknown setting"),
        ({"SESSIONS__SEPARATOR__X": "1"}, None, f"set it with {PREFIX}SESSIONS__SEPARATOR"),
        ({"FUNNELS__0__NAME": "x"}, None, f"set it with {PREFIX}FUNNELS"),
        ({"SOURCES__WEB__FORMT": "csv"}, None, f"did you mean {PREFIX}SOURCES__WEB__FORMAT?"),
        ({"SOURCES__WEB__FORMAT": "xml"}, None, "is 'xml'"),
        ({"SESSIONS__PASSIVE_EVENTS": "a,b"}, None, "is 'a,b'; write it as JSON"),
        ({"GOALS": "[" * 100_000}, None, "write it as JSON"),
        ({"GOALS": '[{"name": "x", "where": "nope = 1"}]'}, "GOALS[0].where", "names an unknown column"),
        ({"PUBLISH__NATIVE_LIMIT_GB": "nan"}, None, "write a finite number"),
    ],
)  # fmt: skip
def test_errors_name_the_variable(variables: dict[str, str], key: str | None, sentence: str) -> None:
    errors = errors_of("", **variables)
    assert list(errors) == [key or next(iter(variables))]
    assert sentence in next(iter(errors.values()))


def test_errors_name_the_file_or_the_environment() -> None:
    for file, variables, where in (
        ("timezone = 'Mars'", {}, "settings.toml has an invalid setting"),
        ("", {"TIMEZONE": "Mars"}, "the environment has an invalid setting"),
        ("daily_at = 'x'", {"TIMEZONE": "Mars"}, "settings.toml with the environment has 2 invalid settings"),
        ("sessions = 3", {"SESSIONS__MAX_HOURS": "2"}, "settings.toml with the environment has 2 invalid settings"),
    ):
        with pytest.raises(SettingsFileError) as error:
            parsed(file, **variables)
        assert str(error.value).startswith(where)


def test_other_project_variables_are_ignored() -> None:
    services = ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_3000_TCP", "PORT_3000_TCP_ADDR")
    others = dict.fromkeys([*OTHERS, *(PREFIX + name for name in services), "session_pipeline_x", "HOME"], "x")
    assert parse_settings("", environment=others) == parsed()
    patterns = ("session_pipeline*/**/*.py", "session_pipeline/*.toml", "docs/**/*")
    paths = (path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file() and path.suffix != ".png")
    texts = (path.read_text() for path in paths if path.name not in ("test_environment.py", "environment.py"))
    used = {word for text in texts for word in re.findall(rf"\b{PREFIX}[A-Z_]+[A-Z]\b", text)}
    settings = {variable for variable in used - OTHERS if "__" not in variable}
    assert settings <= {variable_of((name,)) for name in Settings.model_fields}


def test_load_settings_reads_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "settings.toml").write_text("[sessions]\ninactivity_minutes = 10")
    monkeypatch.setenv("SESSION_PIPELINE_SESSIONS__INACTIVITY_MINUTES", "20")
    assert load_settings(tmp_path).sessions.inactivity_minutes == 20
    (tmp_path / "settings.toml").unlink()
    (tmp_path / "raw").mkdir()
    assert load_settings(tmp_path).sessions.inactivity_minutes == 20
