"""Runs bin/build of every buildpack of the group and makes one description of the image of what they say.

Specification: buildpack.md, "Phase #5: Build"; platform.md, "builder".
"""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from secrets import randbelow
from shlex import quote
from typing import TYPE_CHECKING

from pybuild.buildenv.api import Command
from pybuild.errors import BuildError, BuilderUnusable, BuildpackFailed, InvalidInput, PybuildError
from pybuild.events import BuildpackFinished, Output, detail, emit, warn
from pybuild.lifecycle import layers_dir, sbom
from pybuild.lifecycle.contributions import build_layer_environ, merge_processes, plan_of, without_met
from pybuild.lifecycle.env_dirs import follow_links
from pybuild.lifecycle.layers_dir import Left
from pybuild.lifecycle.outputs import (
    NOT_LAYERS,
    Outputs,
    check_directories,
    check_unmet,
    output_patterns,
    read_outputs,
)
from pybuild.lifecycle.scripts import run_lines, write_file
from pybuild.spec import environ
from pybuild.spec.api import ApiVersion, check_buildpack_api
from pybuild.spec.launch import BomEntry, Metadata, StoreToml
from pybuild.spec.names import escape_id
from pybuild.spec.order import Group, GroupElement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pybuild.buildenv.api import BuildEnv
    from pybuild.lifecycle.buildpacks import Module, Modules
    from pybuild.lifecycle.layers_dir import Found
    from pybuild.lifecycle.resumable import Resumable
    from pybuild.lifecycle.sbom import SbomFile
    from pybuild.spec.environ import Given
    from pybuild.spec.layer import LayerToml
    from pybuild.spec.plan import BuildpackPlan, Plan

