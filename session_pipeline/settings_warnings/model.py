"""Defines a settings warning."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SettingsWarning:
    """A warning about a setting that probably does not have the intended effect.

    Attributes:
        key: The key of the setting: funnels[checkout].steps[purchase].where.
        problem: What is wrong. The text is the same in every run until it is fixed, so that one alert is sent.
        hint: Which days were searched, what exists instead, and what to change.
        is_in_report: Whether the report shows it, because figures can be wrong until it is fixed.
    """

    key: str
    problem: str
    hint: str
    is_in_report: bool = True

    @property
    def sentence(self) -> str:
        """What is wrong and what to change."""
        return f"{self.problem} {self.hint}"

    def __str__(self) -> str:
        """The whole warning on one line."""
        return f"{self.key}: {self.sentence}"
