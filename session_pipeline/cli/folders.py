"""The commands init, sample and check: create a data folder, write sample events, validate the settings."""

import shlex
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from session_pipeline import data_folder, settings_warnings
from session_pipeline.cli.app import AsJson, Data, chosen_folder, day_of, ended
from session_pipeline.cli.screen import counted, echo, echo_json, plain
from session_pipeline.cli.trying import could_be, place_of_remarks
from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import home
from session_pipeline.errors import SettingsError, SettingsFileError, StoreError, WrongUseError
from session_pipeline.ingest.formats import AccessLog
from session_pipeline.run.alerts import missing_program
from session_pipeline.run.delivered_files import sources_without_folder
from session_pipeline.run.opened import has_lost_settings, lost_settings
from session_pipeline.sample import FIRST_DAY, write_sample
from session_pipeline.sample.faults import EXAMPLE, fault_of
from session_pipeline.settings import Settings, key_of_source, load_settings, settings_template, source_section
from session_pipeline.store.files import make_folder, replacing
from session_pipeline.trial.result import Trial
from session_pipeline.trial.try_file import accepted_count, try_file, with_start_date


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder to create, or an existing folder without settings.")
    ],
    from_file: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Write settings that read files like this one.")
    ] = None,
    source: Annotated[str, typer.Option(help="The source that files like FILE will be delivered to.")] = "web",
) -> None:
    """Create a data folder: commented settings, raw/, dagster_home/.

    With --from, the settings of a source are written as well: its preset if the file shows it, otherwise the fields
    whose values fit. If no line of the file is accepted with them, the command says what is missing and exits with 1.
    The folder is created in any case.
    """
    made = data_folder.at(folder)
    if made.settings.exists():
        command = f"session-pipeline run --data {shlex.quote(str(folder))}"
        raise WrongUseError(f"{folder} is already a data folder; continue with `{command}`")
    text = settings_template()
    notes: list[str] = []
    if from_file is not None:
        tried = try_file(from_file, folder=None, source=source, has_sessions=False)
        found, start_date = with_start_date(tried, from_file, source)
        text = settings_template(start_date) + _section_for(found, source)
        notes = _notes(found, source, start_date)
    make_folder(made.raw if from_file is None else made.raw / source)
    home.prepare(made)
    with replacing(made.settings) as temporary:  # half a file would count as a data folder
        temporary.write_text(text, encoding="utf-8")
    option = "" if made.path == Path(data_folder.DEFAULT).absolute() else f" --data {shlex.quote(str(folder))}"
    is_usable = from_file is None or accepted_count(found) > 0
    _show_ready(folder, notes, is_usable=is_usable)
    if is_usable:
        _show_next_commands(folder, from_file, source, option)
    else:
        command = plain(shlex.join(["session-pipeline", "try", str(from_file), "--source", source]))
        raise ended(_why_not_usable(found, source, made, f"{command}{option}"))


def _show_ready(folder: Path, notes: Sequence[str], *, is_usable: bool) -> None:
    """Print what a new data folder contains.

    Args:
        folder: The folder.
        notes: Sentences about the settings that were written for a file.
        is_usable: Whether the settings can be used as they are.
    """
    echo(f"{folder} is ready:")
    use = "the defaults can be used unchanged" if is_usable else "complete them before you deliver files"
    echo(f"  settings.toml  all settings, with comments; {use}")
    for line in notes:
        echo(f"                 {plain(line)}")
    echo("  raw/           put event files into one folder for each source, such as raw/web/2026-10-05.jsonl.gz")
    echo("  dagster_home/  history of runs")


def _show_next_commands(folder: Path, file: Path | None, source: str, option: str) -> None:
    """Print the next commands: with a file, those that deliver and read it, otherwise those that try a sample.

    Args:
        folder: The data folder.
        file: The file that its settings were written for; None if there is none.
        source: The source of the file.
        option: The option that names the folder in commands; empty if they find it without.
    """
    echo("Next:")
    if file is None:
        echo(
            f"  session-pipeline sample{option}   to try it out: writes a week of synthetic shop events to raw/sample/"
        )
        echo(f"  session-pipeline run{option}      when there are new files")
        return
    target = folder / "raw" / source
    if file.absolute().parent != target.absolute():
        echo(f"  {plain(shlex.join(['cp', str(file), f'{target}/']))}")
    echo(f"  session-pipeline run{option}   now, and when there are new files")


def _notes(found: Trial, source: str, start_date: date | None) -> list[str]:
    """Return sentences about what was written for a file, and the remarks about it."""
    moved = [f"start_date = {start_date}, because the file has older events"] if start_date else []
    place = place_of_remarks(found, source)
    return [*_what_was_found(found, source), *moved, *found.remarks, *([place] if place else [])]


def _section_for(found: Trial, source: str) -> str:
    """Return the section of a source that reads files like the one that was tried. Comments name what is missing."""
    preset = found.facts.get("preset")
    keys: Mapping[str, Any] = {"preset": preset} if preset else found.suggested
    missing = "".join(f"# Missing in columns: {plain(line)}\n" for line in could_be(found))
    return f"\n\n{source_section(source, keys)}{missing}" if keys or missing else ""


