"""A small app image on this machine: layers, an app, and the launcher that export would have made for them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pybuild.buildenv.local import LocalBuildEnv
from pybuild.launcher.compile import compile_launcher
from pybuild.launcher.inputs import LauncherInputs, launch_inputs, patterns
from pybuild.spec.api import ApiVersion
from pybuild.spec.launch import Metadata, Process
from pybuild.spec.names import escape_id
from pybuild.spec.order import GroupElement

if TYPE_CHECKING:
    from pathlib import Path

# Writes what it was given as JSON; Python keeps every variable, whatever its name.
SHOW = """\
import json, os, sys
what = {
    "argv": sys.argv[1:],
    "environ": {os.fsdecode(k): os.fsdecode(v) for k, v in os.environb.items()},
    "cwd": os.getcwd(),
    "pid": os.getpid(),
    "files": sorted(int(name) for name in os.listdir("/proc/self/fd")),
}
sys.stdout.write(json.dumps(what))
"""
# Python itself sets this one in the C locale.
ADDED = {"LC_CTYPE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """How a launch ended; the last four are empty unless the app ran."""

    status: int
    errors: str
    argv: list[str] = field(default_factory=list)
    environ: dict[str, str] = field(default_factory=dict)
    cwd: str = ""
    files: list[int] = field(default_factory=list)
    same_process: bool = False


@dataclass(slots=True, kw_only=True)
class App:
    """Put files below `layers` and `app`, then `launch`. `kind`: the process type."""

    root: Path
    shell: str
    processes: list[Process] = field(default_factory=list)
    buildpacks: dict[str, str] = field(default_factory=lambda: {"acme/app": "0.10"})

    @property
    def layers(self) -> Path:
        return self.root / "layers"

    @property
    def show(self) -> tuple[str, ...]:
        return (sys.executable, "-S", "-E", str(self.root / "show.py"))

    def file(self, path: str, content: str | bytes = "") -> Path:
        """A file below the layers directory; executable if it begins with #!."""
        file = self.layers / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        file.chmod(0o755 if file.read_bytes().startswith(b"#!") else 0o644)
        return file

    def inputs(self, *, here: bool = True) -> LauncherInputs:
        """`here` False: as if all layers came from the previous image."""
        place = LocalBuildEnv()
        root = str(self.layers)
        return launch_inputs(
            Metadata(
                processes=tuple(self.processes),
                buildpacks=tuple(
                    GroupElement(id=name, version="1", api=api) for name, api in self.buildpacks.items()
                ),
            ),
            platform_api=ApiVersion(0, 12),
            layers_dir=root,
            app_dir=str(self.root / "app"),
            entries=place.scan([root])[0].entries if here else (),
            files=place.read_files(patterns(root)) if here else {},
            layers=None
            if here
            else [
                (name, path.name)
                for name in self.buildpacks
                for path in self.layers.glob(f"{escape_id(name)}/*/")
            ],
        )

    def launch(
        self, *args: str | bytes, kind: str = "web", environ: dict[str, Any] | None = None, here: bool = True
    ) -> Launched:
        script = compile_launcher(self.inputs(here=here)).removeprefix(b"#!/bin/sh\n")
        program, *options = self.shell.split()
        launcher = self.root / "process" / kind
        launcher.write_bytes(f"#!{shutil.which(program)} {' '.join(options)}\n".encode() + script)
        launcher.chmod(0o755)
        with subprocess.Popen(
            [launcher, *args],
            env={"PATH": "/cnb/process:/usr/bin:/bin", "CNB_PLATFORM_API": "0.12", **(environ or {})},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as running:
            output, errors = running.communicate(timeout=120)
        shown = json.loads(output) if output.startswith(b"{") else {}
        return Launched(
            status=running.returncode,
            errors=os.fsdecode(errors if shown else output + errors),
            argv=shown.get("argv", []),
            environ={k: v for k, v in shown.get("environ", {}).items() if k not in ADDED},
            cwd=shown.get("cwd", ""),
            files=shown.get("files", []),
            same_process=shown.get("pid") == running.pid,
        )
