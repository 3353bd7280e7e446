"""Describes what the ledger records about a delivered file.

The catalog keeps it as JSON with these keys. ingest/taken.py makes it; the table source_files has most of it.
"""

from typing import Literal, NotRequired, TypedDict

# corrupt: damaged, so that none of its lines were accepted. refused: rejected as a whole.
FileStatus = Literal["accepted", "corrupt", "refused"]


class FileFacts(TypedDict):
    """What the ledger records about a delivered file. Do not change it: others have the same object.

    Counts are numbers of lines unless their meaning names another unit.

    Attributes:
        file_id: The hash of the source and the decompressed content; of the source and the path if its status is not
            accepted.
        source: The source.
        site: The site of the source when the file was read.
        status: Whether its lines were read.
        reason: Why it was not accepted; None if it was.
        mapping: The origin of each column that has a value in some accepted line, by column name.
        byte_count: The size of the decompressed content; of the file as it is if it was not accepted.
        line_count: Lines that should contain an event, without blank lines and the header.
        accepted_count: Lines that became raw events, also those that have expired since.
        set_aside_count: Quarantined lines.
        erased_count: Lines of erased visitors and users. Missing in entries of earlier versions, which erased none.
        blank_line_count: Blank lines, and lines # of W3C logs, which are not part of line_count.
        expired_count: Accepted lines that are not stored, because their days are frozen. Missing if there are none.
        first_event_time: UTC time of the earliest event as text; None without events.
        last_event_time: UTC time of the latest event as text; None without events.
        format: The format that it was read in. Missing if it was not accepted.
        formats: All formats that it was tried in, because a path gave them. Missing if it was not accepted.
        rules: Hashes of the rules that it was read with, by name. Missing in entries of earlier versions.
        preset: The preset that it was recognized as. Missing if the settings say how it is read, or if none fits.
        visitor_key: The fingerprint of the visitor key that its rows depend on. Missing if they depend on none.
        path: The first, by name, of all paths below raw/ under which it was delivered. The catalog adds it from the
            deliveries when it is read: missing before.
        delivery_count: The number of these paths. Missing as path is.
    """

    file_id: str
    source: str
    site: str
    status: FileStatus
    reason: str | None
    mapping: dict[str, str]
    byte_count: int
    line_count: int
    accepted_count: int
    set_aside_count: int
    erased_count: NotRequired[int]
    blank_line_count: int
    expired_count: NotRequired[int]
    first_event_time: str | None
    last_event_time: str | None
    format: NotRequired[str]
    formats: NotRequired[list[str]]
    rules: NotRequired[dict[str, str]]
    preset: NotRequired[str]
    visitor_key: NotRequired[str]
    path: NotRequired[str]
    delivery_count: NotRequired[int]
