"""Dockerfiles carried out where we are: as root, in the file system of the very container that the extender runs in.

Instruction by instruction, each RUN, COPY, ADD and WORKDIR followed by a look at what it changed, which is its layer.
Only what image extensions may use is known; anything else is refused. docs/adr/0008.

Specification: image_extension.md, "Dockerfile Requirements", "Phase: Extension"; platform.md, "extender".
"""

from __future__ import annotations

import posixpath
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from pybuild import events, gojson
from pybuild.buildenv import processes
from pybuild.buildenv.api import Command
from pybuild.buildenv.local import OUTPUT_SETTING
from pybuild.buildenv.output_limit import Written
from pybuild.errors import BuildError, ExtendError, InvalidFile
from pybuild.gojson import Struct
from pybuild.lifecycle import copied, file_system, users
from pybuild.lifecycle.dockerfile_words import exec_form, expand, flags, pairs, split
from pybuild.lifecycle.extend import USER_ID
from pybuild.lifecycle.layer_store import Key
from pybuild.oci import tar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pybuild.lifecycle.dockerfiles import Instruction
    from pybuild.lifecycle.extend import Application
    from pybuild.lifecycle.layer_store import KeptLayer, LayerStore

SHELL = ("/bin/sh", "-c")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeLayer:
    """A layer that an instruction made: by which extension, and the instruction's text."""

    kept: KeptLayer
    extension_id: str
    what: str


@dataclass(slots=True, kw_only=True)
class _Stage:
    """What is known while one Dockerfile is carried out. `args`: declared so far; `given`: for those to come."""

    application: Application
    given: Mapping[str, str]
    args: dict[str, str] = field(default_factory=dict)
    written: Written = field(default_factory=lambda: Written("this Dockerfile", OUTPUT_SETTING))

    def where(self, instruction: Instruction) -> str:
        return f"{self.application.where}, line {instruction.line}"


