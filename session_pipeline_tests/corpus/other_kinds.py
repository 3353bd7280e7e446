"""Files of another kind than their names suggest."""

import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Sequence

from session_pipeline_tests.corpus.inputs import EVENT, Input, corrupt, line, lines, refused
from session_pipeline_tests.corpus.parquet_files import parquet


def inputs() -> Sequence[Input]:
    tar, archive, empty = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as packed:
        packed.addfile(tarfile.TarInfo("events.jsonl"), io.BytesIO())
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("events.jsonl", lines(3))
    zipfile.ZipFile(empty, "w").close()
    picture = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4
    kinds: Sequence[tuple[str, bytes, str]] = [
        ("a PNG picture", picture, "a PNG picture"),
        ("a JPEG picture", b"\xff\xd8\xff\xe0" + bytes(range(256)), "a JPEG picture"),
        ("a PDF", b"%PDF-1.7\n1 0 obj\n", "a PDF"),
        ("a ZIP archive", archive.getvalue(), "a ZIP archive"),
        ("an empty ZIP archive", empty.getvalue(), "a ZIP archive without files"),
        ("a tar archive", tar.getvalue(), "a tar archive"),
        ("an SQLite database", b"SQLite format 3\0" + bytes(4096), "an SQLite database"),
        ("a program", b"\x7fELF\x02\x01\x01" + bytes(100), "a program"),
        ("xz", lzma.compress(lines(3)), "xz"),
        ("zeros", bytes(10_000), "binary data"),
        ("text in UTF-16", lines(3).decode().encode("utf-16"), "UTF-16"),
        ("text in UTF-16 without a mark", lines(3).decode().encode("utf-16-le"), "UTF-16"),
        ("text in UTF-32", lines(3).decode().encode("utf-32"), "UTF-32"),
        ("HTML", b"<!DOCTYPE html>\n<html><body>502 Bad Gateway</body></html>\n", "HTML or XML"),
        ("XML", b'<?xml version="1.0"?>\n<events/>\n', "HTML or XML"),
    ]
    everywhere = [
        corrupt(f"{what} that is called {name}", name, content, reason)
        for what, content, reason in kinds
        for name in ("x.jsonl", "x.csv")
    ]
    header = b"visitor_id,event_time,event_name\nann,2026-10-05T10:00:00Z,page_view\n"
    others = [
        corrupt("a picture that is called a log", "access.log", picture, "a PNG picture"),
        corrupt("a picture that is called Parquet", "x.parquet", picture, "not Parquet"),
        corrupt("Parquet that is called JSON", "x.jsonl", parquet([EVENT]), "Parquet"),
        corrupt("CSV that is called JSON", "x.jsonl", header, "none of its first lines is an object"),
        corrupt("YAML that is called JSON", "x.json", b"- visitor_id: ann\n  event_name: x\n", "is an object"),
        Input("a list of JSON over lines", "x.json", b"[\n" + line().rstrip() + b",\n" + line() + b"]\n", accepted=2),
        Input("an object of JSON over lines", "x.json", json.dumps(EVENT, indent=2).encode(), accepted=1),
        corrupt("a list of JSON that is cut short", "x.json", b"[\n" + line(), "ends within a value"),
        corrupt("JSON that is called CSV", "x.csv", lines(3), 'format = "jsonl"'),
        corrupt("JSON that is called TSV", "x.tsv", lines(3), 'format = "jsonl"'),
        corrupt("JSON that is called a log", "access.log", lines(3), 'format = "jsonl"'),
        corrupt("CSV that is called TSV", "x.tsv", header, "not by tabs"),
        Input("TSV that is called CSV", "x.csv", header.replace(b",", b"\t"), accepted=1),
        refused("a name that says nothing", "events.txt", lines(3), "its name ends in none of"),
        refused("a name without an ending", "events", lines(3), "its name ends in none of"),
        refused("an ending that is all of the name", "jsonl", lines(3), "its name ends in none of"),
    ]
    return [*everywhere, *others]