# A later buildpack may have put a FIFO in the place of an earlier one's SBOM: reading it would take for ever.
_COPY = """
copy() {
    if [ -L "$1" ] || [ ! -f "$1" ]; then echo "$1 is no regular file any more" >&2; return 1; fi
    mkdir -p -- "${2%/*}"
    cp -- "$1" "$2"
}
"""
_KILLED = 128  # and the signal's number
_SBOM_COPIES, _LEGACY_SBOM = ApiVersion(0, 8), ApiVersion(0, 9)  # Platform API


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildInputs:
    """All that the build depends on. Directories are absolute paths in the build environment.

    `environ`: that of the container (or of the phase); buildpacks see the part of it that is for them.
    `given`: from `env_dirs.read_given`. `tmp_dir`: where buildpack plans are put while their buildpack runs.
    `keep_failed`: leave all as it is when one fails, for who wants to look at it. `resume`: is told which layers the next
    build may have all the same, when one has failed by itself.
    """

    group: Group
    plan: Plan
    modules: Modules
    platform_api: ApiVersion
    given: Given
    environ: Mapping[str, str]
    app_dir: str
    layers_dir: str
    tmp_dir: str = "/tmp"
    keep_failed: bool = False
    resume: Callable[[Resumable], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltLayer:
    """One layer with a `<layer>.toml`. `path`: its directory, which is there iff `has_directory`."""

    name: str
    path: str
    toml: LayerToml
    has_directory: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltBuildpack:
    """What one buildpack leaves to export. `layers` and `sboms`: in the order of their names' bytes.

    `left`: how that was when the next buildpack began; nothing is known of the last one.
    """

    module: GroupElement
    layers: tuple[BuiltLayer, ...]
    store: StoreToml | None = None
    sboms: tuple[SbomFile, ...] = ()
    left: Left = field(default_factory=Left)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """The result of a build. `metadata_toml`: the bytes now at `<layers>/config/metadata.toml`.

    `sbom_dirs`: which of "launch", "build" and "cache" are now in `<layers>/sbom`.
    """

    metadata: Metadata
    metadata_toml: bytes
    buildpacks: tuple[BuiltBuildpack, ...]
    sbom_dirs: frozenset[str]


def build(env: BuildEnv, inputs: BuildInputs) -> Built:
    """Run every buildpack's bin/build, in order; write metadata.toml and the collected SBOMs.

    Round trips: three for each buildpack, two at the end; two more for a buildpack with links among its env files.
    `BuildpackFailed` (51) when a bin/build fails; `BuildError` (52) when what one wrote cannot be used;
    `BuildpackApiUnsupported` (12) before anything is run.
    """
    for element in inputs.group.buildpacks:
        check_buildpack_api(element.api, f"buildpack {element}")
    work = _Work(env, inputs)
    try:
        with _as_build_error():
            modules = [inputs.modules.find("buildpack", it.id, it.version) for it in inputs.group.buildpacks]
        for element, module in zip(inputs.group.buildpacks, modules, strict=True):
            with _as_build_error(module):
                work.run(element, module)
        return work.finish()
    except (BuildError, BuildpackFailed):
        # Not after Ctrl-C, which must not wait for a build environment that may be gone.
        if not inputs.keep_failed:
            work.clean_up()
        raise


@dataclass(slots=True)
class _Ran:
    """A buildpack whose bin/build has ended well, but whose directory is not tidied yet."""

    element: GroupElement
    module: Module
    directory: str
    outputs: Outputs

    def kept(self) -> list[str]:
        """Names of the layers that stay in their place."""
        ignored = _ignored(self.outputs.layers)
        return [name for name in self.outputs.layers if name not in ignored]


class _Work:
    """One build under way: what later buildpacks see of earlier ones, and lines for the next script."""

    def __init__(self, env: BuildEnv, inputs: BuildInputs) -> None:
        self._env = env
        self._inputs = inputs
        self._environ = environ.from_container(inputs.environ)
        self._plan = inputs.plan
        self._sbom_dir = f"{inputs.layers_dir}/sbom"
        self._lines = [f"rm -rf -- {quote(self._sbom_dir)}"]
        self._temporary = ""
        self._ran: _Ran | None = None
        self._settled: list[tuple[GroupElement, Outputs]] = []
        self._built: list[BuiltBuildpack] = []

    def run(self, element: GroupElement, module: Module) -> None:
        """Run one bin/build and read what it wrote."""
        detail(f"Running build for buildpack {element}")
        own = escape_id(element.id)
        directory = f"{self._inputs.layers_dir}/{own}"
        self._temporary = f"{self._inputs.tmp_dir}/{own}-{randbelow(1 << 32)}"
        plan_path = f"{self._temporary}/{own}/plan.toml"
        plan = plan_of(self._plan, element.id)
        text = plan.write().decode()
        ready = layers_dir.preparation(directory, plan_path, text)
        if self._ran is None:
            self._lines += ready
        else:
            first, last = layers_dir.leaving(self._ran.directory, self._ran.kept(), self._temporary)
            self._lines = [*ready, *first, *self._lines, *last]
        self._send()
        command = self._command(module, directory, plan_path)
        start = time.monotonic()
        status = self._env.run(command, partial(_shown, element.id))
        if status != 0:
            self._leave(module, status)
            raise BuildpackFailed(
                f"bin/build of {element} {_how_it_ended(status)}",
                hint=_hint(status),
                place=self._env,
                command=command,
            )
        emit(BuildpackFinished(buildpack=str(element), seconds=time.monotonic() - start))
        files = self._env.read_files(output_patterns(directory))
        outputs = read_outputs(files, directory=directory, api=module.api, buildpack_id=element.id)
        self._plan = without_met(self._plan, self._met(plan, outputs, directory))
        self._lines += layers_dir.tidying(directory, _ignored(outputs.layers))
        self._lines.append(f"rm -rf -- {quote(self._temporary)}")
        self._ran = _Ran(element, module, directory, outputs)

    def finish(self) -> Built:
        """Tidy up after the last buildpack and write what all of them said."""
        self._send()
        metadata = self._metadata()
        with _as_build_error():
            text = metadata.write(self._inputs.platform_api)
        copies = self._copies()
        lines = [
            f"rm -rf -- {quote(self._sbom_dir)}",
            *(f"copy {quote(source)} {quote(target)}" for source, target in copies),
            *self._legacy_sboms(),
            *_metadata_lines(f"{self._inputs.layers_dir}/config", text.decode()),
        ]
        run_lines(self._env, lines, first=_COPY)
        legacy = ("launch", "build") if self._inputs.platform_api >= _LEGACY_SBOM else ()
        start = len(self._sbom_dir) + 1
        return Built(
            metadata=metadata,
            metadata_toml=text,
            buildpacks=tuple(self._built),
            sbom_dirs=frozenset([*legacy, *(target[start:].partition("/")[0] for _, target in copies)]),
        )

    def clean_up(self) -> None:
        """Remove what buildpacks are not to find there another time. The build has failed: say nothing more."""
        if self._temporary:
            with suppress(PybuildError):
                self._env.script(f"rm -rf -- {quote(self._temporary)}")

    def _leave(self, failed: Module, status: int) -> None:
        """Say what the next build may have, unless something killed the buildpack: then nothing is sure to be whole."""
        if self._inputs.resume is None or not 0 < status < _KILLED:
            return
        # Phases of other platforms have no use for it.
        from pybuild.lifecycle.resumable import hand_on

        hand_on(self._inputs.resume, self._env, self._inputs.layers_dir, self._built, failed)

    def _command(self, module: Module, directory: str, plan_path: str) -> Command:
        given = self._inputs.given
        return Command(
            argv=(
                f"{module.root}/bin/build",
                *environ.build_arguments(given, layers_dir=directory, plan_path=plan_path),
            ),
            environ=environ.build_environ(
                self._environ,
                given,
                api=module.api,
                clear_env=module.descriptor.clear_env,
                module_dir=module.root,
                layers_dir=directory,
                plan_path=plan_path,
            ),
            cwd=self._inputs.app_dir,
        )

    def _met(self, plan: BuildpackPlan, outputs: Outputs, directory: str) -> list[str]:
        asked = [require.name for require in plan.entries]
        check_unmet(outputs.build.unmet, asked, f"{directory}/build.toml")
        return [name for name in asked if name not in outputs.build.unmet]

    def _send(self) -> None:
        """Send the lines that are due, and take in what they say about the buildpack that ran last."""
        said = run_lines(self._env, self._lines, first=layers_dir.FUNCTIONS)
        self._lines = []
        ran, self._ran = self._ran, None
        if ran is not None:
            with _as_build_error(ran.module):
                found = layers_dir.read_found(said, ran.directory)
                self._settle(ran, found, layers_dir.read_left(said, ran.kept()))

    def _settle(self, ran: _Ran, found: Found, left: Left) -> None:
        outputs = ran.outputs
        check_directories(outputs.layers, found.kinds, ran.directory)
        env_files = {
            path: content for path, content in outputs.env_files.items() if _of_build_layer(path, ran)
        }
        self._environ = build_layer_environ(
            self._environ, ran.directory, outputs, found, follow_links(self._env, env_files)
        )
        self._settled.append((ran.element, outputs))
        self._built.append(
            BuiltBuildpack(
                module=ran.element,
                layers=_layers(outputs.layers, found, ran.directory),
                store=outputs.store,
                sboms=_sboms(ran, found),
                left=left,
            )
        )

    def _metadata(self) -> Metadata:
        launch = [outputs.launch for _, outputs in self._settled]
        processes, default = merge_processes(it.processes for it in launch)
        return Metadata(
            processes=processes,
            labels=tuple(label for it in launch for label in it.labels),
            slices=tuple(part for it in launch for part in it.slices),
            buildpacks=self._inputs.group.buildpacks,
            extensions=self._inputs.group.extensions,
            default_process_type=default,
            bom=self._bom("launch") if self._inputs.platform_api < _LEGACY_SBOM else (),
        )

    def _bom(self, file: str) -> tuple[BomEntry, ...]:
        return tuple(
            replace(entry, owner=GroupElement(id=element.id, version=element.version))
            for element, outputs in self._settled
            for entry in (outputs.launch.bom if file == "launch" else outputs.build.bom)
        )

    def _copies(self) -> list[tuple[str, str]]:
        if self._inputs.platform_api < _SBOM_COPIES:
            return []
        return [
            pair
            for built in self._built
            for pair in sbom.copies(self._inputs.layers_dir, built.module.id, built.sboms)
        ]

    def _legacy_sboms(self) -> list[str]:
        if self._inputs.platform_api < _LEGACY_SBOM:
            return []
        lines = []
        for kind in ("launch", "build"):
            lines.append(f"mkdir -p -- {quote(f'{self._sbom_dir}/{kind}')}")
            text = sbom.legacy_sbom(self._bom(kind))
            lines += write_file(f"{self._sbom_dir}/{kind}/sbom.legacy.json", text)
        return lines


@contextmanager
def _as_build_error(module: Module | None = None) -> Iterator[None]:
    """Whatever is wrong with a file is an error of this phase (52), and the buildpack's that wrote it."""
    try:
        yield
    except (InvalidInput, BuilderUnusable) as exc:
        raise BuildError(f"{module}: {exc}" if module else str(exc), hint=exc.hint) from exc


def _shown(source: str, data: bytes) -> None:
    emit(Output(source=source, data=data))


def _how_it_ended(status: int) -> str:
    if status < 0:
        return "could not be started"
    with suppress(ValueError):
        return f"was killed by {signal.Signals(status - 128).name} (status {status})"
    return f"failed with exit code {status}"


def _hint(status: int) -> str:
    if status < 0:
        return "the reason is in its output above: is there a program bin/build, can it be executed?"
    if status == 128 + signal.SIGKILL:
        return "memory may have run out: allow the build more of it"
    return "its output above tells more"


def _ignored(layers: Mapping[str, LayerToml]) -> list[str]:
    return [name for name, layer in layers.items() if not (layer.build or layer.launch or layer.cache)]


def _of_build_layer(path: str, ran: _Ran) -> bool:
    layer = path.removeprefix(f"{ran.directory}/").partition("/")[0]
    return layer in ran.outputs.layers and ran.outputs.layers[layer].build


def _sboms(ran: _Ran, found: Found) -> tuple[SbomFile, ...]:
    names = [name for name, kind in found.kinds.items() if kind != "d"]
    declared = ran.module.descriptor.sbom_formats
    files = sbom.sbom_files(names, ran.outputs.layers, declared=declared, directory=ran.directory)
    for file in files:
        if found.kinds[file.name] != "f":
            raise InvalidInput(f"{ran.directory}/{file.name}: an SBOM must be a regular file")
    if not files:
        for name, bom in (("launch", ran.outputs.launch.bom), ("build", ran.outputs.build.bom)):
            if bom:
                warn(
                    f"{ran.directory}/{name}.toml: [[bom]] is deprecated",
                    hint="the buildpack's authors should write SBOM files instead",
                )
    return files


def _layers(layers: Mapping[str, LayerToml], found: Found, directory: str) -> tuple[BuiltLayer, ...]:
    built = [
        BuiltLayer(
            name=name, path=f"{directory}/{name}", toml=layer, has_directory=found.kinds.get(name) == "d"
        )
        for name, layer in sorted(layers.items(), key=lambda item: item[0].encode("utf-8", "surrogateescape"))
    ]
    return tuple(layer for layer in built if layer.has_directory or layer.name not in NOT_LAYERS)


def _metadata_lines(config: str, text: str) -> list[str]:
    # A buildpack may have left a link in the place of what is the lifecycle's own.
    folder = quote(config)
    return [
        f"if [ -L {folder} ]; then rm -- {folder}; fi; mkdir -p -- {folder}",
        *write_file(f"{config}/metadata.toml", text),
    ]
