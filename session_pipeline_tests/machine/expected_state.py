"""Tracks what a deployment must contain: the files under raw/, the content ever accepted, and how it was read.

It is written from the promises of the design and uses no code of the package.
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
    """The expected state of a deployment.

    Attributes:
        options: The current settings.
        lying: Each file below raw/ with its content; None if the file cannot be read.
        read: Every content that was ever accepted, with the options of its last reading. Content whose file is gone
            cannot be read again; it keeps these options.
        named: The names under which each content was certainly ingested.
        maybe_named: The names under which a run that did not end may have ingested it.
    """

    options: Options = field(default_factory=Options)
    lying: dict[str, Content | None] = field(default_factory=dict)
    read: dict[Content, Options] = field(default_factory=dict)
    named: dict[Content, set[str]] = field(default_factory=dict)
    maybe_named: dict[Content, set[str]] = field(default_factory=dict)

    @property
    def contents(self) -> set[Content]:
        """The readable content below raw/."""
        return {content for content in self.lying.values() if content is not None}

    @property
    def gone(self) -> list[Content]:
        """The accepted content that is no longer below raw/."""
        return sorted(self.read.keys() - self.contents, key=lambda content: content.file_id)

    @property
    def unreadable(self) -> set[str]:
        """The files that cannot be read."""
        return {name for name, content in self.lying.items() if content is None}

    def was_ingested(self) -> None:
        """Record that a run ingested raw/ completely."""
        for name, content in self.lying.items():
            if content is not None:
                self.read[content] = self.options
                self.named.setdefault(content, set()).add(name)

    def may_have_ingested(self, file_ids: set[str], read_again: set[str]) -> None:
        """Record a run that did not end.

        `file_ids` are the files in the ledger; the run read those in `read_again` with the current options.
        """
        for name, content in self.lying.items():
            if content is None:
                continue
            self.maybe_named.setdefault(content, set()).add(name)
            if content.file_id in file_ids and (content not in self.read or content.file_id in read_again):
                self.read[content] = self.options

    def accepted_lines(self) -> list[Line]:
        """Return every line ever accepted."""
        return [line for content, options in self.read.items() for line in content.accepted_lines(options)]

    def lines_of_days(self, until: date) -> list[Line]:
        """Return the accepted lines of the days that are built."""
        zone = self.options.timezone
        first, end = self.options.earliest, oracle.day_end(until, zone)
        return [line for line in self.accepted_lines() if first <= line.event_time < end]

    def expected(self, until: date) -> dict[str, list[Row]]:
        """Return the rows that the oracles expect in each table."""
        return tables_of(self.lines_of_days(until), self.options.rules, self.options.funnels, DAYS, until)

    def phases(self) -> Iterator[tuple[Options, list[Content]]]:
        """Yield the deliveries of a clean run.

        Content that is gone comes first, with the options of its reading; then all other content.
        """
        early = [content for content in self.gone if self.read[content].reading != self.options.reading]
        early.sort(key=lambda content: (str(self.read[content].reading), content.file_id))
        for _, same in groupby(early, key=lambda content: self.read[content].reading):
            contents = list(same)
            yield self.read[contents[0]], contents
        late = self.read.keys() - set(early)
        yield self.options, sorted(late, key=lambda content: content.file_id)

    def change(self, name: str, value: object) -> None:
        """Change one option."""
        self.options = replace(self.options, **{name: value})
