"""What a buildpack is told: directories, target, execution environment, the user's variables, plan, store, bindings.

Buildpack API, "Detection", "Build" and "Targets". Buildpack API ≥ 0.8 passes paths as variables, older ones as
arguments; both are read, variables first.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pybuild.errors import InvalidInput
from pybuild.libcnb.bindings import Binding, read_bindings
from pybuild.libcnb.layers import Layer, Layers, write_file
from pybuild.libcnb.plan import Require, read_entries
from pybuild.libcnb.problem import Problem
from pybuild.libcnb.resolved import LOCKED, STORE_KEY, Resolved
from pybuild.spec import toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Literal

    from pybuild.libcnb.sbom import Component

STORE_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The image that the app will run on; empty texts where the platform does not say."""

    os: str = "linux"
    arch: str = "amd64"
    variant: str = ""
    distro: str = ""
    distro_version: str = ""

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """The target from `CNB_TARGET_*`."""
        return cls(
            os=environ.get("CNB_TARGET_OS", "linux"),
            arch=environ.get("CNB_TARGET_ARCH", "amd64"),
            variant=environ.get("CNB_TARGET_ARCH_VARIANT", ""),
            distro=environ.get("CNB_TARGET_DISTRO_NAME", ""),
            distro_version=environ.get("CNB_TARGET_DISTRO_VERSION", ""),
        )


class Settings:
    """The variables that a user may set for a build, in `environ`."""

    __slots__ = ()
    environ: Mapping[str, str]

    def setting(self, name: str, default: str = "") -> str:
        """A variable's value; an empty one counts as unset."""
        return self.environ.get(name, "").strip() or default

    def flag(self, name: str) -> bool:
        """Whether a variable is switched on: any value but 0, false, no and off."""
        return is_on(self.environ.get(name, ""))

    def words(self, name: str, default: str = "") -> tuple[str, ...]:
        """The words of a variable, quoted as in a shell. Raises a `Problem`."""
        value = self.setting(name, default)
        try:
            return tuple(shlex.split(value))
        except ValueError as exc:
            raise Problem(
                f"{name} cannot be understood",
                f"It is {value!r}: {exc}.",
                steps=("Write its words as in a shell, with a closing quote for each one.",),
            ) from exc


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectContext(Settings):
    """What `bin/detect` knows. `environ`: the process's variables, with the user's from `<platform>/env` under them."""

    app: Path
    buildpack: Path
    platform: Path
    plan_path: Path
    target: Target
    exec_env: str
    environ: Mapping[str, str]

    @classmethod
    def read(cls, argv: Sequence[str], environ: Mapping[str, str], cwd: Path) -> Self:
        """The context of this process. Raises `InvalidInput` when it was not started as the API says."""
        platform = _directory("CNB_PLATFORM_DIR", environ, argv, 1)
        return cls(
            app=cwd,
            buildpack=_buildpack(argv, environ),
            platform=platform,
            plan_path=_directory("CNB_BUILD_PLAN_PATH", environ, argv, 2),
            target=Target.read(environ),
            exec_env=environ.get("CNB_EXEC_ENV") or "production",
            environ={**_platform_env(platform), **environ},
        )

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """The service bindings of the build."""
        return read_bindings(_bindings_root(self.environ, self.platform))


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildContext(Settings):
    """What `bin/build` knows. `plan`: the entries this buildpack has to provide. `store`: what it kept last time.

    `resolved`: the versions it chose last time and chooses now.
    """

    app: Path
    buildpack: Path
    platform: Path
    layers: Layers
    plan: tuple[Require, ...]
    store: Mapping[str, Any]
    target: Target
    exec_env: str
    environ: Mapping[str, str]
    version: str
    bindings: tuple[Binding, ...] = field(default=())
    resolved: Resolved = field(default_factory=Resolved)

    @classmethod
    def read(cls, argv: Sequence[str], environ: Mapping[str, str], cwd: Path) -> Self:
        """The context of this process. Raises `InvalidInput` when it was not started as the API says."""
        layers = _directory("CNB_LAYERS_DIR", environ, argv, 1)
        platform = _directory("CNB_PLATFORM_DIR", environ, argv, 2)
        buildpack = _buildpack(argv, environ)
        variables = {**_platform_env(platform), **environ}
        store = _store(layers / "store.toml")
        return cls(
            app=cwd,
            buildpack=buildpack,
            platform=platform,
            layers=Layers(layers),
            plan=read_entries(_directory("CNB_BP_PLAN_PATH", environ, argv, 3)),
            store=store,
            target=Target.read(environ),
            exec_env=environ.get("CNB_EXEC_ENV") or "production",
            environ=variables,
            version=_version(buildpack),
            bindings=read_bindings(_bindings_root(variables, platform)),
            resolved=Resolved(_versions(store), locked=is_on(variables.get(LOCKED, ""))),
        )

    @property
    def dev(self) -> bool:
        """Whether what is only for tests and development belongs in: in any execution environment but production."""
        return self.exec_env != "production"

    def sbom(self, about: Layer | Literal["launch", "build"], components: Iterable[Component]) -> None:
        """Write the bill of materials of a layer, or of what is in no layer, in all formats; not with `BP_DISABLE_SBOM`.

        To be called for a restored layer too: what is written must not depend on what was cached.
        """
        from pybuild.libcnb import sbom  # bin/detect does without: 10 ms

        name = about if isinstance(about, str) else about.name
        if self.flag("BP_DISABLE_SBOM"):
            for ending in sbom.ENDINGS:
                (self.layers.path / f"{name}.sbom.{ending}").unlink(missing_ok=True)
            return
        for ending, text in sbom.documents(name, components).items():
            write_file(self.layers.path / f"{name}.sbom.{ending}", text)


def is_on(value: str) -> bool:
    """A variable's value as a switch."""
    return value.strip().lower() not in ("", "0", "false", "no", "off")


def _directory(name: str, environ: Mapping[str, str], argv: Sequence[str], position: int) -> Path:
    value = environ.get(name) or (argv[position] if len(argv) > position else "")
    if not value:
        raise InvalidInput(
            f"{name} is not set and argument {position} is missing",
            hint="Buildpacks are run by a lifecycle: bin/detect <platform> <plan>, bin/build <layers> <platform> <plan>.",
        )
    return Path(value)


def _buildpack(argv: Sequence[str], environ: Mapping[str, str]) -> Path:
    given = environ.get("CNB_BUILDPACK_DIR")
    return Path(given) if given else Path(argv[0]).resolve().parent.parent


def _platform_env(platform: Path) -> dict[str, str]:
    # Buildpack API, "Provided by the Platform": with clear-env the user's variables are only in these files.
    folder = platform / "env"
    if not folder.is_dir():
        return {}
    return {
        file.name: file.read_bytes().decode(errors="surrogateescape")
        for file in sorted(folder.iterdir())
        if file.is_file()
    }


def _bindings_root(environ: Mapping[str, str], platform: Path) -> Path:
    root = environ.get("SERVICE_BINDING_ROOT")
    return Path(root) if root else platform / "bindings"


def _store(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    return toml.load(path.read_bytes(), file="store.toml", limit=STORE_LIMIT).table("metadata").raw()


def _versions(store: Mapping[str, Any]) -> Mapping[str, Any]:
    found = store.get(STORE_KEY)
    return found if isinstance(found, dict) else {}


def _version(buildpack: Path) -> str:
    path = buildpack / "buildpack.toml"
    return toml.load(path.read_bytes(), file=str(path)).table("buildpack").needed("version")
