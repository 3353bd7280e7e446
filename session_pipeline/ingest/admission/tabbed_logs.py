"""Recognizes logs that are tables with tabs and without a header: those of Fluentd, and CloudFront's real-time logs.

They are only recognized to suggest settings, because a line does not say what its fields are.
trial/suggested_reading.py suggests.
Sources: https://docs.fluentd.org/formatter/out_file and
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/real-time-logs.html.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from session_pipeline.ingest.formats.separated import Tsv

TIME_TAG_RECORD = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^\t]*\t[^\t]+\t\{.*\}")
# The time in seconds, as the first field, and the address of the visitor, in any.
OF_CLOUDFRONT = re.compile(
    rb"\d{10}\.\d{1,3}(?:\t[^\t]+)*\t(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]*:[0-9a-f:]+)(?:\t[^\t]+)*"
)
FLUENTD: Mapping[str, Any] = {"format": Tsv.name, "header": ["time", "tag", "record"], "json_fields": ["record"]}
CLOUDFRONT = (
    "the lines look like those of CloudFront's real-time logs, whose configuration names their fields: set header to"
    " these names, in their order, and the other keys as docs/sources/README.md does for these logs"
)


def is_of_fluentd(lines: Sequence[bytes]) -> bool:
    """Whether each line is a time, a tag and a JSON object, as Fluentd writes files."""
    return bool(lines) and all(map(TIME_TAG_RECORD.fullmatch, lines))


def is_of_cloudfront(lines: Sequence[bytes]) -> bool:
    """Whether lines are those of CloudFront's real-time logs."""
    return bool(lines) and all(map(OF_CLOUDFRONT.fullmatch, lines))
