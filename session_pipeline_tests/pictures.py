"""Makes the pictures of the README from the committed sample: the report, and the Dagster UI.

`python -m session_pipeline_tests.pictures` runs the pipeline over a copy of the sample, opens both in Chromium, and
writes docs/images/ with a hash of what each picture shows. A test compares the hashes.
"""

import hashlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from importlib.metadata import version
from pathlib import Path
from time import sleep
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import duckdb
import numpy as np

from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import home
from session_pipeline.publish import warehouse
from session_pipeline.report import figures, flaws
from session_pipeline.report.funnels import open_days
from session_pipeline.report.page import render
from session_pipeline.settings import Settings, load_settings
from session_pipeline.settings_warnings import find, folders_of_sources
from session_pipeline.tables import TABLES

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
REPORT, UI = "report.png", "dagster.png"
HASHES = IMAGES / "shown.json"
UNTIL = "2026-10-12"
LATER_DAYS = "Later days are not in this report."
TABLE, DAY = "daily_outcomes", date(2026, 10, 11)
MAIN = "from session_pipeline.cli import main; main()"
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
MOST_BYTES = 150_000
PIXELS = """async encoded => {
    const binary = Uint8Array.from(atob(encoded), character => character.charCodeAt(0));
    const image = await createImageBitmap(new Blob([binary], {type: "image/png"}));
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const pixels = context.getImageData(0, 0, image.width, image.height).data;
    let text = "";
    for (let at = 0; at < pixels.length; at += 32768) text += String.fromCharCode(...pixels.subarray(at, at + 32768));
    return [image.width, image.height, btoa(text)];
}"""


def shown(folder: DataFolder) -> dict[str, str]:
    """Return a hash of what each picture shows of a sample that was run: the page, and a table's metadata in the UI."""
    settings = load_settings(folder.path)
    with warehouse.connect(folder.warehouse, folder.store) as connection:
        text = report_text(connection, settings, folder)
        rows = connection.execute(
            f"select * from {TABLE} where session_date = $day order by all", {"day": DAY}
        ).fetchall()
    contract, metadata = repr(TABLES[TABLE]), ROOT / "session_pipeline" / "defs" / "metadata.py"
    return {
        REPORT: _hash([text.encode()]),
        UI: _hash([version("dagster").encode(), contract.encode(), repr(rows).encode(), metadata.read_bytes()]),
    }


def report_text(connection: duckdb.DuckDBPyConnection, settings: Settings, folder: DataFolder) -> str:
    """Return the styles and the part of the page that the picture shows: all above the list of sections.

    The page is that of a chosen day, so that it does not depend on the day of the run. The parts below have times of
    the run and the version of the package.
    """
    read = figures.read(connection, settings.timezone, DAY, open_days(settings))
    look = flaws.look_first(connection, read, settings)
    text = render(read, settings, find(connection, settings, folders_of_sources(folder.raw)), look).text
    return text.split('<nav aria-label="Sections">')[0].replace(LATER_DAYS, "")


def _hash(parts: Iterable[bytes]) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(hashlib.sha256(part).digest())
    return found.hexdigest()[:16]


def main() -> None:
    """Write both pictures."""
    from playwright.sync_api import sync_playwright

    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        folder = DataFolder(Path(scratch) / "data")
        shutil.copytree(ROOT / "data" / "raw", folder.path / "raw")
        shutil.copy(ROOT / "data" / "settings.toml", folder.path)
        command = [sys.executable, "-c", MAIN, "run", "--data", str(folder.path), "--until", UNTIL]
        subprocess.run(command, check=True, cwd=ROOT)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        report = browser.new_page(viewport={"width": 1300, "height": 800})
        report.goto((folder.reports / "latest.html").as_uri())
        taken = {REPORT: report.screenshot()}
        with webserver(folder) as address:
            ui = browser.new_page(viewport={"width": 1300, "height": 715})
            ui.goto(f"{address}/assets/{TABLE}?view=partitions&partition={DAY}")
            ui.get_by_text("dagster/partition_row_count").first.wait_for()
            sleep(3)  # the page still moves
            taken[UI] = ui.screenshot()
        for name, png in taken.items():
            (IMAGES / name).write_bytes(small_png(report, png))
        browser.close()
        HASHES.write_text(json.dumps(shown(folder), indent=2) + "\n")
    for name in (REPORT, UI):
        print(f"{IMAGES / name}: {(IMAGES / name).stat().st_size:,} bytes")


def small_png(page: Any, png: bytes) -> bytes:
    """Return a picture with at most 256 colours, which has about a third of the bytes. `page` decodes it."""
    width, height, encoded = page.evaluate(PIXELS, b64encode(png).decode())
    pixels = np.frombuffer(b64decode(encoded), np.uint8).reshape(height, width, 4)[:, :, :3]
    packed = pixels.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    found, places, counts = np.unique(packed, return_inverse=True, return_counts=True)
    channels = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1)
    palette = channels[np.argsort(-counts, kind="stable")[:256]]
    distances = np.abs(channels[:, None, :] - palette[None, :, :]).sum(axis=2)
    nearest = distances.argmin(axis=1).astype(np.uint8)[places.reshape(height, width)]
    rows = np.concatenate([np.zeros((height, 1), np.uint8), nearest], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"PLTE", palette.astype(np.uint8).tobytes()),
        (b"IDAT", zlib.compress(rows.tobytes(), 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


@contextmanager
def webserver(folder: DataFolder) -> Iterator[str]:
    """Yield the address of a Dagster webserver of the data folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    module = "session_pipeline.definitions"
    server = subprocess.Popen(
        [sys.executable, "-m", "dagster_webserver", "-m", module, "-h", "127.0.0.1", "-p", str(port)],
        cwd=ROOT,
        env={**os.environ, **home.prepare(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(900):
            try:
                with urlopen(f"{address}/server_info", timeout=5):
                    break
            except URLError:
                sleep(0.2)
        yield address
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


if __name__ == "__main__":
    main()
