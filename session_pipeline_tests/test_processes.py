"""Tests which processes are found alive by their names."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from session_pipeline import processes
from session_pipeline_tests import process_names


def test_this_process_and_its_parent_are_alive() -> None:
    assert processes.is_alive(processes.own_name()) is True
    assert processes.is_alive(processes.name_of(os.getppid())) is True


def test_ended_process_is_dead() -> None:
    assert processes.is_alive(process_names.dead()) is False


def test_process_of_an_earlier_boot_is_dead() -> None:
    assert processes.is_alive(process_names.before_the_last_boot()) is False


def test_later_process_with_the_same_number_is_another_one() -> None:
    assert processes.is_alive(f"{processes.own_name()}0") is False


def test_process_elsewhere_is_unknown() -> None:
    assert processes.is_alive(process_names.in_another_container()) is None
    assert processes.is_alive(process_names.on_another_machine()) is None


@pytest.mark.parametrize("text", ["", "a", "shop-1/5d0e3b7c-0d1f/pid:[4026531836]/12/345"])
def test_text_that_is_no_name_is_unknown(text: str) -> None:
    assert processes.is_alive(text) is None


def test_process_that_the_system_hides_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    parent = processes.name_of(os.getppid())
    processes.own_name()
    read = Path.read_bytes

    def hidden(path: Path) -> bytes:
        if path.name == "stat":
            raise FileNotFoundError
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", hidden)
    assert processes.is_alive(parent) is None


def test_program_with_a_name_that_is_not_utf8_is_alive(tmp_path: Path) -> None:
    program = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 )"))
    shutil.copyfile(shutil.which("cat") or "", program)
    program.chmod(0o700)
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert processes.is_alive(processes.name_of(process.pid)) is True
        process.kill()


def test_child_of_a_fork_has_another_name() -> None:
    code = """
import os
from session_pipeline import processes
name = processes.own_name()
if (child := os.fork()) == 0:
    os._exit(processes.own_name() == name)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    subprocess.run([sys.executable, "-c", code], check=True)  # another process: the tests have threads
