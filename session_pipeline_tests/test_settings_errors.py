"""Tests errors in settings: each names the key, says what is wrong and how to fix it."""

from pathlib import Path
from time import thread_time

import pytest

from session_pipeline.errors import SettingsError, SettingsFileError
from session_pipeline.settings import load_settings, parse_settings
from session_pipeline_tests.settings_texts import STEPS


def errors_of(text: str) -> dict[str, str]:
    """Return the error of each key."""
    with pytest.raises(SettingsFileError) as error:
        parse_settings(text)
    return {found.key: f"{found.problem}; {found.hint}" for found in error.value.errors}


def error_of(text: str) -> tuple[str, str]:
    errors = errors_of(text)
    assert len(errors) == 1, errors
    return next(iter(errors.items()))


# Errors


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("inactivity_minutes = 5", "inactivity_minutes", "did you mean sessions.inactivity_minutes?"),
        ("[sessions]\ninactivity_minuts = 5", "sessions.inactivity_minuts", "did you mean inactivity_minutes?"),
        ("[sources.web]\nfmt = 'csv'", "sources.web.fmt", "did you mean format?"),
        ("[sources.web]\nencoding = 'latin-1'", "sources.web.encoding", "remove it; text is read in UTF-8, so deliver"),
        ("[sources.web]\ncompression = 'gzip'", "sources.web.compression", "remove it; compressed files are"),
        ("[alarm]\ncommand = 'mail'", "alarm", "is an unknown setting; remove it"),
        ("timezone = 'Europe/Berln'", "timezone", "did you mean Europe/Berlin?"),
        ("timezone = 'CEST'", "timezone", "write the zone of a place, such as Europe/Berlin, or UTC"),
        ("timezone = 'GMT+2'", "timezone", "write the zone of a place, such as Europe/Berlin, or UTC"),
        ("[sources.web]\nskip_rows = 1", "sources.web.skip_rows", "write one of preset, format, site"),
        ("actions.query_parameters = ['color']", "privacy", "does not keep the query parameter color"),
        ("timezone = '../../etc/passwd'", "timezone", "is not a time zone"),
        ("start_date = '2020-01-01'", "start_date", "write a date without quotes"),
        ("start_date = 2020-01-01T00:00:00", "start_date", "write a date without quotes"),
        ("start_date = 1969-12-31", "start_date", "write at least 1970-01-01"),
        ("include_today = 'yes'", "include_today", "is 'yes'; write true or false"),
        ("daily_at = '24:00'", "daily_at", "write hours and minutes, such as 03:00"),
        ("max_rebuild_days = 0", "max_rebuild_days", "is 0; write at least 1"),
        ("sessions = 5", "sessions", "is 5; write a table: [sessions], and its keys below it"),
        ("dimensions = ['plan']", "dimensions", "is a list; write a table: [dimensions], and its keys below it"),
        ("sources = ['web']", "sources", "is a list; write a table: [sources.web], and its keys below it"),
        ("[sources.web]\ncolumns = 'a'", "sources.web.columns", "write a table: [sources.web.columns], and its keys"),
        ("[sources.web]\nevents = ['a']", "sources.web.events[0]", "write a table: { name = ..., where = ... }"),
        ("outcomes = ['purchase']", "outcomes[0]", "write a table: { name = ..., where = ... }"),
        ("identity.link = ['v1 = u1']", "identity.link[0]", "write a table: { visitor_id = ..., user_id = ... }"),
        ("identity.link = [{ visitor_id = 'v' }]", "identity.link[0]", "has 1 id; write two of visitor_id, user_id"),
        (
            f"[[funnels]]\nname = 'f'{STEPS}exclusions = [\"event_name = 'log_out'\"]",
            "funnels[0].exclusions[0]",
            "write a table: { where = ... }",
        ),
        (
            f"[[funnels]]\nname = 'f'\nbreakdown = {{ by = 'os' }}{STEPS}",
            "funnels[0].breakdown",
            "is a table; write a string in quotes, or a list of strings",
        ),
        ("[sources.web]\npreset = 'GA4'", "sources.web.preset", "did you mean ga4?"),
        ("[sources.web]\nlog_format = 'nginx'", "sources.web.log_format", "has no time; write one of common, combined"),
        ("sessions.inactivity_minutes = '30'", "sessions.inactivity_minutes", "is '30'; write a whole number"),
        ("sessions.inactivity_minutes = true", "sessions.inactivity_minutes", "is true; write a whole number"),
        ("sessions.inactivity_minutes = 721", "sessions.inactivity_minutes", "write at most 720"),
        ("sessions.max_hours = 25", "sessions.max_hours", "write at most 24"),
        ("[sessions]\ninactivity_minutes = 61\nmax_hours = 1", "sessions.max_hours", "shorter than inactivity_minutes"),
        ("actions.fold = [{ pattern = '(?=a)', replacement = '' }]", "actions.fold[0].pattern", "without lookaround"),
        ("actions.fold = [{ pattern = '(a)\\1', replacement = '' }]", "actions.fold[0].pattern", "backreferences"),
        ("actions.fold = [{ pattern = 'a*', replacement = '' }]", "actions.fold[0].pattern", "the empty string"),
        ("actions.fold = [{ pattern = '/product/*', replacement = '' }]", "actions.fold[0].pattern", "/product/[^/]+"),
        ("actions.fold = [{ pattern = 'a', replacement = '$1' }]", "actions.fold[0].replacement", "backslash and $"),
        ("friction.signals = ['rage']", "friction.signals[0]", "write 'rage_click', 'u_turn'"),
        ("friction.signals = ['error', 'error']", "friction.signals", "has 2 signals named 'error'"),
        ("friction.error = 'status'", "friction.error", "names an unknown column 'status'"),
        ("friction.click = 'element'", "friction.click", "is not a condition"),
        ("friction.rage_click_clicks = 1", "friction.rage_click_clicks", "write at least 2"),
        ("friction.u_turn_seconds = 0", "friction.u_turn_seconds", "write at least 1"),
        ("friction.rage_click = false", "friction.rage_click", "switch this signal off, write signals without 'rage_"),
        ("friction.forms = ['start']", "friction.forms[0]", "is 'start'; write a table: { start = ..., submit = ... }"),
        (
            "friction.forms = [{ start = \"site = 'a'\", submit = \"site =  'a'\" }]",
            "friction.forms[0]",
            "has the same start and submit, so no form is ever abandoned; write two conditions",
        ),
        ("[[friction]]\nclick = 'is_bot'", "friction", "is a list; write [friction] in single brackets, once"),
        (f"[funnels.checkout]{STEPS}", "funnels", "is a table; write [[funnels]] in double brackets above each one"),
        ("[patterns]\nname = 'a'\npattern = 'b'", "patterns", "write [[patterns]] in double brackets"),
        (
            "[[funnels]]\nname = 'f'\nsteps = ['cart']",
            "funnels[0].steps[0]",
            "is 'cart'; write a table: { name = ..., where = ... }",
        ),
        ("friction.u_turn_second = 5", "friction.u_turn_second", "did you mean u_turn_seconds?"),
        ("friction.dead_end_exit_percent = 101", "friction.dead_end_exit_percent", "write at most 100"),
        ("sessions.definition = 'ga5'", "sessions.definition", "write '', 'ga4', 'matomo'"),
        ("sessions.at_border = 'ends'", "sessions.at_border", "write 'stays' or 'starts'"),
        ("bots.patterns = ['[']", "bots.patterns[0]", "patterns use RE2 syntax"),
        ("bots.patterns = ['a*']", "bots.patterns[0]", "it matches the empty string"),
        ("bots.exceptions = ['a', 'a']", "bots.exceptions", "has 2 patterns named 'a'"),
        ("bots.page_views_per_minute = -1", "bots.page_views_per_minute", "write at least 0"),
        ("bots.no_user_agent = 'yes'", "bots.no_user_agent", "write true or false"),
        (
            "definitions.also = ['ga5']",
            "definitions",
            "names 'ga5' in also, which is not a definition; did you mean ga4?",
        ),
        ("definitions.also = ['own']", "definitions", "write one of ga4, matomo"),
        ("definitions.also = ['ga4', 'ga4']", "definitions.also", "has 2 definitions named 'ga4'"),
        ("definitions.rules.ga4 = { midnight = true }", "definitions.rules", "has ga4, which is a packaged definition"),
        ("definitions.rules.own = { midnight = true }", "definitions.rules", "has own, which is a packaged definition"),
        ("definitions.rules.a = { midnigth = true }", "definitions.rules.a.midnigth", "did you mean midnight?"),
        ("definitions.rules.a = { like = 'matoma' }", "definitions.rules.a", "did you mean matomo?"),
        (
            "definitions.rules.a = { campaign = 'all' }",
            "definitions.rules.a.campaign",
            "write 'no', 'changed' or 'new'",
        ),
        ("definitions.rules.a = { starts = 'x = 1' }", "definitions.rules.a.starts", "names an unknown column 'x'"),
        ("definitions.rules.a = { needs = 'visit' }", "definitions.rules.a.needs", "write 'page_view' or 'event'"),
        ("definitions.rules.a = { midnigth = true }", "definitions.rules.a.midnigth", "is an unknown setting"),
        (
            "definitions.rules.a = { bounce_unless = { page_views = 0 } }",
            "definitions.rules.a.bounce_unless.page_views",
            "write at least 1",
        ),
        ("friction.forms = [{ start = 'is_bot' }]", "friction.forms[0].submit", "is missing"),
        ("[[friction.forms]]\nstart = 'true'\nsubmit = 'form'", "friction.forms[0].submit", "unknown column 'form'"),
        ("outcomes = 'purchase'", "outcomes", "write a list"),
        ("[[outcomes]]\nwhere = 'is_bot'", "outcomes[0].name", "is missing"),
        ("[[outcomes]]\nname = 'bounce'\nwhere = 'is_bot'", "outcomes[0].name", "added automatically"),
        ("[[outcomes]]\nname = 'A b'\nwhere = 'is_bot'", "outcomes[0].name", "use a-z, 0-9 and _"),
        ("[[outcomes]]\nname = 'a'", "outcomes[0]", "either where or where_session"),
        (
            "[[outcomes]]\nname = 'a'\nwhere = 'is_bot'\nwhere_session = 'is_bot'",
            "outcomes[0]",
            "either where or where_session",
        ),
        ("[[outcomes]]\nname = 'a'\nwhere_session = 'is_bot'\nvalue = 'value'", "outcomes[0]", "value without where"),
        ("[[outcomes]]\nname = 'a'\nwhere_session = 'event_name'", "outcomes[0].where_session", "unknown column"),
        ("[[outcomes]]\nname = 'a'\nwhere = 'is_bot'\nvalue = 'site'", "outcomes[0].value", "is not a number"),
        ("[[goals]]\nname = 'a'\nwhere = 'is_bot'\n" * 2, "goals", "has 2 goals named 'a'"),
        ("[[goals]]\nname = 'a'\nwhere = 'evnt_name = 1'", "goals[0].where", "did you mean event_name?"),
        (f"[[funnels]]\nname = 'f'\ngrain = 'hour'{STEPS}", "funnels[0].grain", "'session', 'visitor' or 'attempt'"),
        (f"[[funnels]]\nname = 'f'\nmode = 'exact'{STEPS}", "funnels[0].mode", "'ordered', 'strict' or 'unordered'"),
        (f"[[funnels]]\nname = 'f'\nwindow_seconds = -1{STEPS}", "funnels[0].window_seconds", "write at least 0"),
        (
            f"[[funnels]]\nname = 'f'\ngrain = 'attempt'\nwindow_seconds = 2592001{STEPS}",
            "funnels[0].window_seconds",
            "at most 2592000 (30 days) for attempts",
        ),
        (
            f"[[funnels]]\nname = 'f'\ngrain = 'visitor'\nwindow_seconds = 2592001{STEPS}",
            "funnels[0].window_seconds",
            "at most 2592000 (30 days)",
        ),
        (f"[[funnels]]\nname = 'f'\nbreakdown = 'chanel'{STEPS}", "funnels[0].breakdown", "did you mean channel?"),
        (
            f"[[funnels]]\nname = 'f'\nmax_seconds = 60{STEPS}",
            "funnels[0].max_seconds",
            "did you mean min_seconds or window_seconds?",
        ),
        (
            f"[[funnels]]\nname = 'f'\nwithin_seconds = 60{STEPS}",
            "funnels[0].within_seconds",
            "did you mean min_seconds or window_seconds?",
        ),
        (f"[[funnels]]\nname = 'f'\nmin_second = 60{STEPS}", "funnels[0].min_second", "did you mean min_seconds?"),
        ("[[funnels]]\nname = 'f'\nsteps = []", "funnels[0].steps", "has 0; write at least 1"),
        (f"[[funnels]]\nname = 'f'{STEPS.replace('checkout', 'cart')}", "funnels[0].steps", "2 steps named 'cart'"),
        (
            f"[[funnels]]\nname = 'f'{STEPS.replace('event_name = ', 'evnt_name = ', 1)}",
            "funnels[0].steps[0].where",
            "did you mean event_name?",
        ),
        (
            f"[[funnels]]\nname = 'f'{STEPS}exclusions = [{{ where = 'is_bot', after_step = 3 }}]",
            "funnels[0].exclusions",
            "number 1 after step 3 and before step 3",
        ),
        (
            f"[[funnels]]\nname = 'f'{STEPS}exclusions = [{{ where = 'is_bot', before_step = 4 }}]",
            "funnels[0].exclusions",
            "write two of the 3 steps",
        ),
        ("[dimensions]\nchannel = 'site'", "dimensions", "has channel, which is already a column of sessions"),
        (
            "[dimensions]\nlanding_action = 'site'",
            "dimensions",
            "has landing_action, which is already a column of sessions",
        ),
        ("[dimensions]\nall = 'site'", "dimensions", "has all, which is a packaged dimension"),
        ("[dimensions]\nplan = 'max(site)'", "dimensions.plan", "contains MAX(site)"),
        ("[dimensions]\n'A plan' = 'site'", 'dimensions."A plan"', "use a-z, 0-9 and _"),
        ("breakdowns.dimensions = ['city']", "breakdowns.dimensions[0]", "write 'channel', 'device'"),
        ("breakdowns.dimensions = ['os', 'os']", "breakdowns.dimensions", "has 2 dimensions named 'os'"),
        ("changes.dimensions = ['landing_page']", "changes.dimensions[0]", "write 'channel', 'device'"),
        ("changes.dimensions = ['os', 'os']", "changes.dimensions", "has 2 dimensions named 'os'"),
        ("changes.excluded_dimensions = ['varian']", "changes.excluded_dimensions", "did you mean variant?"),
        (
            "changes.excluded_dimensions = ['plan']\n[dimensions]",
            "changes.excluded_dimensions",
            "has 'plan', which is not in [dimensions]; remove it",
        ),
        ("[sources.'a/b']", 'sources."a/b"', "use its folder name"),
        ("sources.web = 'jsonl'", "sources.web", "write a table"),
        (
            "[sources.web]\nformat = 'xml'",
            "sources.web.format",
            "write 'jsonl', 'csv', 'tsv', 'parquet', 'access_log' or 'w3c'",
        ),
        ("[sources.web]\nsite = 'a b'", "sources.web.site", "use A-Z, a-z, 0-9"),
        ("[sources.web]\nhost = 'www.münchen.example'", "sources.web.host", "; write www.xn--mnchen-3ya.example"),
        ("[sources.web]\nhost = 'straße.example'", "sources.web.host", "use A-Z, a-z, 0-9"),
        ("[sources.web]\nhost = 'ü..example'", "sources.web.host", "use A-Z, a-z, 0-9"),
        ("[sources.web]\ncolumns = { evnt_id = 'id' }", "sources.web.columns.evnt_id", "did you mean event_id?"),
        (
            "[sources.web]\ncolumns = { is_bot = 'bot' }",
            "sources.web.columns.is_bot",
            "can provide; write one of event_id",
        ),
        ("[sources.web]\nconstants = { value = inf }", "sources.web.constants.value", "write a string in quotes"),
        ("[sources.web]\nconstants = { value = '12,5' }", "sources.web.constants", "not a number; write 12.5"),
        ("[sources.web]\nconstants = { sequence = 1.5 }", "sources.web.constants", "not a number; write 1"),
        ("[sources.web]\ntimezone = 'CEST'", "sources.web.timezone", "is not a time zone"),
        ("[sources.web]\nclock_tolerance_minutes = -1", "sources.web.clock_tolerance_minutes", "write at least 0"),
        ("[sources.web]\nexpected_by = '6:00'", "sources.web.expected_by", "write hours and minutes"),
        ("[sources.web]\ndelimiter = ';;'", "sources.web.delimiter", "write one character"),
        ("[sources.web]\ndelimiter = 'tab'", "sources.web.delimiter", "such as ';', or \"\\t\" for a tab"),
        ("privacy.keep_query_parameters = ['utm_*']", "privacy.keep_query_parameters[0]", "write the full name"),
        ("privacy.drop_properties = 'ip'", "privacy.drop_properties", "write a list"),
        ("history.keep_days = -1", "history.keep_days", "write at least 0"),
        ("resources.memory_limit = '4'", "resources.memory_limit", "write a size such as 4GB or 512MB, or auto"),
        ("resources.threads = -1", "resources.threads", "write at least 0"),
        ("publish.native_limit_gb = nan", "publish.native_limit_gb", "write a finite number"),
    ],
)
def test_error_names_the_path_of_the_key(text: str, key: str, said: str) -> None:
    found, message = error_of(text)
    assert found == key
    assert said in message


