"""Replaces the SQL of a model while tests run.

session_pipeline.tables.models caches what it derives from a model's text, so it must have done that before the text changes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from session_pipeline.tables import models


def learn_models() -> None:
    """Cache the meaning and the parameters of every model as it is."""
    for path in Path(models.__file__).parent.glob("*.sql"):
        models.meaning(path.stem)
        models.parameters(path.stem)


@contextmanager
def replaced_model(model: str, sql: str) -> Iterator[None]:
    """Give a model other SQL within the block."""
    learn_models()
    text = models.text
    with patch.object(models, "text", lambda name: sql if name == model else text(name)):
        yield