def _what_was_found(found: Trial, source: str) -> list[str]:
    """Return sentences about the settings that were written for a file."""
    preset, lines = found.facts.get("preset"), counted(found.line_count, "line")
    section, file = key_of_source(source), Path(found.facts["path"]).name
    if found.facts["status"] != "accepted" and not found.suggested:
        return [f"{file} cannot be read, so nothing is written for it: {found.facts['reason']}"]
    if not found.line_count:
        return [f"{file} has no lines, so nothing is written for it"]
    count = accepted_count(found)
    accepted = f"{count:,} of {lines} {'is' if count == 1 else 'are'} accepted"
    if preset:
        return [f'{section}: preset = "{preset}" for files like {file}; {accepted}']
    if found.suggested:
        keys = [_shown_key(key, value) for key, value in found.suggested.items()]
        return [f"{section}: {', '.join(keys)} for files like {file}; {accepted}"]
    if found.missing:
        return [f"{section}: {', '.join(found.missing)} not found in {file}; {accepted}"]
    if count == 0 and found.facts["format"] == AccessLog.name:
        return [f"{section}: the format of the lines of {file} is not known; {accepted}"]
    return [f"no key is needed or known for files like {file}; {accepted}"]


def _shown_key(key: str, value: object) -> str:
    """Return a suggested key as in TOML if that is short: a flag, or a text without quotes; otherwise its name."""
    if value is True:
        return f"{key} = true"
    return f'{key} = "{value}"' if isinstance(value, str) and '"' not in value else key


def _why_not_usable(found: Trial, source: str, made: DataFolder, command: str) -> str:
    """Return why no line of the file is accepted with the settings that were written for it, and what to do."""
    file = plain(found.facts["path"])
    if found.facts["status"] != "accepted" and not found.suggested:
        return f"{file} cannot be read: {found.facts['reason']}; {made.path} was created without settings for it"
    if not found.line_count:
        return f"{file} has no lines; {made.path} was created without settings for it"
    if found.remarks and not found.missing:
        return f"no line of {file} is accepted: {'; '.join(found.remarks)}; then `{command}`"
    if found.missing:
        columns = f"columns in {key_of_source(source)} of {made.settings}"
        fields = "; ".join(could_be(found))
        return f"no line of {file} is accepted; name the missing fields under {columns} ({fields}), then `{command}`"
    return f"no line of {file} is accepted; `{command}` shows why"


def sample(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Target folder. [default: raw/sample in the data folder]")
    ] = None,
    visitors: Annotated[int, typer.Option(help="Number of human visitors; bots are added.")] = 2_900,
    days: Annotated[int, typer.Option(help="Number of days.")] = 7,
    seed: Annotated[int, typer.Option(help="Random seed; the same seed gives the same lines.")] = 3,
    start: Annotated[
        datetime | None,
        typer.Option(parser=day_of, metavar="DATE", help=f"The first day, in UTC. [default: {FIRST_DAY}]"),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FAULT",
            help="From a day on, a share of the visitors of a segment leave after a step instead of going on to the"
            f" next, such as '{EXAMPLE}'.",
        ),
    ] = None,
    data: Data = None,
) -> None:
    """Write synthetic events of a shop, and their expected results."""
    target = folder or chosen_folder(data).raw / "sample"
    # The expected results must not be under raw/, where they would be ingested.
    truth = target.parent.parent / "truth" if target.parent.name == "raw" else target.with_name(f"{target.name}-truth")
    faults = [fault_of(text) for text in fault or ()]
    first_day = start.date() if start else FIRST_DAY
    written = write_sample(
        target, visitors=visitors, days=days, seed=seed, start=first_day, truth_folder=truth, faults=faults
    )
    lines = f"{written.events:,} events, {counted(written.duplicates, 'duplicate')}, {written.bad_lines:,} invalid"
    echo(f"{counted(written.files, 'file')} with {counted(written.lines, 'line')} in {target}: {lines}")
    echo(f"Expected results ({written.sessions:,} sessions and how each ended): {truth}")


def check(as_json: AsJson = False, data: Data = None) -> None:
    """Validate the settings, and find rules that match no data.

    The rules are compared with the published data.
    """
    folder = chosen_folder(data)
    where = str(folder.settings) if folder.has_settings else "the packaged settings"
    try:
        if has_lost_settings(folder):
            raise lost_settings(folder)
        settings = load_settings(folder.path)
    except SettingsError as error:
        if not as_json:
            raise
        problems = error.errors if isinstance(error, SettingsFileError) else (error,)
        echo_json({"is_usable": False, "problems": [vars(problem) for problem in problems]})
        raise ended(f"{where}: invalid") from None
    warnings = [{"key": "sources", "sentence": sentence} for sentence in sources_without_folder(folder, settings)]
    if sentence := missing_program(settings.alerts.command):
        warnings.append({"key": "alerts.command", "sentence": sentence})
    not_compared = None
    try:
        found = settings_warnings.find_for_folder(folder, settings).warnings
        warnings += [{"key": warning.key, "sentence": warning.sentence} for warning in found]
    except StoreError as error:
        not_compared = str(error)
    if as_json:
        echo_json({"is_usable": True, "problems": [], "warnings": warnings, "not_compared_because": not_compared})
        return
    echo(f"{where}: valid")
    _show_settings(settings)
    for warning in warnings:
        sentence = warning["sentence"] if warning["key"] == "sources" else "{key}: {sentence}".format(**warning)
        echo(f"WARNING: {plain(sentence)}", style="bold yellow")
    if not_compared is not None:
        echo(f"The rules were not compared with the events: {plain(not_compared)}", style="yellow")


def _show_settings(settings: Settings) -> None:
    """Print what the settings define."""
    sources = f"own settings for {', '.join(settings.sources)}" if settings.sources else "defaults for all sources"
    echo(f"  days in {settings.timezone} from {settings.start_date}; {sources}")
    echo(f"  outcomes: {', '.join([*(rule.name for rule in settings.outcomes), 'engaged', 'bounce'])}")
    for label, names in (
        ("goals", [goal.name for goal in settings.goals]),
        ("funnels", [f"{funnel.name} ({counted(len(funnel.steps), 'step')})" for funnel in settings.funnels]),
        ("dimensions", list(settings.dimensions)),
    ):
        echo(f"  {label}: {', '.join(names) or 'none'}")
