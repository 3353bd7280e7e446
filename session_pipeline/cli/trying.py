"""The command try: shows how a file would be ingested, before it is delivered.

This module only prints the result; trial/try_file.py computes it.
"""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from session_pipeline import data_folder
from session_pipeline.checks import LARGEST_QUARANTINED_RATE
from session_pipeline.checks.quarantine import fix_at_source, key_to_change
from session_pipeline.cli.app import AsJson, Data, chosen_folder, ended
from session_pipeline.cli.screen import Right, counted, echo, echo_json, grid, number, plain, share, short, span, stdout
from session_pipeline.data_folder import DataFolder
from session_pipeline.errors import WrongUseError
from session_pipeline.ingest.formats import W3c
from session_pipeline.reference.days import day_ranges
from session_pipeline.settings import key_of_source, load_settings, source_section
from session_pipeline.trial.result import NO_SOURCE, Trial, named_source
from session_pipeline.trial.try_file import chosen_source, try_file, unused_sources, with_suggested_start

SHOWN_FIELDS = 12
MOST_POSSIBLE = 5  # fields that are named as possible ones for a column
LIMITED_TIMES = ("time_before_start", "time_after_receipt")


def try_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file of events, in any folder.")],
    source: Annotated[
        str | None,
        typer.Option(help="The source whose settings are used. [default: its folder under raw/, else the only one]"),
    ] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Show how a file would be ingested; writes nothing.

    Prints how its lines map to columns, which lines would be quarantined, and the resulting sessions. Uses the settings
    of the data folder, or the packaged settings if there is no data folder.
    """
    folder = _folder(data)
    source = chosen_source(file, folder) if source is None else source
    found = try_file(file, folder=folder, source=source)
    if folder is None and found.suggested:
        found = with_suggested_start(found, file, source)
    if as_json:
        echo_json(asdict(found))
    else:
        _print_result(found, folder, source)
    if found.facts["status"] != "accepted":
        raise ended(f"{file} would not be accepted: {found.facts['reason']}")
    if not found.facts["line_count"]:
        raise ended(f"{file} has no lines, so it would give no events; check its export")
    if not found.facts["accepted_count"]:
        raise ended(f"{file} would give no events: {counted(found.facts['line_count'], 'line')} would be quarantined")


def _folder(data: Path | None) -> DataFolder | None:
    try:
        return chosen_folder(data)
    except WrongUseError:
        if data is not None or data_folder.is_named():
            raise
        return None


def _print_result(found: Trial, folder: DataFolder | None, source: str) -> None:
    facts = found.facts
    where = "the packaged settings" if folder is None or not folder.has_settings else str(folder.settings)
    named = "" if source == NO_SOURCE else f", as source {source}"
    echo(Text.assemble((plain(facts["path"]), "bold"), f"  with {where}{named}; nothing is written"))
    if others := unused_sources(source, folder):
        unknown = "no source is chosen" if source == NO_SOURCE else f"the settings have no source {plain(source)}"
        echo(f"Note: {unknown}; use `--source` with one of {plain(', '.join(others))}.", style="yellow")
    if facts["status"] != "accepted":
        _print_advice(found, source, folder)
        return
    if preset := facts.get("preset"):
        echo(f'recognized: preset = "{plain(preset)}"; `run` reads it so, too; see docs/sources/{plain(preset)}.md')
    accepted, quarantined = number(facts["accepted_count"]), number(facts["set_aside_count"])
    blank = facts["blank_line_count"]
    kind = "blank or # line" if facts["format"] == W3c.name else "blank line"
    not_counted = f"; {counted(blank, kind)} not counted" if blank else ""
    echo(f"{counted(facts['line_count'], 'line')} = {accepted} accepted + {quarantined} quarantined{not_counted}")
    if facts["accepted_count"]:
        _print_fields(found)
    _print_quarantined(found, source, folder)
    if found.days:
        _print_sessions(found)


def _print_fields(found: Trial) -> None:
    accepted = found.facts["accepted_count"]
    rows = [
        (
            field.column,
            plain(field.origin or _derived_from(field.column)),
            share(field.filled_count, accepted),
            plain(field.example),
        )
        for field in found.fields
        if field.filled_count
    ]
    echo()
    stdout.print(grid("column", "from", "filled", "example", rows=rows))
    if empty := [field.column for field in found.fields if not field.filled_count]:
        echo(f"empty: {', '.join(empty)}", style="dim")
    if others := list(found.other_fields.items()):
        shown = ", ".join(f"{plain(name)} ({share(count, accepted)})" for name, count in others[:SHOWN_FIELDS])
        more = f", and {len(others) - SHOWN_FIELDS} more" if len(others) > SHOWN_FIELDS else ""
        echo(f"kept in properties: {shown}{more}")


def _derived_from(column: str) -> str:
    """Return the origin of a column that no field is mapped to."""
    return "(the line)" if column == "event_id" else "(page_url)"


def _print_quarantined(found: Trial, source: str, folder: DataFolder | None) -> None:
    for item in found.set_aside:
        echo()
        echo(Text.assemble((counted(item.line_count, "line"), "bold"), f" quarantined for {plain(item.reason)}:"))
        rows = [(f"line {number}", plain(detail or ""), plain(line)) for number, detail, line in item.lines]
        stdout.print(grid(Right(""), "", "", rows=rows, indent=2))
        if item.reason in LIMITED_TIMES:
            limit = key_to_change(item.reason, named_source(source))
            echo(f"  The limit is {plain(limit or '')} in settings.toml.")
        if fix := fix_at_source(item.reason, found.facts["format"]):
            echo(f"  To fix them at their source, {fix}.")
    _print_advice(found, source, folder)
    most = LARGEST_QUARANTINED_RATE * found.facts["line_count"]
    if found.facts["set_aside_count"] > most and found.facts["accepted_count"]:  # if none is accepted, an error follows
        echo(
            "More than a fifth of the lines are quarantined: check the lines above before you deliver the file.",
            style="bold yellow",
        )


def _print_advice(found: Trial, source: str, folder: DataFolder | None) -> None:
    """Print the settings that fit the file, the columns without a field, the next command, and the remarks."""
    if found.suggested:
        _print_suggested(found, source, folder)
    if found.missing:
        section = key_of_source(named_source(source))
        echo()
        echo(f"Required columns without a field. Name the field of each in columns of {plain(section)}:")
        for line in could_be(found):
            echo(f"  {plain(line)}")
    if found.suggested:
        if folder is None:
            echo("There is no data folder yet. This command creates one with these settings, here named shop:")
            echo(f"  {_init_command(found, source)}")
        else:
            echo(f"Then run `{_try_command(found, source, folder)}`.")
    if found.remarks:
        echo()
    for remark in found.remarks:
        echo(f"Note: {plain(remark)}.")
    if place := place_of_remarks(found, source):
        echo(f"{plain(place[0].upper() + place[1:])}.")


def _print_suggested(found: Trial, source: str, folder: DataFolder | None) -> None:
    echo()
    is_present = folder is not None and source in load_settings(folder.path).sources
    where = "the section of settings.toml, in place of keys of the same name" if is_present else "settings.toml"
    fields = "Fields with other names have values that fit. To use them"
    has_fields = found.suggested.keys() & {"columns", "visitor_address"}
    echo(f"{fields if has_fields else 'The file can be read in another way. To do so'}, write into {where}:")
    for line in source_section(named_source(source), found.suggested).splitlines():
        echo(f"  {plain(line)}")
    if found.accepted_with_suggested is not None:
        accepted, lines = number(found.accepted_with_suggested), counted(found.lines_with_suggested or 0, "line")
        start = f" and start_date = {found.start_date}" if found.start_date else ""
        echo(f"The file was also tried with this{start}: {accepted} of {lines} would be accepted.")
    if preset := found.suggested.get("preset"):
        echo(f"What the preset reads is in docs/sources/{preset}.md.")


def place_of_remarks(found: Trial, source: str) -> str | None:
    """Return where to write the keys that the remarks about a file give; None if they give none.

    Suggested keys are printed with their section, in which these belong, too.
    """
    has_keys = any(" = " in remark for remark in found.remarks)
    where = f"write these keys into {key_of_source(named_source(source))} of settings.toml"
    return where if has_keys and not found.suggested else None


def _try_command(found: Trial, source: str, folder: DataFolder) -> str:
    """Return the command that tries the file with the settings of its source."""
    words = ["session-pipeline", "try", found.facts["path"], "--source", named_source(source)]
    if folder.path != Path(data_folder.DEFAULT).absolute():
        words += ["--data", str(folder.path)]
    return plain(shlex.join(words))


def _init_command(found: Trial, source: str) -> str:
    """Return the command that creates a data folder with the suggested settings."""
    words = ["session-pipeline", "init", "shop", "--from", found.facts["path"], "--source", named_source(source)]
    return plain(shlex.join(words))


def could_be(found: Trial) -> list[str]:
    """Return a sentence for each required column that no field was found for, with the fields that could be meant."""
    sentences = []
    for column, names in found.missing.items():
        could = f" could be {' or '.join(names[:MOST_POSSIBLE])}" if names else ": no field has values that fit"
        sentences.append(f"{column}{could}")
    return sentences


def _print_sessions(found: Trial) -> None:
    count = sum(found.outcomes.values())
    of_all = f" of {found.day_count:,} in the file" if found.day_count > len(found.days) else ""
    echo()
    bots = counted(found.bot_session_count, "bot session")
    on = f"{counted(len(found.days), 'day')}{of_all}, {day_ranges(found.days)}"
    dropped = counted(found.duplicate_count, "duplicate")
    echo(Text.assemble((counted(count, "human session"), "bold"), f" ({bots} excluded) on {on}; {dropped} dropped"))
    rows = [(plain(outcome), number(sessions), share(sessions, count)) for outcome, sessions in found.outcomes.items()]
    stdout.print(grid("outcome", Right("sessions"), Right("share"), rows=rows, indent=2))
    echo("The first sessions:")
    session_rows = [
        (
            f"{session['started_at']:%Y-%m-%d %H:%M:%S}",
            short(session["visitor_id"]),
            span(float(session["duration_seconds"])),
            f"{session['event_count']:,}",
            plain(session["outcome"]) + (" (bot)" if session["is_bot"] else ""),
            short(session["path"] or ""),
        )
        for session in found.sessions
    ]
    headings = ("start (UTC)", "visitor", Right("length"), Right("events"), "outcome", "path")
    stdout.print(grid(*headings, rows=session_rows, indent=2))
