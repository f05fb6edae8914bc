"""A signal at any moment of the program's life ends it with one line and the shell's exit code. Reliability: G2, G9, F-20."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from pybuild import __version__

# The program, in which a signal comes as the import of a module begins, or before or after a call of `signal.signal`.
PROGRAM = """\
import os, signal, sys

class Importing:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), {number})

calls = 0
install = signal.signal

def counted(*words):
    global calls
    calls += 1
    done = install(*words)
    if calls == {call}:
        os.kill(os.getpid(), {number})
    return done

sys.meta_path.insert(0, Importing())
signal.signal = counted
sys.argv = ["pybuild", "version"]
from pybuild.cli.start import {program}
{program}()
"""
SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])


def ended(
    number: signal.Signals, *, module: str = "", call: int = 0, program: str = "pybuild"
) -> subprocess.CompletedProcess[str]:
    text = PROGRAM.format(module=module, number=int(number), call=call, program=program)
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)


@SIGNALS
@pytest.mark.parametrize(
    ("program", "module"),
    [("pybuild", "click"), ("pybuild", "pybuild.cli.version"), ("pybuild_pack", "pybuild.cli.pack.compat")],
)
def test_a_signal_while_python_imports_is_no_traceback(
    number: signal.Signals, program: str, module: str
) -> None:
    done = ended(number, module=module, program=program)

    assert done.returncode == 128 + number
    assert done.stdout == ""
    assert done.stderr.splitlines()[0] == "ERROR: stopped"
    assert "Traceback" not in done.stderr


def test_a_signal_while_signals_are_taken_over_is_no_traceback() -> None:
    done = ended(signal.SIGINT, call=1)

    assert done.returncode == 128 + signal.SIGINT
    assert done.stderr == "ERROR: stopped\n  hint: the previous image and cache are as they were\n"


@SIGNALS
def test_a_signal_after_the_work_is_done_ends_the_program_in_silence(number: signal.Signals) -> None:
    """The last of the six calls gives the last signal back."""
    done = ended(number, call=6)

    assert done.returncode in {-number, 128 + number}
    assert "Traceback" not in done.stderr


def test_without_a_signal_the_program_does_its_work() -> None:
    done = ended(signal.SIGINT, call=7)

    assert done.returncode == 0
    assert done.stdout == f"{__version__}\n"
