"""Writes everything that is held about one visitor or user as one JSON document, for `export --visitor`.

What is held is found in `run.held`. The command, and its other form without a visitor, are in `cli.exporting`.
"""

import sys
from pathlib import Path
from typing import Any

from session_pipeline.cli.app import ended
from session_pipeline.cli.output import STANDARD_OUTPUT, destination
from session_pipeline.cli.screen import json_text
from session_pipeline.data_folder import DataFolder
from session_pipeline.run.held import Held, find_held, held_tables
from session_pipeline.run.opened import OpenFolder, open_folder
from session_pipeline.run.person import Person


def write(folder: DataFolder, person: Person, file: Path) -> None:
    """Write the document to a file, or to standard output if the file is `-`."""
    with open_folder(folder) as opened:
        held = find_held(opened, person)
        if held.is_empty:
            raise ended("nothing is held about this id; ids are compared as they are in the tables, see `events`")
        document = _document(opened, held)
    if file == STANDARD_OUTPUT:
        sys.stdout.write(json_text(document, sys.stdout, indent=1) + "\n")
        return
    with destination(file) as target, target.open("w", encoding="utf-8") as written:
        written.write(json_text(document, written, indent=1) + "\n")


def _document(opened: OpenFolder, held: Held) -> dict[str, Any]:
    catalog = opened.store.catalog
    ledger = catalog.source_files()
    return {
        "visitor_id": held.person.visitor,
        "user_id": held.person.user,
        "site": held.person.site,
        "visitors": [{"site": site, "visitor_id": visitor} for site, visitor in held.visitors],
        "users": [{"site": site, "user_id": user} for site, user in held.users],
        "visitors_with_other_users": [{"site": site, "visitor_id": each} for site, each in held.shared_visitors],
        "delivered_files": [
            {"file_id": file_id, "source": ledger[file_id].facts["source"], "paths": catalog.paths_of(file_id)}
            for file_id in sorted(held.file_ids)
        ],
        "unsearched_files": [str(path.relative_to(opened.folder.raw)) for path in held.unsearched_files],
        "tables": held_tables(opened.store, held),
    }
