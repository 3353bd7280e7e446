"""Chooses the engine that runs the models, by the settings."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from session_pipeline.engines.base import Engine
from session_pipeline.settings.engine import EngineSettings


@contextmanager
def chosen_engine(settings: EngineSettings, local: Engine, scratch: Path) -> Iterator[Engine]:
    """Yield the engine of the settings; the local one unless they choose Spark.

    Args:
        settings: The settings of the engine.
        local: The engine of this process.
        scratch: The folder for temporary files. A cluster sees it under the same path.

    Raises:
        MissingExtraError: PySpark or Java is missing.
    """
    if settings.kind == "duckdb":
        yield local
        return
    from session_pipeline.engines.spark import SparkEngine  # slow to load, and an extra

    with closing(SparkEngine(settings, scratch)) as engine:
        yield engine
