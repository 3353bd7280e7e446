"""Names the visits of which hard times are a share, with the same words in the tiles, the sentences and the section."""

from session_pipeline.report.figures import Row

ALL_VISITS = "all visits"
SOME = "the visits on days and sites that can show one"


def observed_visits(week: Row) -> str:
    """Return of which visits `friction_rate` is a share: those of days and sites without a null hard_time_count."""
    return ALL_VISITS if week["observed_count"] == week["session_count"] else SOME
