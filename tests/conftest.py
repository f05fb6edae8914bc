"""Fixtures for all tests; they live in tests/support, by what they stand for."""

from __future__ import annotations

import signal

import pytest
from hypothesis import HealthCheck, settings

from pybuild import events

pytest_plugins = [
    "support.engine",
    "support.cli",
    "support.chroot",
    "support.registry",
    "support.extensions",
    "support.dist",
    "support.podman",
    "support.private_engine",
    "support.reader",
    "support.browser",
    "support.build_place",
]

# Who starts the tests in the background hands on that Ctrl-C is ignored; tests of Ctrl-C want it as users have it.
signal.signal(signal.SIGINT, signal.default_int_handler)
# The same holds of Ctrl-\\, which ends whoever has not said anything else.
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
# And `nohup` hands on that a hang-up is: a shell that is started so can trap it no more.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# How long one example takes says more of what else the machine does than of our code.
# The same examples each time: what is new is looked for by `make fuzz`, and not by the tests of somebody's change.
settings.register_profile(
    "pybuild", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("pybuild")


@pytest.fixture(autouse=True)
def _nothing_stays_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test has `events.hide` hide, such as a word that hypothesis made up, the next one may show."""
    monkeypatch.setattr(events._AUDIENCE, "secrets", set())
