"""How the files of a source are read, from the settings."""

from pathlib import Path

from session_pipeline.ingest.admission.admit import Admitted, admit
from session_pipeline.ingest.formats.layout import Layout
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.ingest.mapping.visitors import VisitorKey
from session_pipeline.reference.days import Calendar
from session_pipeline.settings import Settings


def rules_of(
    settings: Settings, source: str, visitor_key: VisitorKey | None, recognized: str | None = None
) -> ReadingRules:
    """Return the reading rules of a source, from the settings.

    Args:
        settings: The settings.
        source: The source.
        visitor_key: The key of derived visitor ids.
        recognized: The preset that the file was recognized as; None if it was not recognized.
    """
    chosen = settings.source(source, recognized)
    return ReadingRules(
        source=source,
        site=chosen.site,
        format=chosen.format,
        columns=dict(chosen.columns),
        constants=dict(chosen.constants),
        timezone=chosen.timezone,
        clock_tolerance_minutes=chosen.clock_tolerance_minutes,
        delimiter=chosen.delimiter,
        log_format=chosen.log_format,
        visitor_address=chosen.visitor_address,
        host=chosen.host,
        visitor_key=visitor_key,
        keep_query_parameters=tuple(settings.privacy.keep_query_parameters),
        drop_properties=tuple(settings.privacy.drop_properties),
        has_keyed_users=settings.privacy.user_ids == "keyed",
        plain_users=_plain_users(settings),
        has_reduced_agents=settings.privacy.user_agents == "reduced",
        agent_patterns=_agent_patterns(settings),
        hash_properties=tuple(settings.privacy.hash_properties),
        expressions=dict(chosen.expressions),
        events=tuple((rule.name, rule.where) for rule in chosen.events),
        event_names=dict(chosen.event_names),
        key_values=tuple(chosen.key_values),
        header=tuple(chosen.header),
        records_in=chosen.records_in,
        events_in=chosen.events_in,
        json_fields=tuple(chosen.json_fields),
        json_columns=tuple(chosen.json_columns),
        null_values=tuple(chosen.null_values),
        drop_fields=tuple(chosen.drop_fields),
        decimal_comma=chosen.decimal_comma,
        time_format=chosen.time_format,
        escape=chosen.escape,
        request=dict(chosen.request),
        earliest=Calendar(settings.timezone).start(settings.start_date),
    )


def _agent_patterns(settings: Settings) -> tuple[str, ...]:
    """Return the patterns of [bots], if they decide which user agents are reduced."""
    if settings.privacy.user_agents != "reduced":
        return ()
    return tuple(dict.fromkeys([*settings.bots.patterns, *settings.bots.exceptions]))


def _plain_users(settings: Settings) -> tuple[str, ...]:
    """Return the user ids that name nobody, if user ids are hashed and the models of identity look for them."""
    if settings.privacy.user_ids != "keyed" or settings.identity.by != "person":
        return ()
    return tuple(sorted(set(settings.identity.ignored_user_ids)))


class SourceRules:
    """How the files of a source are read: by its settings, or by the preset that a file is recognized as.

    It can be sent to other processes.
    """

    def __init__(self, settings: Settings, source: str, visitor_key: VisitorKey | None) -> None:
        """Take the settings, the source, and the key of derived visitor ids."""
        self._settings = settings
        self._source = source
        self._visitor_key = visitor_key
        self._found: dict[str | None, ReadingRules] = {}

    def of(self, preset: str | None) -> ReadingRules:
        """Return the rules for files that were recognized as a preset, or that were not recognized."""
        if preset not in self._found:
            self._found[preset] = rules_of(self._settings, self._source, self._visitor_key, preset)
        return self._found[preset]

    def admit(self, path: Path, *, root: Path, scratch: Path, bytes_of_range: int | None = None) -> Admitted:
        """Verify, hash and count a delivered file; see admit.admit."""
        own = self.of(None)
        return admit(
            path,
            root=root,
            source=self._source,
            format=own.format,
            scratch=scratch,
            layout=own.layout,
            bytes_of_range=bytes_of_range,
            of_preset=self._of_preset if self._settings.recognizes(self._source) else None,
        )

    def _of_preset(self, preset: str) -> tuple[str | None, Layout]:
        return (rules := self.of(preset)).format, rules.layout
