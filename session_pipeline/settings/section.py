"""Defines `Section`, the base of all tables of the settings file."""

from pydantic import BaseModel, ConfigDict

DAY_SECONDS = 86_400


class Section(BaseModel):
    """A table of the settings file. Unknown keys and values of the wrong type are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
