"""Access logs of web servers."""

import gzip
from collections.abc import Sequence
from typing import Any

from session_pipeline_tests.corpus.inputs import Input


def inputs() -> Sequence[Input]:
    def said(
        request: bytes = b"GET / HTTP/1.1", address: bytes = b"203.0.113.7", time: bytes = b"05/Oct/2026:10:00:00 +0000"
    ) -> bytes:
        return address + b" - - [" + time + b'] "' + request + b'" 200 512 "-" "Mozilla/5.0"\n'

    def log(what: str, content: bytes, name: str = "access.log", **more: Any) -> Input:
        return Input(what, name, content, **more)

    bad_request = b"\\x16\\x03\\x01\\x02"
    return [
        log("a log", said() + said(b"GET /a.css HTTP/1.1"), accepted=2),
        log("a log that was rotated and packed", gzip.compress(said()), "access.log.2.gz", accepted=1),
        log("a log with its date in the name", said(), "access.log-20261005", accepted=1),
        log(
            "a greeting of TLS for a request", said() + said(bad_request), accepted=1, set_aside={2: "invalid_request"}
        ),
        log("no request at all", said() + said(b"-"), accepted=1, set_aside={2: "invalid_request"}),
        log(
            "a line of another log",
            said() + b"Oct  5 10:00:00 host app[1]: hello\n",
            accepted=1,
            set_aside={2: "invalid_log_line"},
        ),
        log("a line of a log that is broken off", said() + said()[:40], accepted=1, set_aside={2: "invalid_log_line"}),
        log(
            "a log with an impossible time",
            said() + said(time=b"31/Feb/2026:10:00:00 +0000"),
            accepted=1,
            set_aside={2: "invalid_event_time"},
        ),
        log("an address of IPv6", said(address=b"2001:db8::7"), accepted=1),
        log("quotes escaped within a request", said(b'GET /?q=\\"x\\" HTTP/1.1'), accepted=1),
        log("SQL in a request", said(b"GET /?id=1';drop%20table%20events;-- HTTP/1.1"), accepted=1),
        log("blank lines in a log", b"\n" + said() + b"\n", accepted=1, blank=2),
        log(
            "a common log",
            said().replace(b' "-" "Mozilla/5.0"', b""),
            accepted=1,
            settings={"sources": {"web": {"format": "access_log", "log_format": "common"}}},
        ),
    ]
