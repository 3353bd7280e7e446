"""Replaces the SQL of a model while tests run.

`models` caches what it derives from a model's text, so it must derive it before the text is replaced.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from session_pipeline.tables import models


def learn_models() -> None:
    """Cache the meaning and the parameters of every unchanged model."""
    for model in models.names():
        models.meaning(model)
        models.parameters(model)
        models.tables_read(model)
        models.columns_read(model)


@contextmanager
def replaced_model(model: str, sql: str) -> Iterator[None]:
    """Replace the SQL of a model within the block."""
    learn_models()
    text = models.text
    with patch.object(models, "text", lambda name: sql if name == model else text(name)):
        yield
