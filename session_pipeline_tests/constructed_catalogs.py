"""Catalogs and planners without files, for tests: everything wanted counts as built from given raw events."""

from collections.abc import Mapping
from copy import copy
from datetime import date, timedelta

from session_pipeline.build.plan import Certainty, Kind, Plan
from session_pipeline.build.planner import Planner
from session_pipeline.build.wanted import wanted_days
from session_pipeline.reference.days import Calendar
from session_pipeline.settings import parse_settings
from session_pipeline.store.records import Key, Partition
from session_pipeline.tables.frame import Frame
from session_pipeline.tables.steps import STEPS

DAY = date(2026, 10, 5)
ONE = timedelta(days=1)
START = date(2020, 1, 1)
UNTIL = date(2026, 10, 20)


def quarter(hour: int, minute: int = 0) -> int:
    return 1 << (hour * 4 + minute // 15)


def raw(day: date, quarters: int, file_id: str = "f1", sha256: str = "raw") -> Partition:
    key = Key("raw_events", day, file_id)
    return Partition(key, f"{key}", sha256, 1, 1, "", counts={"quarters": f"{quarters:x}"})


class Built:
    """A catalog in which everything wanted was built, from given raw events and settings."""

    def __init__(self, *of_raw: Partition, settings: str = "", until: date = UNTIL) -> None:
        self.partitions: dict[Key, Partition] = {partition.key: partition for partition in of_raw}
        self.recipes: dict[str, Mapping[str, str]] = {}
        self.settings, self.until = settings, until
        planner = self.planner(settings, until)
        for step in STEPS:
            for day in planner.frame.wanted if step.is_daily else (None,):
                fingerprint = planner.fingerprints.of(step, day)
                assert fingerprint is not None
                self.recipes.update([planner.fingerprints.recipe(step)])
                for name in step.tables:
                    key = Key(name, day)
                    self.partitions[key] = Partition(
                        key, f"{key}", f"{key}", 1, 1, fingerprint.value, parts=fingerprint.parts
                    )

    def planner(self, settings: str = "", until: date = UNTIL) -> Planner:
        parsed = parse_settings(settings, "settings.toml")
        calendar = Calendar(parsed.timezone)
        of_raw = [partition for key, partition in self.partitions.items() if key.table == "raw_events"]
        wanted = wanted_days(of_raw, calendar, START, until)
        return Planner(self.partitions, self.recipes, Frame(parsed, calendar, wanted, until))

    def copy(self) -> "Built":
        other = copy(self)
        other.partitions = dict(self.partitions)
        return other

    def change(self, key: Key, **changes: object) -> None:
        newer = {"changed_generation": 1} if "sha256" in changes else {}
        self.partitions[key] = self.partitions[key]._replace(**{**newer, **changes})  # type: ignore[arg-type]


def described(plan: Plan) -> dict[str, tuple[Certainty, Kind, str]]:
    return {str(item): (item.certainty, item.kind, item.reason) for item in plan.items}
