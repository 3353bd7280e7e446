"""What is wrong with a deployment: one list for `plan`, `status` and `run`, so that they agree.

How old the published state is, and what is stale, is the matter of each command.
"""

import re
from dataclasses import dataclass

from session_pipeline.build.plan import Plan
from session_pipeline.checks import CHECKS, missing_sources, rejected_files, settings_warnings
from session_pipeline.cli.screen import counted, day_ranges, plain, say
from session_pipeline.data_folder import DataFolder
from session_pipeline.errors import StoreError
from session_pipeline.ingest.deliveries import deliveries
from session_pipeline.run import pipeline
from session_pipeline.settings import Settings
from session_pipeline.store.store import Store

SHOWN = 10
ANY_DATE = re.compile(r"\[[\d-]+\]")
COUNTED_HERE = (
    "set_aside_rate",
    "source_arrived",
    "built_by_current_rules",
    "settings_match_data",
)  # from the catalog, as it is now


@dataclass(frozen=True)
class Problems:
    """What somebody must look at.

    Attributes:
        errors: What is wrong; `status --check` exits with 1.
        warnings: What is unusual and can be right.
    """

    errors: list[str]
    warnings: list[str]


def find(folder: DataFolder, settings: Settings, store: Store, plan: Plan) -> Problems:
    """All that is wrong now, by the catalog, the delivered files and the latest result of each check."""
    until = plan.frame.until
    lost_key = pipeline.lost_visitor_key(folder, store)
    check_errors, check_warnings = _checks(folder)
    errors = [
        *([lost_key] if lost_key else []),
        *rejected_files(folder, store, until),
        *missing_sources(settings, store, until),
        *check_errors,
        *deferred_days(plan),
    ]
    nothing = f"there is no file under {folder.raw} yet; put some into a folder for each source"
    warnings = [
        *check_warnings,
        *pipeline.sources_without_folder(folder, settings),
        *_settings_to_check(folder, settings),
    ]
    return Problems(errors, [*warnings, *([] if any(True for _ in deliveries(folder)) else [nothing])])


def deferred_days(plan: Plan) -> list[str]:
    """A sentence about days that only rules changed for, when they are too many for one run."""
    days = {item.day for item in plan.deferred if item.day}
    if not days:
        return []
    return [
        f"{counted(len(days), 'day')} built by older rules, {day_ranges(days)} ({undated(plan.deferred[0].reason)}):"
        " more than max_rebuild_days, so they wait for `session-pipeline run --upgrade`"
    ]


def _settings_to_check(folder: DataFolder, settings: Settings) -> list[str]:
    try:
        return [str(warning) for warning in settings_warnings.look(folder, settings).warnings]
    except StoreError as error:
        return [str(error)]


def undated(reason: str) -> str:
    """A reason without the day that it is about."""
    return ANY_DATE.sub("", reason)


def show(problems: Problems) -> None:
    """Print the problems for a person."""
    for sentences in (problems.errors, problems.warnings):
        for sentence in sentences[:SHOWN]:
            say(plain(sentence), style="yellow")
        if len(sentences) > SHOWN:
            say(f"and {counted(len(sentences) - SHOWN, 'more problem')}", style="yellow")


def _checks(folder: DataFolder) -> tuple[list[str], list[str]]:
    """Checks whose latest result is that they do not hold: errors and warnings."""
    if not (folder.dagster_home / "history").is_dir():
        return [], []
    from session_pipeline.defs import local_runs  # Dagster takes its time to load

    names = [(check.name, check.table) for check in CHECKS if check.name not in COUNTED_HERE]
    with local_runs.instance_of(folder) as instance:
        found = local_runs.failed_checks(instance, names)
    errors, warnings = ([f"{c.name}: {c.sentence}" for c in found if c.is_error is kind] for kind in (True, False))
    return errors, warnings
