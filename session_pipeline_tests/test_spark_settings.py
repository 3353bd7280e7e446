"""Tests the settings of the Spark engine: which are refused, what is missing, and what a cluster cannot change."""

import importlib.util
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from session_pipeline.engines import spark_connect
from session_pipeline.engines.spark import SparkEngine
from session_pipeline.errors import EngineError, MissingExtraError, SettingsError
from session_pipeline.settings import parse_settings
from session_pipeline.settings.engine import EngineSettings
from session_pipeline.tables import table
from session_pipeline_tests.test_spark import needs_spark, quiet, rows_of_days, settings_of

OF_A_CLUSTER = ("parser.escapedStringLiterals", "files.ignoreMissingFiles", "files.ignoreCorruptFiles")


@quiet
@needs_spark
@pytest.mark.spark
def test_defaults_of_a_cluster_change_no_rows(tmp_path: Path) -> None:
    contract, path = table("recent_event_ids"), tmp_path / "rows.parquet"
    pq.write_table(rows_of_days(contract, 1).drop_columns("_day"), path)
    given = path.read_bytes()
    with closing(SparkEngine(settings_of("local[2]"), tmp_path)) as started:
        for key in OF_A_CLUSTER:
            started.session.conf.set(f"spark.sql.{key}", "true")
        with SparkEngine(settings_of("local[2]"), tmp_path).job() as job:  # in the same session
            query = "select regexp_matches('it''s 5', '^it''s \\d$') as is_found"
            assert job.rows(query).to_pylist() == [{"is_found": True}]
            job.add_input(contract, [path])
            path.write_bytes(given[: len(given) // 2])
            with pytest.raises(Exception, match="FAILED_READ_FILE"):
                job.rows("select * from recent_event_ids")
            path.unlink()
            with pytest.raises(Exception, match="FAILED_READ_FILE"):
                job.rows("select * from recent_event_ids")


@quiet
@needs_spark
@pytest.mark.spark
@pytest.mark.parametrize("remote", ["http://host", "local[*]", "sc://host:port/;token=secret", "sc://host/;token"])
def test_address_of_no_connect_server_is_refused(remote: str, tmp_path: Path) -> None:
    settings = EngineSettings(kind="spark", master="", remote=remote, conf={})
    with pytest.raises(EngineError, match=r"^remote in \[engine\] of settings\.toml is not the address of") as refused:
        _ = SparkEngine(settings, tmp_path).session
    assert "secret" not in str(refused.value)


@quiet
@needs_spark
@pytest.mark.spark
def test_connect_server_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark_connect, "SECONDS_TO_ANSWER", 0.5)
    settings = EngineSettings(kind="spark", master="", remote="sc://127.0.0.1:9/;user_id=a;x-key=secret", conf={})
    with pytest.raises(EngineError, match=r"^no Spark Connect server answers at 127\.0\.0\.1:9; start it,"):
        _ = SparkEngine(settings, tmp_path).session


@quiet
@needs_spark
@pytest.mark.spark
def test_error_of_a_session_that_does_not_start_is_one_sentence(tmp_path: Path) -> None:
    # In a process of its own, because a process that has a session starts no other.
    code = (
        "import sys; from pathlib import Path; from session_pipeline.engines.spark import SparkEngine;"
        "from session_pipeline_tests.test_spark import settings_of;"
        "SparkEngine(settings_of(sys.argv[1]), Path(sys.argv[2])).session"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, "local://acme", str(tmp_path)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        "session_pipeline.errors.EngineError: Spark does not start with master = 'local://acme'"
        " (org.apache.spark.SparkException: Could not parse Master URL: 'local://acme'); Spark's messages above say"
        " more; start the cluster, or correct [engine] of settings.toml, and run again"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('kind = "spark"', "neither master nor remote"),
        ('kind = "spark"\nmaster = "local"\nremote = "sc://a"', "master and remote"),
        ('kind = "spark"\nmaster = "nonsense"', "has master = 'nonsense', which Spark does not know"),
        ('kind = "spark"\nmaster = "local[two]"', "which Spark does not know"),
        ('kind = "spark"\nmaster = "local[0]"', "which Spark does not know"),
        ('kind = "spark"\nmaster = "local-cluster[2,1"', "which Spark does not know"),
        ('kind = "spark"\nmaster = "spark://host"', "which Spark does not know"),
        ('kind = "spark"\nmaster = "spark://host:7077/"', "which Spark does not know"),
        ('kind = "spark"\nmaster = "http://host:8080"', "which Spark does not know"),
        ('kind = "spark"\nmaster = "sc://host/;token=secret"', "Spark Connect server as master; write it as remote$"),
        ('conf = { "executor.memory" = "1g" }', "begin with 'spark.'"),
        ('conf = { "spark.sql.ansi.enabled" = "false" }', "rows depend on it"),
        ('conf = { "spark.sql.variable.substitute" = "true" }', "rows depend on it"),
        ('conf = { "spark.sql.files.ignoreMissingFiles" = "true" }', "rows depend on it"),
        ('kind = "flink"', "engine.kind"),
    ],
)
def test_wrong_settings_are_errors(text: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        parse_settings(f"[engine]\n{text}\n", "settings.toml")


@pytest.mark.parametrize(
    "master",
    [
        "local",
        "local[*]",
        "local[2]",
        "local[*, 4]",
        "local[04]",
        "local-cluster[2,1,1024]",
        "spark://a:7077",
        "spark://a:7077,b:7077",
        "spark://a:7077,",
        "spark://[::1]:7077",
        "yarn",
        "k8s://https://a",
        "acme://a:1",
        "local://acme://a:1",
    ],
)
def test_each_kind_of_master_is_accepted(master: str) -> None:
    settings = parse_settings(f'[engine]\nkind = "spark"\nmaster = "{master}"\n', "settings.toml")
    assert settings.engine.master == master


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install session_pipeline\[spark\]"):
        SparkEngine(settings_of("local"), tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(MissingExtraError, match="Java 17"):
        SparkEngine(settings_of("local"), tmp_path)


@pytest.mark.long
def test_pyspark_is_imported_only_for_spark() -> None:
    code = "import sys, session_pipeline.run.pipeline; sys.exit('pyspark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
