"""Turns patterns of actions into regular expressions over letters, and the actions of sessions into such letters.

Each session is a text with one letter for each action. A letter stands for the name of the action, as far as patterns
name it, and for the time since the action before, as far as a pattern limits it. Patterns without such limits share a
text, so that most settings need one text. settings/pattern_parser.py parses the patterns.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from session_pipeline.settings import PatternSettings
from session_pipeline.settings.action_patterns import (
    Action,
    ActionPattern,
    Choice,
    Item,
    Limit,
    Repeat,
    Series,
)
from session_pipeline.settings.pattern_parser import parse_pattern

# Letters that have no other meaning in a regular expression: 52, and then those of a script that fits into 16 bits.
LETTERS = (*map(chr, range(65, 91)), *map(chr, range(97, 123)), *map(chr, range(0x4E00, 0x9FA6)))


@dataclass(frozen=True)
class Text:
    """The letters of the actions that some patterns are searched in.

    Attributes:
        number: From 1.
        among: The only actions of the text; None for all actions.
        patterns: The patterns, by name.
    """

    number: int
    among: tuple[str, ...] | None
    patterns: tuple[tuple[str, ActionPattern], ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of actions that have letters of their own, in alphabetical order."""
        return tuple(sorted({name for _, pattern in self.patterns for item in pattern.actions for name in item.names}))

    @cached_property
    def gaps(self) -> tuple[int, ...]:
        """The times in microseconds that letters distinguish, in order."""
        limits = {item.gap for _, pattern in self.patterns for item in pattern.actions if item.gap is not None}
        return tuple(sorted({limit.microseconds for limit in limits}))

    @property
    def gap_classes(self) -> int:
        """The number of letters of each name: shorter than the first time, equal to it, between it and the next, ..."""
        return 2 * len(self.gaps) + 1

    def letters(self, name: str | None) -> tuple[str, ...]:
        """Return the letters of a name, one for each class of times; None for actions that no pattern names."""
        first = 0 if name is None else (self.names.index(name) + 1) * self.gap_classes
        return LETTERS[first : first + self.gap_classes]

    def expression(self, item: Item) -> str:
        """Return the regular expression of an item."""
        match item:
            case Action():
                return self._letter_class(item)
            case Repeat():
                inner = self.expression(item.item)
                single = inner if isinstance(item.item, Action) else f"(?:{inner})"
                bounds = {(0, None): "*", (1, None): "+", (0, 1): "?"}.get((item.least, item.most))
                if bounds is None:
                    bounds = f"{{{item.least},{'' if item.most is None else item.most}}}"
                return f"{single}{bounds}{'?' if item.is_lazy else ''}"
            case Series():
                parts = [self.expression(each) for each in item.items]
                return "".join(
                    f"(?:{part})" if isinstance(each, Choice) else part
                    for each, part in zip(item.items, parts, strict=True)
                )
            case Choice():
                return "|".join(f"(?:{self.expression(each)})" for each in item.options)

    def _letter_class(self, action: Action) -> str:
        known = [name for name in self.names if (name in action.names) != action.is_other]
        names = [*([None] if action.is_other else []), *known]
        places = [place for place in range(self.gap_classes) if _is_within(action.gap, place, self.gaps)]
        letters = sorted(self.letters(name)[place] for name in names for place in places)
        return f"[{''.join(_ranges(letters))}]" if letters else "[!]"  # no action has this letter


def _is_within(gap: Limit | None, place: int, gaps: Sequence[int]) -> bool:
    """Whether times of a class meet a limit. Class 2 n + 1 is exactly the n-th time; others lie between two."""
    if gap is None:
        return True
    limit = 2 * gaps.index(gap.microseconds) + 1
    return {
        "<": place < limit,
        "<=": place <= limit,
        "==": place == limit,
        ">=": place >= limit,
        ">": place > limit,
    }[gap.sign]


def _ranges(letters: Sequence[str]) -> Iterator[str]:
    """Yield sorted letters as they are written in a character class, with a range for three or more neighbours."""
    for _, group in groupby(enumerate(letters), lambda item: ord(item[1]) - item[0]):
        run = [letter for _, letter in group]
        yield "".join(run) if len(run) < 3 else f"{run[0]}-{run[-1]}"


def texts(patterns: Sequence[PatternSettings]) -> tuple[Text, ...]:
    """Return the texts of the patterns. Patterns share a text if it has enough letters for both."""
    found: list[Text] = []
    for setting in patterns:
        pattern = parse_pattern(setting.pattern)
        among = None if setting.among is None else tuple(sorted(set(setting.among)))
        alone = Text(len(found) + 1, among, ((setting.name, pattern),))
        for place, text in enumerate(found):
            joined = Text(text.number, among, (*text.patterns, *alone.patterns))
            if text.among == among and not joined.gaps and len(joined.names) < len(LETTERS):
                found[place] = joined
                break
        else:
            found.append(alone)
    return tuple(found)
