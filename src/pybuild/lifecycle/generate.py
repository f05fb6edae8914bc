"""Runs bin/generate of every extension of the group, and works out what their Dockerfiles ask for.

Specification: image_extension.md, "Phase: Generation"; platform.md, "detector", on extensions.
"""

from __future__ import annotations

import glob
import posixpath
import secrets
from contextlib import suppress
from dataclasses import dataclass, replace
from shlex import quote
from typing import TYPE_CHECKING

from pybuild import events
from pybuild.buildenv.api import Command, Refused
from pybuild.errors import BuildError, ExtensionFailed, GenerateError, InvalidInput, InvalidReference
from pybuild.lifecycle.dockerfiles import Dockerfile, read_dockerfile
from pybuild.lifecycle.extend import BUILD_ID, GROUP_ID, USER_ID, Application, Kind
from pybuild.lifecycle.scripts import run_lines
from pybuild.oci import tar
from pybuild.oci.reference import Reference
from pybuild.spec import environ, toml
from pybuild.spec.analyzed import Analyzed, RunImage
from pybuild.spec.api import ApiVersion
from pybuild.spec.names import escape_id
from pybuild.spec.plan import BuildpackPlan, Plan

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pybuild.buildenv.api import BuildEnv
    from pybuild.lifecycle.buildpacks import Module
    from pybuild.lifecycle.detect import Detected, DetectInputs
    from pybuild.spec.order import GroupElement
    from pybuild.spec.run_image import RunImageName

_IN_PLACE_SINCE = ApiVersion(0, 13)
_ONLY_NEW_SINCE = ApiVersion(0, 12)
_OWN_ARGS = frozenset({BUILD_ID, USER_ID, GROUP_ID})
_KINDS: tuple[Kind, ...] = ("run", "build")


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateInputs:
    """What detection was given and found, the run image so far, the run images a builder knows, and where to put
    the result: `generated_dir`, an absolute path in the build environment.
    """

    detect: DetectInputs
    detected: Detected
    analyzed: Analyzed
    run_images: Sequence[RunImageName]
    generated_dir: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedFile:
    """One Dockerfile of one extension. `path`: where it was found. `ignored`: a later one replaces its base.

    `args`: of extend-config.toml, for its kind; `context`: the folder that it takes files from.
    """

    extension_id: str
    path: str
    dockerfile: Dockerfile
    content: bytes
    args: Mapping[str, str]
    context: str
    ignored: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """`analyzed` with the run image that extensions chose; `plan` without what extensions provide."""

    analyzed: Analyzed
    plan: Plan
    files: tuple[GeneratedFile, ...]

    def to_apply(self, kind: Kind) -> tuple[Application, ...]:
        """The Dockerfiles of that kind which change their image, in order."""
        return tuple(
            Application(
                extension_id=file.extension_id,
                where=f"{kind}.Dockerfile of extension {file.extension_id}",
                content=file.content,
                context=file.context,
                args=file.args,
            )
            for file in self.files
            if file.dockerfile.kind == kind and file.dockerfile.extends and not file.ignored
        )


def generate(env: BuildEnv, inputs: GenerateInputs) -> Generated:
    """Run the extensions' generates in the group's order; put their Dockerfiles into `generated_dir`.

    `ExtensionFailed` (91) when one fails, `GenerateError` (92) when what one wrote breaks the rules.
    """
    work = _Work(env, inputs)
    try:
        try:
            return work.run()
        except (InvalidInput, BuildError) as exc:
            raise GenerateError(str(exc), hint=exc.hint) from exc
    finally:
        # What failed before must be told, not that cleaning up after it failed too.
        with suppress(BuildError):
            run_lines(env, [f"rm -rf -- {quote(work.folder)}"])


