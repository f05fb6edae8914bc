"""The builder as a program, for recordings: flags and files in, an exit code and `<layers>/config/metadata.toml` out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pybuild.buildenv.local import LocalBuildEnv
from pybuild.errors import BuildError, InvalidFile, PybuildError
from pybuild.events import info, warn
from pybuild.lifecycle import os_release
from pybuild.lifecycle.build import BuildInputs, build
from pybuild.lifecycle.buildpacks import Modules
from pybuild.lifecycle.env_dirs import read_given
from pybuild.spec import target as targets
from pybuild.spec.analyzed import Analyzed
from pybuild.spec.api import ApiVersion
from pybuild.spec.order import Group
from pybuild.spec.plan import Plan
from pybuild.spec.target import Target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pybuild.buildenv.api import BuildEnv


def builder(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the build phase as `arguments` say; the error, if there is one, is told as a line `ERROR: …`."""
    try:
        _run(arguments, environ)
    except PybuildError as exc:
        info(f"ERROR: {exc}")
        return exc.exit_code
    return 0


def _run(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    options = dict(zip(arguments[1::2], arguments[2::2], strict=False))
    if set(arguments[1::2]) - set(options) or len(arguments) % 2 == 0:
        raise InvalidFile("unexpected arguments")
    if os.geteuid() == 0:
        raise PybuildError("refusing to run as root")
    env = LocalBuildEnv()
    platform_api = ApiVersion.parse(environ["CNB_PLATFORM_API"])
    try:
        group = Group.read(_content(options["-group"]), options["-group"])
        plan = Plan.read(_content(options["-plan"]), options["-plan"])
        target = _target(env, options.get("-analyzed") or environ["CNB_ANALYZED_PATH"])
    except InvalidFile as exc:
        raise PybuildError(str(exc)) from exc
    try:
        given = read_given(
            env,
            platform_dir=options["-platform"],
            build_config_dir=options.get("-build-config") or environ["CNB_BUILD_CONFIG_DIR"],
            target=targets.environ(target),
            exec_env=environ.get("CNB_EXEC_ENV", "production"),
        )
    except InvalidFile as exc:
        raise BuildError(str(exc)) from exc
    inputs = BuildInputs(
        group=group,
        plan=plan,
        modules=Modules.read(env, buildpacks_dir=options["-buildpacks"]),
        platform_api=platform_api,
        given=given,
        environ=environ,
        app_dir=options["-app"],
        layers_dir=options["-layers"],
        tmp_dir=environ["TMPDIR"],
    )
    built = build(env, inputs)
    written = Path(options["-layers"], "config", "metadata.toml").read_bytes()
    assert built.metadata_toml == written, "the result's bytes are not those of the file"


def _target(env: BuildEnv, path: str) -> Target:
    if not Path(path).exists():
        warn(f'No analyzed metadata found at path "{path}"')
        target = Target(os="linux", arch="amd64")
    else:
        run_image = Analyzed.read(_content(path), path).run_image
        target = (run_image.target if run_image else None) or Target(os="linux", arch="amd64")
    if target.distro is not None:
        return target
    distro = os_release.distro(env.read_files(os_release.FILES))
    return Target(os=target.os, arch=target.arch, variant=target.variant, distro=distro)


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as exc:
        raise InvalidFile(f"{path}: {exc.strerror}") from exc
