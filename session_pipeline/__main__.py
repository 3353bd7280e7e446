"""The program `session-pipeline`, also `python -m session_pipeline`: readies the process, then loads the commands.

Ctrl-C is handled before anything is imported that takes time. The commands are in cli/.
"""

from session_pipeline import interrupts

interrupts.end_at_once()

import os  # noqa: E402
import sys  # noqa: E402


def main() -> None:
    """Run the command that the arguments name, and exit."""
    _open_missing_streams()
    from session_pipeline import cli

    cli.main()


def _open_missing_streams() -> None:
    """Give the process the standard streams that it was started without (`>&-`).

    The next file that is opened would otherwise take the number of a stream, and be written into.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            while os.open(os.devnull, os.O_RDWR) < number:
                pass
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))


if __name__ == "__main__":
    main()