class _Work:
    """One run of all generates. `folder`: theirs alone, for plans and, before Platform API 0.13, their output."""

    def __init__(self, env: BuildEnv, inputs: GenerateInputs) -> None:
        self._env = env
        self._inputs = inputs
        self._elements = inputs.detected.group.extensions
        names = "-".join(escape_id(element.id) for element in self._elements[:1])
        self.folder = f"{inputs.detect.tmp_dir}/{names}-{secrets.randbelow(10**18)}"
        self._in_place = inputs.detect.platform_api >= _IN_PLACE_SINCE
        self._output_dir = inputs.generated_dir if self._in_place else f"{self.folder}/generated"

    def run(self) -> Generated:
        plan = self._prepare()
        contents: dict[str, bytes] = {}
        files: list[GeneratedFile] = []
        for element in self._elements:
            module = self._inputs.detected.modules.find("extension", element.id, element.version)
            output_dir = f"{self._output_dir}/{escape_id(element.id)}"
            if module.has_generate:
                self._run_generate(element, module, output_dir)
            else:
                # Image extensions, "Generation": generate/ in its folder is what bin/generate would have made.
                output_dir = f"{module.root}/generate"
            found = self._read_output(element, output_dir)
            contents |= found
            contexts = self._contexts(element, output_dir)
            for file in _dockerfiles(element, output_dir, found):
                context = context_of(file.dockerfile.kind, contexts) if self._in_place else ""
                folder = f"{output_dir}/{context}" if context else self._inputs.detect.app_dir
                files.append(replace(file, context=folder))
        files = _ignored(files)
        self._put(files, contents)
        return Generated(analyzed=self._analyzed(files), plan=plan, files=tuple(files))

    def _prepare(self) -> Plan:
        """Make the folders that programs write to and the plan of each; return what is left of the plan."""
        plan = self._inputs.detected.plan
        lines = [f"mkdir -p -- {quote(self._output_dir)}"]
        entries: list[tuple[tar.TarEntry, bytes]] = []
        for element in self._elements:
            name = escape_id(element.id)
            lines.append(f"mkdir -p -- {quote(f'{self._output_dir}/{name}')}")
            own = _plan_of(element, plan)
            content = own.write()
            folder = posixpath.basename(self.folder)
            entries.append((self._entry(f"{folder}/{name}", tar.DIRECTORY, 0o755), b""))
            entries.append(
                (self._entry(f"{folder}/{name}/plan.toml", tar.FILE, 0o644, len(content)), content)
            )
            plan = _without(plan, own)
        run_lines(self._env, [f"mkdir -m 700 -- {quote(self.folder)}", *lines])
        self._env.unpack(self._inputs.detect.tmp_dir, tar.write(entries))
        return plan

    def _entry(self, name: str, kind: bytes, mode: int, size: int = 0) -> tar.TarEntry:
        return tar.TarEntry(
            name=name.encode(errors="surrogateescape"),
            kind=kind,
            mode=mode,
            uid=self._env.uid,
            gid=self._env.gid,
            size=size,
        )

    def _run_generate(self, element: GroupElement, module: Module, output_dir: str) -> None:
        given = self._inputs.detected.given
        plan_path = f"{self.folder}/{escape_id(element.id)}/plan.toml"
        variables = environ.generate_environ(
            environ.from_container(self._inputs.detect.environ),
            given,
            api=module.api,
            clear_env=module.descriptor.clear_env,
            module_dir=module.root,
            output_dir=output_dir,
            plan_path=plan_path,
        )
        command = Command(
            argv=(f"{module.root}/bin/generate", output_dir, given.platform_dir, plan_path),
            environ=variables,
            cwd=self._inputs.detect.app_dir,
        )
        status = self._env.run(command, lambda data: events.emit(events.Output(source=element.id, data=data)))
        if status != 0:
            raise ExtensionFailed(f"bin/generate of extension {element} ended with {status}; expected 0")

    def _read_output(self, element: GroupElement, output_dir: str) -> dict[str, bytes]:
        """What the extension made, by path: its Dockerfiles and extend-config.toml."""
        names = ("run.Dockerfile", "build.Dockerfile", "extend-config.toml")
        found = self._env.read_files([f"{glob.escape(output_dir)}/{name}" for name in names])
        contents = {}
        for path, content in found.items():
            if isinstance(content, Refused):
                raise GenerateError(f"{path} of extension {element} cannot be read: {content.why}")
            contents[path] = content
        return contents

    def _contexts(self, element: GroupElement, output_dir: str) -> set[str]:
        # Image extensions, "Context Folders": the shared one excludes those for one image.
        tests = [f"if [ -d {quote(f'{output_dir}/{name}')} ]; then echo {name}; fi" for name in _CONTEXTS]
        there = run_lines(self._env, tests).decode().split()
        if "context" in there and len(there) > 1:
            raise GenerateError(
                f"extension {element} made both the folders context and {there[1]}; expected one kind"
            )
        return set(there)

    def _put(self, files: Sequence[GeneratedFile], contents: Mapping[str, bytes]) -> None:
        """Leave the Dockerfiles where the extender of this Platform API looks for them."""
        lines = []
        for file in files:
            suffix = ".ignore" if file.ignored else ""
            if self._in_place:
                if suffix:
                    lines.append(f"mv -- {quote(file.path)} {quote(file.path + suffix)}")
                continue
            kind, name = file.dockerfile.kind, escape_id(file.extension_id)
            folder = f"{self._inputs.generated_dir}/{kind}/{name}"
            config = f"{posixpath.dirname(file.path)}/extend-config.toml"
            lines.append(f"mkdir -p -- {quote(folder)}")
            lines.append(f"cp -- {quote(file.path)} {quote(f'{folder}/Dockerfile{suffix}')}")
            if config in contents:
                lines.append(f"cp -- {quote(config)} {quote(f'{folder}/extend-config.toml')}")
        run_lines(self._env, lines)

    def _analyzed(self, files: Sequence[GeneratedFile]) -> Analyzed:
        """platform.md, "detector": the last run.Dockerfile that switches the base chooses the run image."""
        effective = [file.dockerfile for file in files if file.dockerfile.kind == "run" and not file.ignored]
        extends = any(dockerfile.extends for dockerfile in effective)
        new = next((dockerfile.base for dockerfile in reversed(effective) if dockerfile.base), "")
        analyzed = self._inputs.analyzed
        known = analyzed.run_image.image if analyzed.run_image else ""
        if new and (new != known or self._inputs.detect.platform_api < _ONLY_NEW_SINCE):
            if not any(same_image(image, new) for image in self._inputs.run_images):
                events.warn(f"new runtime base image '{new}' not found in run metadata")
            return replace(analyzed, run_image=RunImage(reference=new, image=new, extend=extends))
        if extends and analyzed.run_image:
            return replace(analyzed, run_image=replace(analyzed.run_image, extend=True))
        return analyzed


