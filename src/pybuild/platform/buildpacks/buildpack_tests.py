"""`pybuild buildpack test`: a buildpack's detect and build on small apps, on this machine and without an engine.

Each test is a folder `test/NAME` of the buildpack: the app in `app`, and expect.toml. The phases are the very ones of a
build; what stands for the builder is a temporary folder. Buildpacks run as this user: these are the author's own.
"""

from __future__ import annotations

import os
import platform
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pybuild import events
from pybuild.buildenv.local import LocalBuildEnv
from pybuild.errors import BuildpackFailed, DetectionFailed, InvalidInput, NothingDetected
from pybuild.lifecycle.build import BuildInputs, build
from pybuild.lifecycle.detect import DetectInputs, detect
from pybuild.lifecycle.env_dirs import read_given
from pybuild.oci import tar
from pybuild.platform.buildpacks import modules, package
from pybuild.platform.buildpacks.fixture_checks import Ran, check
from pybuild.spec import target as targets
from pybuild.spec import toml
from pybuild.spec.api import ApiVersion
from pybuild.spec.fixture import Fixture
from pybuild.spec.order import ModuleRef, OrderFile
from pybuild.spec.target import Distro, Target
from pybuild.stores.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pybuild.lifecycle.build import Built
    from pybuild.lifecycle.detect import Detected
    from pybuild.platform.buildpacks.package import Package

