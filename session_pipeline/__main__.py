"""The program `session-pipeline`, also `python -m session_pipeline`: readies the process, then loads the commands.

Imports nothing that takes time before Ctrl-C is handled. The commands are in cli/.
"""

import os
import sys

from session_pipeline import interrupts


def main() -> None:
    """Run the command that the arguments name, and exit."""
    interrupts.end_at_once()
    _open_missing_streams()
    from session_pipeline import cli  # takes a second or more

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
