"""Keeps compiled templates in files next to the templates, in `__pycache__`, as Python does with modules.

A process renders one report, and compiling its templates takes longer than filling them in.
"""

import os
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, FileSystemBytecodeCache
from jinja2.bccache import Bucket


class CompiledTemplates(FileSystemBytecodeCache):
    """The compiled templates of a folder. They are compiled again when a template or Jinja changes."""

    def __init__(self, templates: Path, environment: Environment) -> None:
        """Take the folder of the templates, and their environment, whose options decide what they are compiled to."""
        options = (environment.autoescape, environment.trim_blocks, environment.lstrip_blocks)
        compiled_with = ".".join([version("jinja2"), *(str(int(bool(option))) for option in options)])
        super().__init__(str(templates / "__pycache__"), f"%s.{compiled_with}")

    def load_bytecode(self, bucket: Bucket) -> None:
        """Read a compiled template, if that is possible; otherwise it is compiled."""
        with suppress(OSError):
            super().load_bytecode(bucket)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Write a compiled template, unless Python must not write its own, or this user cannot write there."""
        if not sys.dont_write_bytecode:
            with suppress(OSError):
                os.makedirs(self.directory, exist_ok=True)
                super().dump_bytecode(bucket)
