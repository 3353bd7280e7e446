"""Tests that a content is read in one format, given by the current names and settings, in any order of delivery."""

import base64
import gzip
import io
import shutil
from datetime import date
from itertools import permutations
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
import pytest

from session_pipeline.errors import RefusedFileError
from session_pipeline.ingest.formats import FORMATS, other_kind
from session_pipeline.ingest.formats.parquet_content import count_rows
from session_pipeline.ingest.summary import IngestSummary
from session_pipeline.run.pipeline import open_run
from session_pipeline.settings.model import SourceSettings
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.reliability.figures import effort

UNTIL = date(2026, 10, 6)
NAMES = {"jsonl": "a.jsonl", "csv": "a.csv", "tsv": "a.tsv", "parquet": "a.parquet", "access_log": "a.log"}
FIELDS = ("visitor_id", "event_time", "event_name")
EVENTS = [("ann", "2026-10-05T10:00:00Z", "page_view"), ("bob", "2026-10-05T11:00:00Z", "page_view")]
OF_THE_NAMES = ["path", "delivery_count"]  # depend on all names that a content ever had
JSON = "".join(f'{{"visitor_id": "{v}", "event_time": "{t}", "event_name": "{n}"}}\n' for v, t, n in EVENTS)
LOG = "".join(
    f'1.2.3.{number} - - [05/Oct/2026:10:00:0{number} +0000] "GET /a,b HTTP/1.1" 200 5 "-" "Mozilla/5.0"\n'
    for number in range(3)
)


def separated(delimiter: str) -> bytes:
    return "".join(delimiter.join(row) + "\n" for row in (FIELDS, *EVENTS)).encode()


def parquet() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(dict(zip(FIELDS, zip(*EVENTS, strict=True), strict=True))), sink)
    return bytes(sink.getvalue())


