"""The origin of the code location, which runs in this process must have, and the reload of the code location.

The UI finds the runs of a job, of an asset and of its timeline by their origin. `JobDefinition.execute_in_process` sets
no origin, so this module creates the run itself and then executes it as that method does. `defs.local_runs` decides
which runs are launched.
"""

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import StringIO
from threading import Timer
from types import SimpleNamespace
from typing import Any

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import ExecuteRunWithPlanIterable, create_execution_plan, job_execution_iterator
from dagster._core.execution.context_creation_job import (
    PlanOrchestrationContextManager,
    orchestration_context_event_generator,
)
from dagster._core.instance import types as log_handler
from dagster._core.remote_origin import (
    CodeLocationOrigin,
    GrpcServerCodeLocationOrigin,
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from session_pipeline import interrupts

MODULE = "session_pipeline.definitions"
NAME = MODULE  # also in workspace.yaml, in [tool.dg.project] of pyproject.toml, and in docs/deploy
REPOSITORY = "__repository__"  # the name that Dagster gives to the definitions of a module
RELOAD_SECONDS = 2.0
RELOAD_TIMEOUT = 180

_is_asked_for = False  # one value per process; a reload replaces the process


def origin() -> RemoteRepositoryOrigin:
    """Return the origin of the jobs, equal to the one that a webserver or daemon sets when it loads the module."""
    target = LoadableTargetOrigin(executable_path=sys.executable, module_name=MODULE)
    return RemoteRepositoryOrigin(ManagedGrpcPythonEnvCodeLocationOrigin(target, location_name=NAME), REPOSITORY)


def reload_once(loaded_from: CodeLocationOrigin | None) -> bool:
    """Make the code server reload the definitions after RELOAD_SECONDS, at most once for each load.

    Webserver and daemon notice the new definitions themselves.

    Returns:
        Whether a reload was requested. It is not possible for a code server that a webserver or daemon started for
        its own use.
    """
    global _is_asked_for
    if _is_asked_for or not isinstance(loaded_from, GrpcServerCodeLocationOrigin):
        return False
    _is_asked_for = True
    # Delayed, because the reload replaces this process: the sensor tick that asks for it must end first.
    timer = Timer(RELOAD_SECONDS, _reload, [loaded_from])
    timer.daemon = True
    timer.start()
    return True


def _reload(loaded_from: GrpcServerCodeLocationOrigin) -> None:
    try:
        loaded_from.create_client().reload_code(timeout=RELOAD_TIMEOUT)
    except Exception:  # the server is gone or cannot reload: old definitions stay, and each run loads its own
        logging.getLogger(__name__).warning("the code location could not be reloaded", exc_info=True)


def execute(
    definitions: dg.Definitions,
    job_name: str,
    *,
    instance: dg.DagsterInstance,
    run_id: str,
    run_config: Mapping[str, Any],
    tags: Mapping[str, str],
    assets: Sequence[dg.AssetKey] | None = None,
) -> dg.ExecuteInProcessResult:
    """Run a job in this process, as a run of the code location. A failure is returned in the result, not raised."""
    job = definitions.resolve_job_def(job_name).as_ephemeral_job({}, {}, asset_selection=assets)
    in_memory = InMemoryJob(job)
    plan = create_execution_plan(in_memory, run_config=run_config, instance_ref=instance.get_ref())
    run = instance.create_run_for_job(
        job_def=job,
        execution_plan=plan,
        run_id=run_id,
        run_config=run_config,
        tags={**job.run_tags, **tags},
        asset_selection=frozenset(assets) if assets else None,
        remote_job_origin=origin().get_job_origin(job_name),
    )
    context = PlanOrchestrationContextManager(
        context_event_generator=orchestration_context_event_generator,
        job=in_memory,
        execution_plan=plan,
        dagster_run=run,
        instance=instance,
        run_config=run_config,
        raise_on_error=False,
        executor_defs=None,
        output_capture=None,
    )
    interrupts.silence_pools()
    with _unstored_events_unprinted():
        events = list(ExecuteRunWithPlanIterable(plan, job_execution_iterator, context))
    ended = instance.get_run_by_id(run_id)
    assert ended is not None
    return dg.ExecuteInProcessResult(event_list=events, dagster_run=ended, output_capture=None, job_def=job)


@contextmanager
def _unstored_events_unprinted() -> Iterator[None]:
    """Keep Dagster from printing that it cannot store an event, as on a full disk: the caller gets this as an error."""
    before = vars(log_handler)["sys"]
    vars(log_handler)["sys"] = SimpleNamespace(stderr=StringIO(), exc_info=before.exc_info)
    try:
        yield
    finally:
        vars(log_handler)["sys"] = before
