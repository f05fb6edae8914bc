"""Every launcher test runs under each kind of sh that an app image may have."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from pybuild.spec.launch import Process
from unit.launcher.apps import SHOW, App

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(
    params=[
        pytest.param(shell, marks=[] if shutil.which(shell.split()[0]) else [pytest.mark.skip(f"no {shell}")])
        for shell in ("dash", "busybox sh", "bash --posix")
    ]
)
def app(request: pytest.FixtureRequest, tmp_path: Path) -> App:
    """An app with one direct process `web` and no layers, for each kind of sh that an image may have."""
    app = App(root=tmp_path, shell=request.param)
    for directory in ("app/sub", "process", "layers/config", "layers/acme_app"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "layers/config/metadata.toml").touch()
    (tmp_path / "show.py").write_text(SHOW)
    app.processes.append(Process(type="web", command=app.show, buildpack_id="acme/app"))
    return app
