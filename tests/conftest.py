"""Fixtures for all tests; they live in tests/support, by what they stand for."""

from __future__ import annotations

pytest_plugins = [
    "support.engine",
    "support.cli",
    "support.chroot",
    "support.registry",
    "support.extensions",
    "support.dist",
]