CONTENTS = {
    "jsonl": JSON.encode(),
    "csv": separated(","),
    "tsv": separated("\t"),
    "parquet": parquet(),
    "access_log": LOG.encode(),
}
# CI has each format in one of these pairs, the nightly tests some others, with more effort all of them.
USUAL_PAIRS = [("jsonl", "csv"), ("parquet", "access_log"), ("access_log", "tsv")]
OTHER_PAIRS = [pair for pair in permutations(NAMES, 2) if pair not in USUAL_PAIRS][:: max(1, 6 // effort())]
PAIRS = [*USUAL_PAIRS, *(pytest.param(*pair, marks=pytest.mark.nightly) for pair in OTHER_PAIRS)]


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path / "data")


def put(deployment: Deployment, content: bytes, name: str, source: str = "web") -> Path:
    path = deployment.folder.raw / source / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def ingest(deployment: Deployment) -> IngestSummary:
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        return run.ingest()


def ledger(deployment: Deployment) -> pd.DataFrame:
    files = deployment.table("source_files").drop(columns=OF_THE_NAMES)
    return files.sort_values("file_id", ignore_index=True)


def require_clean(deployment: Deployment, folder: Path) -> None:
    """Require that the store equals that of a clean run over the current raw/, and that nothing is left to do.

    A store that was only ingested is compared with one that was only ingested: all other tables follow from raw_events.
    """
    clean = Deployment(folder)
    shutil.copytree(deployment.folder.raw, clean.folder.raw, symlinks=True)
    shutil.copyfile(deployment.folder.settings, clean.folder.settings)
    if deployment.folder.visitor_key.exists():
        shutil.copyfile(deployment.folder.visitor_key, clean.folder.visitor_key)
    if deployment.folder.warehouse.exists():
        clean.run(UNTIL, publishes=False)
    else:
        ingest(clean)
    assert deployment.hashes() == clean.hashes()
    pd.testing.assert_frame_equal(ledger(deployment), ledger(clean))
    again = ingest(deployment)
    assert again == IngestSummary(found_count=again.found_count), "a second look finds nothing to do"
    shutil.rmtree(folder)


@pytest.mark.long
@pytest.mark.parametrize(("right", "wrong"), PAIRS)
def test_renamed_file_is_read_in_the_format_of_its_new_name(
    deployment: Deployment, tmp_path: Path, right: str, wrong: str
) -> None:
    path = put(deployment, CONTENTS[right], NAMES[wrong])
    ingest(deployment)
    path.rename(path.with_name(NAMES[right]))
    ingest(deployment)
    assert len(deployment.table("raw_events")) > 1
    require_clean(deployment, tmp_path / "clean")
    path.with_name(NAMES[right]).rename(path)
    ingest(deployment)
    if len(deployment.table("source_files")) == 1:  # otherwise the wrong name was refused, and the content is gone
        require_clean(deployment, tmp_path / "clean")


@pytest.mark.long
@pytest.mark.parametrize(("right", "wrong"), PAIRS)
def test_content_under_two_names_is_read_in_the_format_that_fits(
    deployment: Deployment, tmp_path: Path, right: str, wrong: str
) -> None:
    for name in (wrong, right):
        put(deployment, CONTENTS[right], NAMES[name])
        ingest(deployment)
    accepted = len(deployment.table("raw_events"))
    assert accepted > 1
    require_clean(deployment, tmp_path / "clean")
    (deployment.folder.raw / "web" / NAMES[wrong]).unlink()
    ingest(deployment)
    assert len(deployment.table("raw_events")) == accepted
    require_clean(deployment, tmp_path / "clean")


@pytest.mark.long
@pytest.mark.parametrize(("right", "wrong"), PAIRS)
def test_format_of_the_settings_applies_to_known_content(
    deployment: Deployment, tmp_path: Path, right: str, wrong: str
) -> None:
    put(deployment, CONTENTS[right], NAMES[right])
    ingest(deployment)
    before = deployment.hashes()
    deployment.set({"sources": {"web": {"format": wrong}}})
    ingest(deployment)
    # A CSV may also be separated by tabs.
    assert len(deployment.table("raw_events")) < 2 or (right, wrong) == ("tsv", "csv")
    require_clean(deployment, tmp_path / "clean")
    deployment.set({})
    ingest(deployment)
    assert deployment.hashes() == before
    require_clean(deployment, tmp_path / "clean")


@pytest.mark.long
def test_delivery_order_of_formats_does_not_matter(deployment: Deployment, tmp_path: Path) -> None:
    for names in (sorted(NAMES.values()), sorted(NAMES.values(), reverse=True)):
        here = Deployment(tmp_path / names[0])
        for name in names:
            put(here, CONTENTS["access_log"], name)
            ingest(here)
        assert len(here.table("raw_events")) == 3
        require_clean(here, tmp_path / "clean")


def test_redelivery_in_the_same_format_adds_nothing(deployment: Deployment, tmp_path: Path) -> None:
    put(deployment, CONTENTS["csv"], "a.csv")
    ingest(deployment)
    put(deployment, gzip.compress(CONTENTS["csv"]), "b.CSV.gz")
    put(deployment, CONTENTS["csv"], "c.csv")
    assert ingest(deployment).redelivered_count == 2
    [file] = deployment.records("source_files")
    assert (file["delivery_count"], file["accepted_count"]) == (3, 2)
    require_clean(deployment, tmp_path / "clean")


def test_each_delivery_is_counted_once(deployment: Deployment) -> None:
    put(deployment, CONTENTS["csv"], "a.csv")
    put(deployment, gzip.compress(CONTENTS["csv"]), "b.csv.gz")
    assert ingest(deployment) == IngestSummary(found_count=2, read_count=1, redelivered_count=1, accepted_count=2)
    put(deployment, CONTENTS["csv"], "c.log")  # this format accepts fewer lines
    assert ingest(deployment) == IngestSummary(found_count=3, redelivered_count=1)


@pytest.mark.long
def test_format_stays_after_all_names_are_gone(deployment: Deployment) -> None:
    path = put(deployment, CONTENTS["access_log"], "a.csv")
    ingest(deployment)
    path = path.rename(path.with_name("a.log"))
    ingest(deployment)
    path.unlink()
    ingest(deployment)
    assert len(deployment.table("raw_events")) == 3
    assert len(deployment.table("quarantined_lines")) == 0


@pytest.mark.long
def test_every_table_equals_a_clean_run(deployment: Deployment, tmp_path: Path) -> None:
    put(deployment, CONTENTS["jsonl"], "b.jsonl")
    path = put(deployment, CONTENTS["access_log"], "a.csv")
    deployment.run(UNTIL)
    path.rename(path.with_name("a.log"))
    deployment.run(UNTIL, publishes=False)
    assert len(deployment.table("events")) == 5
    require_clean(deployment, tmp_path / "clean")
    deployment.set({"sources": {"web": {"format": "access_log"}}})
    deployment.run(UNTIL, publishes=False)
    assert len(deployment.table("events")) == 3
    require_clean(deployment, tmp_path / "clean")


# Files that settings refuse


@pytest.mark.long
def test_file_refused_by_settings_loses_its_rows(deployment: Deployment, tmp_path: Path) -> None:
    put(deployment, CONTENTS["csv"], "a.csv")
    put(deployment, gzip.compress(CONTENTS["csv"]), "b.csv.gz")
    put(deployment, CONTENTS["jsonl"], "c.jsonl")
    ingest(deployment)
    assert len(deployment.table("source_files")) == 2
    deployment.set({"sources": {"web": {"format": "jsonl"}}})
    summary = ingest(deployment)
    assert (summary.corrupt_count, summary.withdrawn_count) == (2, 1)
    ingest(deployment)
    assert sorted(deployment.table("source_files")["status"]) == ["accepted", "corrupt", "corrupt"]
    require_clean(deployment, tmp_path / "clean")


def test_refused_file_that_was_touched_loses_its_rows(deployment: Deployment, tmp_path: Path) -> None:
    path = put(deployment, CONTENTS["csv"], "a.csv")
    ingest(deployment)
    path.write_bytes(CONTENTS["csv"])
    deployment.set({"sources": {"web": {"format": "jsonl"}}})
    assert ingest(deployment).withdrawn_count == 1
    ingest(deployment)
    require_clean(deployment, tmp_path / "clean")


@pytest.mark.long
def test_header_made_unusable_by_settings_withdraws_all_names(deployment: Deployment, tmp_path: Path) -> None:
    content = b"visitor_id;event_time;event_name;x|y|y\nann;2026-10-05T10:00:00Z;page_view;1|2|3\n"
    put(deployment, content, "a.csv")
    ingest(deployment)
    assert len(deployment.table("raw_events")) == 1
    put(deployment, content, "b.csv")
    deployment.set({"sources": {"web": {"delimiter": "|"}}})
    summary = ingest(deployment)
    assert (summary.refused_count, summary.withdrawn_count) == (2, 1)
    ingest(deployment)
    require_clean(deployment, tmp_path / "clean")


@pytest.mark.long
def test_content_that_another_name_still_gives_is_not_withdrawn(deployment: Deployment, tmp_path: Path) -> None:
    content = b"visitor_id;event_time;event_name;x|y|y\nann;2026-10-05T10:00:00Z;page_view;1|2|3\n"
    put(deployment, content, "a.csv")
    put(deployment, content, "b.log")
    ingest(deployment)
    deployment.set({"sources": {"web": {"delimiter": "|"}}})
    summary = ingest(deployment)
    assert (summary.refused_count, summary.reread_count, summary.withdrawn_count) == (1, 1, 0)
    require_clean(deployment, tmp_path / "clean")


def test_replaced_content_stays_if_its_successor_is_refused(deployment: Deployment) -> None:
    path = put(deployment, CONTENTS["csv"], "a.csv")
    ingest(deployment)
    path.write_bytes(b"\x89PNG\r\n and more")
    ingest(deployment)
    assert sorted(deployment.table("source_files")["status"]) == ["accepted", "corrupt"]
    assert len(deployment.table("raw_events")) == 2


# Rows of files that are not accepted


def fixed(path: Path) -> None:
    path.write_bytes(CONTENTS["jsonl"])


def removed(path: Path) -> None:
    path.unlink()


def renamed(path: Path) -> None:
    path.rename(path.with_name("b.jsonl"))


def damaged_otherwise(path: Path) -> None:
    path.write_bytes(b"%PDF-1.7")


@pytest.mark.long
@pytest.mark.parametrize("change", [fixed, removed, renamed, damaged_otherwise])
@pytest.mark.parametrize("content", [CONTENTS["csv"], pytest.param(b"\x89PNG\r\n", marks=pytest.mark.nightly)])
def test_refused_row_is_removed_with_the_content_of_its_path(
    deployment: Deployment, tmp_path: Path, change: Any, content: bytes
) -> None:
    path = put(deployment, content, "a.jsonl")
    put(deployment, CONTENTS["access_log"], "other.log")
    ingest(deployment)
    assert sorted(deployment.table("source_files")["status"]) == ["accepted", "corrupt"]
    change(path)
    ingest(deployment)
    assert len(deployment.table("source_files")) == (1 if change is removed else 2)
    require_clean(deployment, tmp_path / "clean")


@pytest.mark.long
def test_format_of_the_settings_overrides_the_name(deployment: Deployment, tmp_path: Path) -> None:
    names = ["apache_logs", "access-2024.txt", "E2ABC.2024-05-06-07.abcd1234.gz", "part-00000", "a.csv"]
    for number, name in enumerate(names):
        content = CONTENTS["access_log"].replace(b"/a,b", f"/a,b/{number}".encode())
        put(deployment, gzip.compress(content) if name.endswith(".gz") else content, name)
    ingest(deployment)
    assert len(deployment.table("raw_events")) == 0
    deployment.set({"sources": {"web": {"format": "access_log"}}})
    ingest(deployment)
    files = deployment.table("source_files")
    assert dict(zip(files["path"], files["accepted_count"], strict=True)) == {f"web/{name}": 3 for name in names}
    require_clean(deployment, tmp_path / "clean")
    deployment.set({})
    ingest(deployment)
    assert len(deployment.table("raw_events")) == 0
    require_clean(deployment, tmp_path / "clean")


# The kind of a file that cannot be read


@pytest.mark.parametrize("encoding", ["utf-32", "utf-32-le", "utf-32-be", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("format", ["jsonl", "csv", "tsv", "access_log"])
def test_wide_text_encoding_is_named(encoding: str, format: str) -> None:
    kind = other_kind(io.BytesIO(CONTENTS[format].decode().encode(encoding)), format)
    assert kind == f"text in {encoding[:6].upper()}; deliver it in UTF-8"


@pytest.mark.parametrize("mark", [b"\xff\xfe\0\0", b"\0\0\xfe\xff"])
def test_utf_32_byte_order_mark_is_not_utf_16(mark: bytes) -> None:
    encoding = "utf-32-le" if mark[0] else "utf-32-be"
    kind = other_kind(io.BytesIO(mark + "{}".encode(encoding)), "jsonl")
    assert kind == "text in UTF-32; deliver it in UTF-8"


class Keys(pe.KmsClient):
    """A key service without encryption."""

    def __init__(self, config: object) -> None:
        pe.KmsClient.__init__(self)

    def wrap_key(self, key: bytes, name: str) -> bytes:
        return base64.b64encode(key)


@pytest.mark.parametrize("has_plain_footer", [False, True])
def test_encrypted_parquet_is_refused_as_encrypted(has_plain_footer: bool) -> None:
    rows = pa.table({"visitor_id": ["v"], "event_name": ["page_view"]})
    settings = pe.EncryptionConfiguration(
        footer_key="footer", column_keys={"column": ["visitor_id"]}, plaintext_footer=has_plain_footer
    )
    properties = pe.CryptoFactory(Keys).file_encryption_properties(pe.KmsConnectionConfig(), settings)
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, rows.schema, encryption_properties=properties) as writer:
        writer.write_table(rows)
    with pytest.raises(RefusedFileError, match="it is encrypted Parquet, and no keys can be given"):
        count_rows(io.BytesIO(sink.getvalue()), len(sink.getvalue()))
    assert (
        has_plain_footer or other_kind(io.BytesIO(sink.getvalue()), "csv") == "encrypted Parquet; deliver it decrypted"
    )


def test_settings_name_every_format() -> None:
    allowed = SourceSettings.model_fields["format"].annotation
    assert {name for each in get_args(allowed) for name in get_args(each)} == {each.name for each in FORMATS}