class InPlaceApplier:
    """The image that we run in, on which Dockerfiles are applied; see `lifecycle.extend.Applier`.

    `config`: the object `config` of its configuration. `store`: where layers go and come from. `skip`: folders that
    are no part of it. `environ`: our own variables, for proxies. `output_limit`: bytes that the instructions of one
    Dockerfile may write, 0 for no limit. `layers`: those made so far.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        store: LayerStore,
        *,
        base: str,
        skip: Sequence[str],
        environ: Mapping[str, str],
        output_limit: int = 0,
    ) -> None:
        self.layers: list[MadeLayer] = []
        self._config = {key: value for key, value in config.items() if value is not None}
        self._store = store
        self._base = base
        self._key = Key.first(base)
        self._skip = file_system.left_out(*skip)
        self._proxies = {
            name: value
            for upper in _PROXIES
            for name in (upper, upper.lower())
            if (value := environ.get(name))
        }
        self._seen: file_system.Snapshot | None = None
        self._output_limit = output_limit

    def config(self) -> Mapping[str, Any]:
        """The object `config` as it is now."""
        return self._config

    def apply(self, application: Application, args: Mapping[str, str]) -> None:
        """Carry the Dockerfile out. Raises `ExtendError`, with the file system as it is by then."""
        # What it is applied to is an image, however that was made: a `build_id` of the extension before, which asked
        # for new instructions and changed nothing, leaves this one's layers in the cache.
        self._key = Key.first(" ".join((self._base, *(made.kept.diff_id for made in self.layers))))
        stage = _Stage(application=application, given=args)
        for instruction in application.instructions():
            where = stage.where(instruction)
            carry_out = self._INSTRUCTIONS.get(instruction.keyword)
            if carry_out is None or instruction.heredoc:
                what = f"{instruction.keyword} with a here-document" if carry_out else instruction.keyword
                raise ExtendError(
                    f"{where}: {what} is not supported by this extender",
                    hint="expected ARG, ENV, RUN, COPY, ADD, USER, WORKDIR, LABEL or SHELL",
                )
            events.info(str(instruction))
            try:
                carry_out(self, stage, instruction)
            except InvalidFile as exc:
                raise ExtendError(str(exc), hint=exc.hint) from exc

    def _arg(self, stage: _Stage, instruction: Instruction) -> None:
        for word in split(instruction.rest):
            name, equals, default = word.partition("=")
            value = expand(default, self._values(stage), where=stage.where(instruction))
            if name in stage.given:
                stage.args[name] = stage.given[name]
            elif equals:
                stage.args[name] = value

    def _env(self, stage: _Stage, instruction: Instruction) -> None:
        environ = self._environ()
        environ |= pairs(instruction.rest, self._values(stage), where=stage.where(instruction))
        self._config["Env"] = [f"{name}={value}" for name, value in environ.items()]

    def _label(self, stage: _Stage, instruction: Instruction) -> None:
        labels = pairs(instruction.rest, self._values(stage), where=stage.where(instruction))
        self._config["Labels"] = {**(self._config.get("Labels") or {}), **dict(labels)}

    def _user(self, stage: _Stage, instruction: Instruction) -> None:
        user = expand(instruction.rest, self._values(stage), where=stage.where(instruction))
        if user.strip(":"):
            self._config["User"] = user
        elif stage.given.get(USER_ID) == "":
            # Of an image that states no user, USER ${user_id} goes back to what it states.
            self._config.pop("User", None)
        else:
            raise ExtendError(f"{stage.where(instruction)}: {instruction} names nobody")

    def _shell(self, stage: _Stage, instruction: Instruction) -> None:
        words = exec_form(instruction.rest)
        if not words:
            raise ExtendError(f"{stage.where(instruction)}: expected SHELL with a JSON array of strings")
        self._config["Shell"] = words

    def _workdir(self, stage: _Stage, instruction: Instruction) -> None:
        path = expand(instruction.rest, self._values(stage), where=stage.where(instruction))
        folder = posixpath.normpath(posixpath.join(self._folder(), path))
        self._config["WorkingDir"] = folder
        self._change(stage, instruction, folder, lambda: copied.make_folders(folder))

    def _run(self, stage: _Stage, instruction: Instruction) -> None:
        where = stage.where(instruction)
        asked, rest = flags(instruction.rest)
        if asked:
            raise ExtendError(f"{where}: RUN --{next(iter(asked))} is not supported by this extender")
        shell = tuple(self._config.get("Shell") or SHELL)
        argv = tuple(exec_form(rest) or (*shell, rest))
        user = users.resolve(str(self._config.get("User") or ""), where=where)
        environ = {"PATH": PATH, "HOME": user.home, **self._proxies, **stage.args, **self._environ()}
        command = Command(argv=argv, environ=environ, cwd=self._folder())
        # What an instruction depends on is what it names: so a build_id that nobody asks for changes nothing.
        named = {
            name: value for name, value in stage.args.items() if f"${name}" in rest or f"${{{name}" in rest
        }

        def carry_out() -> None:
            source = stage.application.extension_id

            def output(data: bytes) -> None:
                events.emit(events.Output(source=source, data=data))

            counted = stage.written.counting("RUN", output, most=self._output_limit)
            (status,) = processes.run([command], [counted], user=(user.uid, user.gid))
            if status != 0:
                raise ExtendError(
                    f"{where}: {instruction.keyword} {rest[:200]!r} ended with {status}; expected 0",
                    hint="what it wrote above tells more",
                )

        self._change(stage, instruction, [list(argv), sorted(named.items()), user.uid, user.gid], carry_out)

    def _copy(self, stage: _Stage, instruction: Instruction) -> None:
        where, values = stage.where(instruction), self._values(stage)
        asked, rest = flags(instruction.rest)
        words = exec_form(rest) or split(rest)
        words = [expand(word, values, where=where) for word in words]
        plan = copied.plan(
            words,
            {name: expand(value, values, where=where) for name, value in asked.items()},
            context=stage.application.context,
            folder=self._folder(),
            is_add=instruction.keyword == "ADD",
            where=where,
        )
        self._change(stage, instruction, plan.identity(), plan.carry_out)

    def _change(
        self, stage: _Stage, instruction: Instruction, inputs: object, carry_out: Callable[[], None]
    ) -> None:
        """Let an instruction change the file system, or put its layer of an earlier time there."""
        state = Struct(config=self._config, inputs=inputs, what=instruction.keyword)
        self._key = self._key.then(gojson.dumps(state, sort_keys=True))
        kept = self._store.find(self._key)
        if kept is not None:
            events.info("Using the cache")
            file_system.apply(kept.read())
            self._seen = None
        else:
            events.detail(f"No cached layer found for cmd {instruction}")
            before = self._seen if self._seen is not None else file_system.snapshot(self._skip)
            try:
                carry_out()
            except (BuildError, OSError) as exc:
                hint = exc.hint if isinstance(exc, BuildError) else ""
                raise ExtendError(f"{stage.where(instruction)}: {instruction}: {exc}", hint=hint) from exc
            self._seen = file_system.snapshot(self._skip)
            changed, removed = file_system.changes(before, self._seen)
            if file_system.holds_devices(self._seen, changed):
                # Nobody may put one of those back.
                self._key = self._key.then(secrets.token_hex(16))
            kept = self._store.add(self._key, file_system.layer(changed, removed))
        if kept.size > len(tar.TRAILER):
            what = " ".join(str(instruction).split())
            self.layers.append(MadeLayer(kept=kept, extension_id=stage.application.extension_id, what=what))

    def _values(self, stage: _Stage) -> dict[str, str]:
        """What variables in instructions stand for: ENV wins over ARG."""
        return {**stage.args, **self._environ()}

    def _environ(self) -> dict[str, str]:
        found = (item.partition("=") for item in self._config.get("Env") or ())
        return {name: value for name, equals, value in found if equals}

    def _folder(self) -> str:
        return str(self._config.get("WorkingDir") or "/")

    _INSTRUCTIONS: ClassVar[Mapping[str, Callable[[InPlaceApplier, _Stage, Instruction], None]]] = {
        "ADD": _copy,
        "ARG": _arg,
        "COPY": _copy,
        "ENV": _env,
        "LABEL": _label,
        "RUN": _run,
        "SHELL": _shell,
        "USER": _user,
        "WORKDIR": _workdir,
    }
