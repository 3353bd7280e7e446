"""What all commands have in common: the application, how errors end it, options that many take.

Knows typer. Does not know any command.
"""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from session_pipeline.cli.screen import err
from session_pipeline.data_folder import ENVIRONMENT_VARIABLE
from session_pipeline.errors import SessionPipelineError, WrongUseError

FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130


class Commands(TyperGroup):
    """The commands; what a person can mend ends them with a sentence and not with a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except WrongUseError as error:
            raise ended(str(error), WRONG_USE) from None
        except SessionPipelineError as error:
            raise ended(str(error)) from None
        except KeyboardInterrupt:
            raise ended("stopped; what is built is kept, and the next run goes on from there", INTERRUPTED) from None
        except BrokenPipeError:
            raise  # who reads the output has seen enough; typer ends quietly
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise ended(f"{where}{error.strerror or error}; mend that and try again") from None


def ended(sentence: str, code: int = FAILED) -> typer.Exit:
    """Say why it ends, on standard error; raise what this returns."""
    err.print(f"Error: {sentence}", style="bold red", soft_wrap=True)
    return typer.Exit(code)


app = typer.Typer(
    cls=Commands,
    help="From raw web event files to sessions, and from sessions to answers.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help=f"The data folder. [default: ${ENVIRONMENT_VARIABLE}, else data]"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Until = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="The last day that counts. [default: yesterday]"),
]
Upgrade = Annotated[
    bool, typer.Option("--upgrade", help="Also rebuild days that only rules changed for, however many there are.")
]
