"""Standard output whose errors name it. The system names a file only in errors of opening, not of writing.

What is printed, and how, is in screen.py. Files that a user names are written by output.py.
"""

import sys
from io import TextIOWrapper

NAME = "standard output"


class StandardOutput(TextIOWrapper):
    """A text stream that adds its name to each error of writing, except when the reader of a pipe has closed it.

    Attributes:
        has_failed: Whether such an error was raised.
    """

    def __init__(self, stream: TextIOWrapper) -> None:
        """Take the place of a stream. Characters that its encoding lacks are printed as escapes."""
        stream.flush()
        super().__init__(
            stream.buffer,
            stream.encoding,
            "backslashreplace",
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )
        self._stream = stream  # without a reference, it would close its buffer
        self.has_failed = False

    def write(self, text: str) -> int:
        """Write a text."""
        try:
            return super().write(text)
        except OSError as error:
            self._name(error)
            raise

    def flush(self) -> None:
        """Write what is buffered."""
        try:
            super().flush()
        except OSError as error:
            self._name(error)
            raise

    def _name(self, error: OSError) -> None:
        if not isinstance(error, BrokenPipeError):
            self.has_failed = True
            error.filename = error.filename or NAME


def name_errors() -> None:
    """Replace `sys.stdout` by a stream that names itself in errors. If standard output is closed, nothing is done."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout = StandardOutput(sys.stdout)
