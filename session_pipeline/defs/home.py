"""Where Dagster finds itself: its home in the data folder, and the environment that leads there.

Does not import Dagster, so that commands which only point at it stay quick.
"""

import os
from importlib.resources import files

from session_pipeline.data_folder import ENVIRONMENT_VARIABLE, DataFolder
from session_pipeline.store.files import make_folder


def prepare(folder: DataFolder) -> dict[str, str]:
    """Write dagster.yaml where it is missing; returns what Dagster must find in the environment."""
    settings = folder.dagster_home / "dagster.yaml"
    if not settings.is_file():
        make_folder(folder.dagster_home)
        # By rename: another process that starts at the same moment would take half a file for all that is to be said.
        temporary = settings.with_name(f".{settings.name}.{os.getpid()}")
        temporary.write_text(files("session_pipeline.defs").joinpath("dagster.yaml").read_text(encoding="utf-8"))
        os.replace(temporary, settings)
    return {"DAGSTER_HOME": str(folder.dagster_home), ENVIRONMENT_VARIABLE: str(folder.path)}
