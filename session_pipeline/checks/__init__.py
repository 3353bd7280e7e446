"""Checks that the stored tables are correct and complete, and warns about unusual data.

A check takes a run and some days, and returns a verdict with the figures behind it. Where a check counts rows, it uses
different code than the models. Checks change nothing. defs/ turns them into Dagster asset checks.
"""

from session_pipeline.checks.changes import outcome_alerts, progress_adds_up, progress_alerts
from session_pipeline.checks.deliveries import (
    conflicting_event_ids,
    ledger_closes,
    missing_sources,
    rejected_files,
    set_aside_rate,
    source_arrived,
    visitor_key_kept,
)
from session_pipeline.checks.doubled import doubled_page_views
from session_pipeline.checks.quarantine import LARGEST_QUARANTINED_RATE
from session_pipeline.checks.settings import settings_match_data
from session_pipeline.checks.silence import silent_sites
from session_pipeline.checks.tables import (
    audit_recompute,
    bots_add_up,
    built_by_current_rules,
    definitions_add_up,
    drops_add_up,
    friction_adds_up,
    funnels_monotone,
    moments_add_up,
    outcomes_add_up,
    paths_add_up,
    sessions_cover_events,
)
from session_pipeline.checks.unusual import bot_share, unfolded_actions, volume_unusual
from session_pipeline.checks.verdict import Check, Verdict
from session_pipeline.checks.visitors import cohorts_cover_visitors, visitors_add_up

CHECKS: tuple[Check, ...] = (
    Check("ledger_closes", "events", ledger_closes, is_blocking=True),
    Check("audit_recompute", "events", audit_recompute),
    Check("sessions_cover_events", "sessions", sessions_cover_events),
    Check("outcomes_add_up", "daily_summary", outcomes_add_up),
    Check("funnels_monotone", "funnel_steps", funnels_monotone),
    Check("paths_add_up", "session_paths", paths_add_up),
    Check("progress_adds_up", "action_progress", progress_adds_up),
    Check("progress_alerts", "progress_changes", progress_alerts, is_error=False, is_about_now=True),
    Check("outcome_alerts", "outcome_changes", outcome_alerts, is_error=False, is_about_now=True),
    Check("friction_adds_up", "action_friction", friction_adds_up),
    Check("visitors_add_up", "daily_visitors", visitors_add_up),
    Check("cohorts_cover_visitors", "retention", cohorts_cover_visitors),
    Check("moments_add_up", "opportunities", moments_add_up),
    Check("drops_add_up", "funnel_drops", drops_add_up),
    Check("bots_add_up", "daily_bots", bots_add_up),
    Check("definitions_add_up", "daily_definitions", definitions_add_up),
    Check("conflicting_event_ids", "duplicate_events", conflicting_event_ids, is_error=False),
    Check("set_aside_rate", "source_files", set_aside_rate, is_error=False),
    Check("source_arrived", "source_files", source_arrived, is_error=False),
    Check("visitor_key_kept", "source_files", visitor_key_kept, is_error=False),
    Check("volume_unusual", "daily_summary", volume_unusual, is_error=False),
    Check("doubled_page_views", "events", doubled_page_views, is_error=False),
    Check("bot_share", "sessions", bot_share, is_error=False),
    Check("unfolded_actions", "session_actions", unfolded_actions, is_error=False),
    Check("built_by_current_rules", "warehouse", built_by_current_rules, is_error=False),
    Check("settings_match_data", "warehouse", settings_match_data, is_error=False),
    Check("silent_sites", "warehouse", silent_sites, is_error=False),
)

__all__ = [
    "CHECKS",
    "LARGEST_QUARANTINED_RATE",
    "Check",
    "Verdict",
    "ledger_closes",
    "missing_sources",
    "rejected_files",
]