_CONTEXTS = ("context", "context.build", "context.run")


def _plan_of(element: GroupElement, plan: Plan) -> BuildpackPlan:
    """What is required of names that this extension provides."""
    return BuildpackPlan(
        entries=tuple(
            require
            for entry in plan.entries
            if any(provider.extension and provider.id == element.id for provider in entry.providers)
            for require in entry.requires
        )
    )


def _without(plan: Plan, own: BuildpackPlan) -> Plan:
    # Image extensions, "Process": an extension satisfies all that is required of what it provides.
    met = {require.name for require in own.entries}
    left = [entry for entry in plan.entries if not any(require.name in met for require in entry.requires)]
    return Plan(entries=tuple(left))


def _dockerfiles(
    element: GroupElement, output_dir: str, contents: Mapping[str, bytes]
) -> list[GeneratedFile]:
    config = f"{output_dir}/extend-config.toml"
    args = read_config(contents[config], config) if config in contents else {}
    files = []
    for kind in _KINDS:
        path = f"{output_dir}/{kind}.Dockerfile"
        if path in contents:
            where = f"{kind}.Dockerfile of extension {element.id}"
            dockerfile = read_dockerfile(contents[path], kind, file=where)
            for found in dockerfile.discouraged:
                events.warn(f"{where}: {found.keyword} on line {found.line} is not recommended")
            files.append(
                GeneratedFile(
                    extension_id=element.id,
                    path=path,
                    dockerfile=dockerfile,
                    content=contents[path],
                    args=args.get(kind, {}),
                    context="",
                )
            )
    return files


def read_config(content: bytes, path: str) -> dict[Kind, dict[str, str]]:
    """The build arguments in an extend-config.toml, by kind (EXT-04)."""
    table = toml.load(content, file=path)
    found: dict[Kind, dict[str, str]] = {}
    for kind in _KINDS:
        for arg in table.table(kind).tables("args"):
            if arg.text("name") in _OWN_ARGS:
                raise GenerateError(
                    f"{arg.place('name')}: {arg.text('name')} is an argument of the lifecycle's own"
                )
            found.setdefault(kind, {})[arg.needed("name")] = arg.text("value")
    return found


def context_of(kind: Kind, there: Collection[str]) -> str:
    """Which of an extension's folders is the context of that kind; "" for none: then the app is (GNR-06)."""
    return next((name for name in (f"context.{kind}", "context") if name in there), "")


def _ignored(files: Sequence[GeneratedFile]) -> list[GeneratedFile]:
    """`files`, with every run.Dockerfile ignored that comes before one with a base of its own."""
    result: list[GeneratedFile] = []
    switched = False
    for file in reversed(files):
        is_run = file.dockerfile.kind == "run"
        result.append(replace(file, ignored=is_run and switched))
        switched = switched or (is_run and bool(file.dockerfile.base))
    return result[::-1]


def same_image(image: RunImageName, name: str) -> bool:
    """Whether `name`, without its digest, is that image's or one of its mirrors'."""
    return any(
        _without_digest(known) == _without_digest(name) for known in (image.image, *image.mirrors) if known
    )


def _without_digest(name: str) -> str:
    try:
        return replace(Reference.parse(name), digest="").name
    except InvalidReference:
        return name
