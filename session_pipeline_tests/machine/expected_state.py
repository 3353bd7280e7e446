"""Tracks what a deployment must hold: the files under raw/, what was ever accepted, and how it was read.

Written from the promises, without code of the package.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import groupby

from session_pipeline_tests.machine.file_contents import Content
from session_pipeline_tests.machine.options import DAYS, Options
from session_pipeline_tests.oracles import sessions as oracle
from session_pipeline_tests.oracles.expected_tables import Row, tables_of
from session_pipeline_tests.oracles.sessions import Line


@dataclass
class Mirror:
    """A deployment, as the test knows it.

    Attributes:
        options: The settings now.
        lying: File below raw/ to its content; None for one that cannot be read.
        read: Every content that was ever accepted, with the options of its last reading. What is no longer there
            cannot be read again: it stays as it was.
        named: Names that a content was surely taken in under.
        maybe_named: Names that it may have been taken in under, by a run that did not end.
    """

    options: Options = field(default_factory=Options)
    lying: dict[str, Content | None] = field(default_factory=dict)
    read: dict[Content, Options] = field(default_factory=dict)
    named: dict[Content, set[str]] = field(default_factory=dict)
    maybe_named: dict[Content, set[str]] = field(default_factory=dict)

    @property
    def contents(self) -> set[Content]:
        """What lies there and can be read."""
        return {content for content in self.lying.values() if content is not None}

    @property
    def gone(self) -> list[Content]:
        """What was accepted and lies there no more."""
        return sorted(self.read.keys() - self.contents, key=lambda content: content.file_id)

    @property
    def unreadable(self) -> set[str]:
        """Files that cannot be read."""
        return {name for name, content in self.lying.items() if content is None}

    def was_ingested(self) -> None:
        """A run looked through raw/ to the end."""
        for name, content in self.lying.items():
            if content is not None:
                self.read[content] = self.options
                self.named.setdefault(content, set()).add(name)

    def may_have_ingested(self, file_ids: set[str], read_again: set[str]) -> None:
        """A run did not end: what it took in is what the ledger has, `read_again` what it read with these options."""
        for name, content in self.lying.items():
            if content is None:
                continue
            self.maybe_named.setdefault(content, set()).add(name)
            if content.file_id in file_ids and (content not in self.read or content.file_id in read_again):
                self.read[content] = self.options

    def accepted_lines(self) -> list[Line]:
        """Every line ever accepted."""
        return [line for content, options in self.read.items() for line in content.accepted_lines(options)]

    def lines_of_days(self, until: date) -> list[Line]:
        """Of these, the lines of days that are built."""
        zone = self.options.timezone
        first, end = self.options.earliest, oracle.day_end(until, zone)
        return [line for line in self.accepted_lines() if first <= line.event_time < end]

    def expected(self, until: date) -> dict[str, list[Row]]:
        """What the oracles say that the tables hold."""
        return tables_of(self.lines_of_days(until), self.options.rules, self.options.funnels, DAYS, until)

    def phases(self) -> Iterator[tuple[Options, list[Content]]]:
        """The deliveries of a clean run: what is gone with the options that it was read with, then all there is."""
        early = [content for content in self.gone if self.read[content].reading != self.options.reading]
        early.sort(key=lambda content: (str(self.read[content].reading), content.file_id))
        for _, same in groupby(early, key=lambda content: self.read[content].reading):
            contents = list(same)
            yield self.read[contents[0]], contents
        late = self.read.keys() - set(early)
        yield self.options, sorted(late, key=lambda content: content.file_id)

    def change(self, name: str, value: object) -> None:
        """Change an option."""
        self.options = replace(self.options, **{name: value})