FOLDER = "test"
PLATFORM_API = ApiVersion(0, 15)
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_OTHERS = "pybuild-test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """One test. `problems`: how what happened is not what was expected; none if it passed. `output`: what was written."""

    name: str
    problems: tuple[str, ...]
    output: str
    seconds: float


def cases(folder: Path, names: Sequence[str] = ()) -> tuple[Path, ...]:
    """The folders of the tests of a buildpack, sorted; those of these names. Raises `InvalidInput` if one is missing."""
    if not folder.is_dir():
        raise InvalidInput(
            f"{folder} is no folder, so there is no buildpack in it to test",
            hint="pybuild buildpack new ID makes one",
        )
    found = {each.name: each for each in sorted((folder / FOLDER).glob("*")) if each.is_dir()}
    unknown = next((name for name in names if name not in found), None)
    if unknown is not None:
        raise InvalidInput(
            f"{folder} has no test {unknown!r}",
            hint=f"it has {', '.join(found)}" if found else "mkdir -p test/NAME/app",
        )
    if not found:
        raise InvalidInput(
            f"{folder} has no tests: there is no folder in {folder / FOLDER}",
            hint="make one with an app in it: mkdir -p test/hello/app",
        )
    return tuple(found[name] for name in names) if names else tuple(found.values())


def run(folder: Path, case: Path) -> Tested:
    """Run one test. Raises `PybuildError` for a buildpack or an expect.toml that cannot be read."""
    started = time.monotonic()
    file = case / "expect.toml"
    fixture = Fixture.read(file.read_bytes() if file.is_file() else b"", str(file))
    with scratch_folder() as root:
        content = package.load(folder, scratch=root)
        bench = _Bench(root=root, content=content, fixture=fixture)
        bench.set_up(case)
        ran = bench.run()
        problems = tuple(check(fixture, ran))
    return Tested(name=case.name, problems=problems, output=ran.output, seconds=time.monotonic() - started)


@dataclass(slots=True)
class _Bench:
    """What stands for a builder: folders below `root`."""

    root: Path
    content: Package
    fixture: Fixture
    env: LocalBuildEnv = field(default_factory=LocalBuildEnv)
    _heard: list[str] = field(default_factory=list)

    def set_up(self, case: Path) -> None:
        """Install the buildpacks, the app, and what the platform gives."""
        for name in ("layers", "tmp", "home", "cnb/buildpacks", "cnb/build-config/env", "platform/env"):
            (self.root / name).mkdir(parents=True)
        for module in (*self.content.modules, *self._others()):
            self.env.unpack(str(self.root), (*module.parts(absolute=False), tar.TRAILER))
        app = case / "app"
        if app.is_dir():
            shutil.copytree(app, self.root / "workspace", symlinks=True)
        else:
            (self.root / "workspace").mkdir()
        for key, value in self.fixture.env.items():
            (self.root / "platform/env" / key).write_text(value)
        for name, files in self.fixture.bindings.items():
            binding = self.root / "platform/bindings" / name
            binding.mkdir(parents=True)
            for key, value in files.items():
                (binding / key).write_text(value)

    def run(self) -> Ran:
        """Both phases, as far as they come; and the second build, where one is asked for."""
        with self._listening():
            try:
                detected = self._detect()
            except NothingDetected as exc:
                failed = "error" if isinstance(exc, DetectionFailed) else "fail"
                return Ran(detect=failed, output=self._said(), why=str(exc))
            built = self._build(detected)
            own = frozenset(str(module.descriptor) for module in self.content.modules)
            ran = Ran(
                detect="pass",
                build="fail" if built is None else "pass",
                output=self._said(),
                detected=detected,
                built=built,
                own=own,
                app=self.root / "workspace",
            )
            if built is None or self.fixture.rebuild is None:
                return ran
            self._restore()
            self._heard.clear()
            again = self._build(detected)
            return replace(ran, built=again or built, rebuild=again is not None, rebuilt=self._said())

    def _detect(self) -> Detected:
        root = self.root
        target = self._target()
        given = read_given(
            self.env,
            platform_dir=str(root / "platform"),
            build_config_dir=str(root / "cnb/build-config"),
            target=targets.environ(target),
            exec_env=self.fixture.exec_env,
        )
        main = self.content.main.descriptor
        refs = [ModuleRef(id=main.id, version=main.version)]
        refs += [ModuleRef(id=each.descriptor.id, version=each.descriptor.version) for each in self._others()]
        if self.fixture.provided_by_others:
            refs.reverse()
        return detect(
            self.env,
            DetectInputs(
                order=OrderFile(order=(tuple(refs),)),
                platform_api=PLATFORM_API,
                target=target,
                given=given,
                environ=self._environ(),
                app_dir=str(root / "workspace"),
                buildpacks_dir=str(root / "cnb/buildpacks"),
                tmp_dir=str(root / "tmp"),
            ),
        )

    def _build(self, detected: Detected) -> Built | None:
        """None if a bin/build failed; what it wrote says why."""
        try:
            return build(
                self.env,
                BuildInputs(
                    group=detected.group,
                    plan=detected.plan,
                    modules=detected.modules,
                    platform_api=PLATFORM_API,
                    given=detected.given,
                    environ=self._environ(),
                    app_dir=str(self.root / "workspace"),
                    layers_dir=str(self.root / "layers"),
                    tmp_dir=str(self.root / "tmp"),
                ),
            )
        except BuildpackFailed as exc:
            self._heard.append(f"{exc}\n")
            return None

    def _restore(self) -> None:
        """Leave of the layers what the next build would find: cached ones, and the metadata of those for launch."""
        for file in (self.root / "layers").glob("*/*.toml"):
            if file.name in ("launch.toml", "build.toml", "store.toml"):
                if file.name != "store.toml":
                    file.unlink()
                continue
            table = toml.load(file.read_bytes(), file=file.name)
            types = table.table("types")
            if not types.flag("cache"):
                shutil.rmtree(file.with_suffix(""), ignore_errors=True)
            if not types.flag("cache") and not (types.flag("launch") and not types.flag("build")):
                file.unlink()
                continue
            metadata = table.table("metadata").raw()
            file.write_text(toml.dumps({"metadata": metadata}) if metadata else "")

    def _others(self) -> tuple[modules.Module, ...]:
        """A buildpack that requires and provides what the test says of others."""
        required, provided = self.fixture.required_by_others, self.fixture.provided_by_others
        if not required and not provided:
            return ()
        plan = toml.dumps(
            {
                "requires": [{"name": name} for name in required],
                "provides": [{"name": name} for name in provided],
            }
        )
        descriptor = f'api = "0.10"\n[buildpack]\nid = "{_OTHERS}"\nversion = "1"\n'.encode()
        return (
            modules.from_files(
                descriptor,
                {
                    "bin/detect": f"#!/bin/sh\ncat > \"$CNB_BUILD_PLAN_PATH\" <<'END'\n{plan}END\n".encode(),
                    "bin/build": b"#!/bin/sh\nexit 0\n",
                },
                origin="expect.toml",
            ),
        )

    def _target(self) -> Target:
        """What the test says, else the first target that the buildpack declares, else this machine."""
        given = self.fixture.target
        declared = self.content.main.descriptor.targets
        first = declared[0] if declared else None
        here = _ARCHITECTURES.get(platform.machine(), platform.machine())
        distro = first.distros[0] if first and first.distros else Distro()
        name = given.get("distro") or distro.name or "debian"
        return Target(
            os=given.get("os") or (first.os if first else "") or "linux",
            arch=given.get("arch") or (first.arch if first else "") or here,
            variant=given.get("variant") or (first.variant if first else ""),
            distro=Distro(name=name, version=given.get("distro-version") or distro.version or "12"),
        )

    def _environ(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.root / "home")}

    @contextmanager
    def _listening(self) -> Iterator[None]:
        def hear(event: events.Event) -> None:
            if isinstance(event, events.Output):
                self._heard.append(event.data.decode(errors="replace"))
            elif isinstance(event, events.Info | events.Detail | events.Warned):
                self._heard.append(f"{event.text}\n")

        with events.listening(hear):
            yield

    def _said(self) -> str:
        return "".join(self._heard).replace(str(self.root), "")
