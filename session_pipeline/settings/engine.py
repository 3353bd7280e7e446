"""Defines the settings of the engine that runs the models. They change no rows."""

import re
from collections.abc import Mapping
from typing import Literal, Self

from pydantic import model_validator

from session_pipeline.settings.section import Section
from session_pipeline.settings.values import refusal, shown

# Otherwise Spark reports it late. Cluster managers that are added to Spark have URLs with schemes of their own.
MASTER = re.compile(
    r"local|local\[(\*|0*[1-9]\d*)(\s*,\s*\d+)?\]|local-cluster\[\s*\d+\s*,\s*\d+\s*,\s*\d+\s*\]|yarn"
    r"|spark://[^\s/,]+:\d+(,[^\s/,]+:\d+)*,*|(?!(spark|https?)://)[a-z][a-z0-9+.-]*://\S+"
)

# Rows depend on these, so the pipeline sets them itself, also where a cluster has other defaults.
FIXED_CONF = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.variable.substitute": "false",  # otherwise ${id} in a text of the settings is replaced before parsing
    "spark.sql.parser.escapedStringLiterals": "false",  # otherwise \d in a pattern is a backslash and a d
    # Otherwise a file that a machine does not see, or cannot read, has no rows.
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.files.ignoreCorruptFiles": "false",
}


class EngineSettings(Section):
    """The engine that runs the models: DuckDB in the process of the run, or a Spark cluster."""

    kind: Literal["duckdb", "spark"]
    master: str
    remote: str
    conf: Mapping[str, str]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for key in self.conf:
            if not key.startswith("spark."):
                raise refusal(f"has {shown(key)} in conf", "names of Spark's configuration begin with 'spark.'")
            if key in FIXED_CONF:
                raise refusal(f"has {shown(key)} in conf", "remove it: the pipeline sets it, because rows depend on it")
        if self.kind == "spark" and bool(self.master) == bool(self.remote):
            has = "master and remote" if self.master else "neither master nor remote"
            hint = 'write one: master, such as "local[*]" or "spark://host:7077"; or remote, such as "sc://host:15002"'
            raise refusal(f"has {has}", hint)
        if self.kind == "spark" and self.master.startswith("sc://"):
            raise refusal("has the address of a Spark Connect server as master", "write it as remote")
        if self.kind == "spark" and self.master and not MASTER.fullmatch(self.master):
            hint = 'write "local[*]", "spark://host:7077", "yarn", "k8s://https://host:6443" or another URL'
            raise refusal(f"has master = {shown(self.master)}, which Spark does not know", hint)
        return self
