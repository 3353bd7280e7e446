"""The models as they are, learned before a test replaces the text of one.

What session_pipeline.models keeps of a model would else be that of the replaced text, for all tests after it.
"""

from pathlib import Path

from session_pipeline import models


def learn_models() -> None:
    """Keep what is known of each model: its meaning and its parameters."""
    for path in Path(models.__file__).parent.glob("*.sql"):
        models.meaning(path.stem)
        models.parameters(path.stem)
