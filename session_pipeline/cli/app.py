"""The typer application, its error handling, and the options that several commands share.

The commands are in the other modules of this package; `cli.commands` lists them.
"""

import errno
import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import Exit, TyperException

from session_pipeline import data_folder, interrupts
from session_pipeline.cli.commands import COMMANDS
from session_pipeline.cli.screen import echo, harmless, stderr
from session_pipeline.data_folder import ENVIRONMENT_VARIABLE, DataFolder, is_utf8
from session_pipeline.errors import OpenFilesError, SessionPipelineError, WrongUseError

DATABASES = {"_duckdb", "duckdb", "sqlite3", "sqlalchemy"}  # libraries
FAILED, WRONG_USE, INTERRUPTED = 1, 2, interrupts.EXIT_CODE


class Commands(TyperGroup):
    """The group of commands. Errors that the user can fix are printed as one sentence, not as a traceback.

    Its commands are stand-ins with a name and a line of help. The real command is loaded when it is called.
    """

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the arguments name, and load it."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and command is not None:
            loaded = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
            loaded.command(name)(_with_utf8(COMMANDS[name].load()))
            command = typer.main.get_command(loaded)
        return name, command, rest

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Parse the arguments."""
        with _errors_explained():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        with _errors_explained():
            return super().invoke(ctx)


def _with_utf8(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that refuses texts that are not UTF-8; paths can be any bytes.

    Such a text can neither be printed nor be compared with what is stored.
    """

    @wraps(command)
    def checked(*args: Any, **arguments: Any) -> None:
        for text in arguments.values():
            if isinstance(text, str) and not is_utf8(text):
                written = os.fsencode(text).decode(errors="backslashreplace")
                raise WrongUseError(f"{written} is not UTF-8; is UTF-8 the encoding of the terminal?")
        command(*args, **arguments)

    return checked


@contextmanager
def _errors_explained() -> Iterator[None]:
    try:
        yield
    except Exit:
        raise
    except KeyboardInterrupt:
        raise ended(interrupts.SENTENCE, INTERRUPTED) from None
    except Exception as error:  # a question, too, turns Ctrl-C into an error: Abort, as the end of its input
        if interrupts.has_happened():
            raise ended(interrupts.SENTENCE, INTERRUPTED) from None
        if isinstance(error, TyperException):
            error.message = harmless(error.message)  # typer prints it unchanged, and it can contain the name of a file
        sentence = _sentence(error)
        if sentence is None:
            raise
        raise ended(sentence, WRONG_USE if isinstance(error, WrongUseError) else FAILED) from None


def _sentence(error: Exception) -> str | None:
    """Return the text to print for an error, or None if typer prints it or if it is a bug in the program."""
    if isinstance(error, SessionPipelineError):
        return str(error)
    if isinstance(error, BrokenPipeError) and not error.filename:
        return None  # the reader of the output closed the pipe; typer exits quietly
    if isinstance(error, OSError):
        if error.errno in (errno.EMFILE, errno.ENFILE):
            return str(OpenFilesError(error.filename or "a file"))
        where = f"{error.filename}: " if error.filename else ""
        remedy = "the user that runs this needs access to it" if _is_refusal(error) else "fix that and try again"
        return f"{where}{error.strerror or error}; {remedy}"
    if type(error).__module__.partition(".")[0] in DATABASES:
        from session_pipeline.store.shortage import sentence_of_database  # such an error has loaded its library

        return sentence_of_database(error)
    return None


def _is_refusal(error: OSError) -> bool:
    """Whether the user may not use a file or folder, as after a run of another user."""
    return error.errno == errno.EACCES and bool(error.filename)


def ended(sentence: str, code: int = FAILED) -> typer.Exit:
    """Print an error on standard error and return the exception that the caller raises to exit."""
    stderr.print(f"Error: {sentence}", style="bold red", soft_wrap=True)
    return typer.Exit(code)


app = typer.Typer(
    cls=Commands,
    help="Build sessions, outcomes and funnels from raw web event files.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(is_asked_for: bool) -> None:
    if is_asked_for:
        echo(f"session-pipeline {version('session_pipeline')}")
        raise Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Build sessions, outcomes and funnels from raw web event files."""


for _name, _command in COMMANDS.items():
    app.command(_name, help=_command.help)(lambda: None)


def chosen_folder(data: Path | None) -> DataFolder:
    """Return the selected data folder. A note on standard error says when the packaged settings are used for it.

    Without the settings file that a folder was built with, commands that need it fail, so there is no note.

    Raises:
        WrongUseError: There is no such data folder.
    """
    folder = data_folder.find(data)
    if not folder.has_settings and not _has_lost_settings(folder):
        stderr.print(
            f"{folder.path} has no settings.toml: the packaged settings are used;"
            f" `session-pipeline init {shlex.quote(str(folder.path))}` writes a copy that you can edit",
            soft_wrap=True,
        )
    return folder


def _has_lost_settings(folder: DataFolder) -> bool:
    from session_pipeline.run.opened import has_lost_settings  # loads SQLite; nearly every folder has settings

    return has_lost_settings(folder)


def day_of(text: str) -> datetime:
    """Return the day that a text such as 2026-10-05 names.

    Raises:
        BadParameter: The text is not a day.
    """
    try:
        return datetime.strptime(text, "%Y-%m-%d")
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day; write a day as YYYY-MM-DD") from None


Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help=f"The data folder. [default: ${ENVIRONMENT_VARIABLE}, else data]"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Until = Annotated[
    datetime | None,
    typer.Option(parser=day_of, metavar="DATE", help="Last day to build. [default: yesterday]"),
]
Upgrade = Annotated[bool, typer.Option("--upgrade", help="Also rebuild all days with changed settings or models.")]
Visitor = Annotated[str | None, typer.Option("--visitor", metavar="ID", help="The visitor id, as in the tables.")]
User = Annotated[str | None, typer.Option("--user", metavar="ID", help="The user id, as in the tables.")]
Site = Annotated[str | None, typer.Option("--site", metavar="NAME", help="Only on this site. [default: on all]")]
