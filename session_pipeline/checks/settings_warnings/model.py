"""What a warning is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SettingsWarning:
    """A setting that probably does not do what was meant.

    Attributes:
        key: The setting, by name: funnels[checkout].steps[purchase].where.
        problem: What is wrong; the same from run to run as long as it is wrong, so that an alert is sent once.
        hint: Where that was looked for, what exists instead, and what to change.
    """

    key: str
    problem: str
    hint: str

    @property
    def sentence(self) -> str:
        """What is wrong and what to change."""
        return f"{self.problem} {self.hint}"

    def __str__(self) -> str:
        """The whole warning on one line."""
        return f"{self.key}: {self.sentence}"
