"""Writes the verdict of a check as Dagster's result, and reads its sentence back.

The Dagster UI renders descriptions as Markdown, and a sentence can quote names from events. So the description has no
markup and no links, and the metadata has the sentence as it is, for alerts and the command line.
"""

import dagster as dg

from session_pipeline.checks import Check
from session_pipeline.checks.verdict import Verdict
from session_pipeline.defs.history import SENTENCE
from session_pipeline.reference import markdown

PROBLEMS = "problems"  # metadata key: single problems, by which `run.alerts` recognizes those that were already sent
MOST_PROBLEMS = 100


def result_of(check: Check, verdict: Verdict) -> dg.AssetCheckResult:
    """Return the result of a check for Dagster."""
    problems = {PROBLEMS: list(verdict.problems[:MOST_PROBLEMS])} if verdict.problems else {}
    sentence = {} if verdict.holds else {SENTENCE: verdict.sentence}
    return dg.AssetCheckResult(
        asset_key=check.table,
        check_name=check.name,
        passed=verdict.holds,
        severity=dg.AssetCheckSeverity.ERROR if check.is_error else dg.AssetCheckSeverity.WARN,
        description=markdown.escaped_without_links(verdict.sentence),
        metadata={**verdict.figures, **problems, **sentence},
    )


def sentence_of(failed: dg.AssetCheckEvaluation) -> str:
    """Return the sentence of a failed check; empty if it has none."""
    if SENTENCE in failed.metadata:
        return str(failed.metadata[SENTENCE].value)
    return failed.description or ""  # of a result that an earlier version or somebody else wrote
