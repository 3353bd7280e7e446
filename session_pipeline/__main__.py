"""Starts the program `session-pipeline`, also `python -m session_pipeline`: prepares the process and runs a command.

The Ctrl-C handler is installed before the slow imports. The commands are in cli/.
"""

from session_pipeline import interrupts

interrupts.end_at_once()

import gc  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402

# Python looks for cycles of dead objects after so many new ones. A command makes few of them, and ends soon; with
# Python's own 700, the search took a tenth of a run, and most of it while modules were loaded.
OBJECTS_BETWEEN_COLLECTIONS = 1_000_000


def main() -> None:
    """Run the command that the arguments name, and exit."""
    if sys.platform != "linux":
        sys.exit(
            f"Error: session-pipeline runs on Linux, not on {sys.platform}; use WSL, a container or a Linux machine"
        )
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    _open_missing_streams()
    from session_pipeline import cli

    cli.main()


def _open_missing_streams() -> None:
    """Open the standard streams that were closed when the process started (`>&-`).

    Otherwise the next opened file would get the descriptor of a standard stream, and output would be written into it.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            while os.open(os.devnull, os.O_RDWR) < number:
                pass
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))


if __name__ == "__main__":
    main()