def test_all_errors_of_a_file_are_listed_one_per_line(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(
        "timezone = 'Mars'\n[sessions]\nmax_hours = 0\ninactivity = 3\n[[goals]]\nname = 'a'\nwhere = '1'\n"
    )
    with pytest.raises(SettingsFileError) as error:
        load_settings(tmp_path)
    head, *lines = str(error.value).splitlines()
    assert head == f"{path} has 4 invalid settings; fix every setting named below:"
    assert [line.split()[0] for line in lines] == [
        "timezone",
        "sessions.max_hours",
        "sessions.inactivity",
        "goals[0].where",
    ]


def test_invalid_section_does_not_hide_other_errors() -> None:
    errors = errors_of(f"dimensions = 3\nsources = 4\n[[funnels]]\nname = 'f'\nbreakdown = 'plan'{STEPS}")
    assert list(errors) == ["funnels[0].breakdown", "dimensions", "sources"]


# Files


def test_missing_file_explains_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist; create a data folder with `session-pipeline init"):
        load_settings(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b"a = 1\nb = [\n  1,\nc = 2\n",
            "is not valid TOML: Invalid value (at line 4, column 1); fix that line: strings",
        ),
        (b"[sources.web]\n[sources.web]\n", "twice (at line 2, column 13); fix that line: write each key and"),
        (b"a = 1\na = 2\n", "fix that line: write each key and each [table] once"),
        (b"daily_at = 03:00\n", "fix that line: strings and times such as '03:00' need quotes"),
        (b"start_date = 2026-13-01\n", "and a date must exist"),
        (b"a = '\xff'\n", "save it as a UTF-8 text file"),
        (b"a = " + b"[" * 20_000, "nest lists less deeply"),
        (b"a = " + b"7" * 5_000, "has an integer of more than 64 bits, which TOML does not know; write a smaller one"),
        (b"timezone = 0x" + b"f" * 5_000, "has an integer of more than 64 bits"),
        (b"[sources.web.constants]\nvalue = 1" + b"0" * 400, "has an integer of more than 64 bits"),
        (b"actions.fold = [{ pattern = 9223372036854775808 }]", "has an integer of more than 64 bits"),
    ],
)
def test_error_names_the_line_that_is_not_toml(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "settings.toml").write_bytes(content)
    with pytest.raises(SettingsError) as error:
        load_settings(tmp_path)
    assert str(error.value).startswith(str(tmp_path / "settings.toml"))
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "\n".join(f'[[goals]]\nname = "g{n}"\nwhere = "status_code = {n}"' for n in range(2001)),
            "goals has 2,001 goals; write at most 2,000",
        ),
        (
            '[[funnels]]\nname = "f"\nsteps = ['
            + ", ".join(f'{{ name = "{n}", where = "status_code = {n}" }}' for n in range(51))
            + "]",
            "funnels[0].steps has 51 steps; write at most 50",
        ),
        (
            "\n".join(
                f'[[funnels]]\nname = "f{n}"\nsteps = ['
                + ", ".join(f'{{ name = "{n}", where = "status_code = {n}" }}' for n in range(45))
                + "]"
                for n in range(45)
            ),
            "funnels has 2,025 steps and exclusions; write at most 2,000",
        ),
        (
            "\n".join('[[friction.forms]]\nstart = "is_bot"\nsubmit = "is_bot"' for n in range(51)),
            "friction.forms has 51 forms; write at most 50",
        ),
        (
            "[dimensions]\n" + "\n".join(f"d{n} = \"properties ->> 'k{n}'\"" for n in range(2001)),
            "dimensions has 2,001 dimensions; write at most 2,000",
        ),
    ],
    ids=["goals", "steps", "funnels", "forms", "dimensions"],
)
def test_too_many_rules_are_refused_within_a_second(text: str, sentence: str) -> None:
    parse_settings("")  # loads what is loaded only once
    started = thread_time()
    with pytest.raises(SettingsFileError) as refused:
        parse_settings(text)
    assert sentence in str(refused.value)
    assert thread_time() - started < 1


def test_list_with_invalid_elements_is_not_also_too_short() -> None:
    text = "[[funnels]]\nname = 'f'\nsteps = [{ name = 'a', where = 'event_name = 1' }]"
    with pytest.raises(SettingsFileError) as error:
        parse_settings(text, "settings.toml")
    assert [one.key for one in error.value.errors] == ["funnels[0].steps[0].where"]


@pytest.mark.parametrize(
    "text",
    [
        "changes.excluded_dimensions = ['{long}']",
        "[[funnels]]\nname = 'f'\nsteps = [{{ name = 'a', where = 'is_bot' }}]\nbreakdown = '{long}'",
        "definitions.also = ['{long}']",
        "[definitions.rules.x]\nlike = '{long}'",
        "engine.conf = {{ '{long}' = '1' }}",
    ],
)
def test_long_unknown_name_is_shortened(text: str) -> None:
    _, message = error_of(text.format(long="x" * 3000))
    assert f"{'x' * 56}..." in message
    assert "x" * 61 not in message
