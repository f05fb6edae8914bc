"""Every input of the phases once: its flag, variable, default, which phase knows it since when, and its help.

A value on the command line wins over its variable, the variable over the default. An empty variable is an unset
one; a variable that cannot be read counts as false or 0, while a flag that cannot be read is a usage error.

Specification: platform.md, "Operations" / "Inputs". Where the Go lifecycle differs, it is followed: a platform's
flags must not fail.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from pybuild import __version__
from pybuild.buildenv.output_limit import DEFAULT
from pybuild.lifecycle.go_flags import Flag, FlagKind, parse_bool, parse_flags
from pybuild.spec.api import ApiVersion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PhaseName = Literal[
    "analyzer", "detector", "restorer", "builder", "exporter", "creator", "rebaser", "extender"
]

_LETTERS: Mapping[str, PhaseName] = {
    "A": "analyzer",
    "D": "detector",
    "R": "restorer",
    "B": "builder",
    "E": "exporter",
    "C": "creator",
    "W": "rebaser",
    "X": "extender",
}
PHASES: tuple[PhaseName, ...] = tuple(_LETTERS.values())

VERSION = f"0.21.17+pybuild.{__version__}"
"""The version of the Go lifecycle whose behaviour this is, by which platforms know what it can do; then our own."""

_LAYERS = "<layers>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The inputs of one run of a phase. Paths to files and folders are absolute unless a platform named them otherwise.

    `images`: the words after the flags, without those that `tags` holds.
    """

    analyzed: str
    app: str
    build_config: str
    build_image: str
    buildpacks: str
    cache_dir: str
    cache_image: str
    daemon: bool
    exec_env: str
    extended: str
    extensions: str
    force: bool
    generated: str
    gid: int
    group: str
    insecure_registries: tuple[str, ...]
    kaniko_cache_ttl: str
    kind: str
    launch_cache: str
    launcher: str
    launcher_sbom: str
    layers: str
    layout: bool
    layout_dir: str
    log_level: str
    log_limit: str
    no_color: bool
    obsolete_image: str
    order: str
    parallel: bool
    plan: str
    platform: str
    previous_image: str
    process_type: str
    project_metadata: str
    report: str
    run: str
    run_image: str
    skip_layers: bool
    stack: str
    system: str
    tags: tuple[str, ...]
    trust_builder: bool
    uid: int
    version: bool
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Input:
    """One input. `on`: the phases whose flag it is, by letter, with the minor version of the first Platform API
    that knows it there: `A D10` is the analyzer always, the detector since 0.10; `A<12`: before 0.12 only.

    The variable counts in every phase.
    """

    field: str
    flag: str
    variable: str
    default: str
    on: str
    help: str
    kind: FlagKind = "text"

    def known(self, phase: PhaseName, api: ApiVersion) -> bool:
        """Whether `phase` has the flag in Platform API `api`."""
        for letter, before, minor in re.findall(r"([A-Z])(<?)(\d*)", self.on):
            if _LETTERS[letter] == phase:
                bound = ApiVersion(0, int(minor or 0))
                return api < bound if before else api >= bound
        return False


INPUTS = (
    Input("analyzed", "analyzed", "CNB_ANALYZED_PATH", f"{_LAYERS}/analyzed.toml", "A D10 R B12 E X", "path to analyzed.toml"),
    Input("app", "app", "CNB_APP_DIR", "/workspace", "D B E C X", "path to app directory"),
    Input("build_config", "build-config", "CNB_BUILD_CONFIG_DIR", "/cnb/build-config", "D11 B11 C11", "path to build config directory"),
    Input("build_image", "build-image", "CNB_BUILD_IMAGE", "", "R10", "build image tag name"),
    Input("buildpacks", "buildpacks", "CNB_BUILDPACKS_DIR", "/cnb/buildpacks", "D B C X", "path to buildpacks directory"),
    Input("cache_dir", "cache-dir", "CNB_CACHE_DIR", "", "R E C", "path to cache directory"),
    Input("cache_image", "cache-image", "CNB_CACHE_IMAGE", "", "A R E C", "cache image tag name"),
    Input("daemon", "daemon", "CNB_USE_DAEMON", "", "A R12 E C W", "export to docker daemon", "bool"),
    Input("exec_env", "", "CNB_EXEC_ENV", "production", "", "execution environment of the app"),
    Input("extended", "extended", "CNB_EXTENDED_DIR", f"{_LAYERS}/extended", "E12 X12", "path to extended run image layers"),
    Input("extensions", "extensions", "CNB_EXTENSIONS_DIR", "/cnb/extensions", "D10", "path to extensions directory"),
    Input("force", "force", "CNB_FORCE_REBASE", "", "W12", "rebase even where a check fails", "bool"),
    Input("generated", "generated", "CNB_GENERATED_DIR", f"{_LAYERS}/generated", "D10 R12 X", "path to generated Dockerfiles"),
    Input("gid", "gid", "CNB_GROUP_ID", "0", "A R E C W X", "GID of the build user's group", "int"),
    Input("group", "group", "CNB_GROUP_PATH", f"{_LAYERS}/group.toml", "D R B E X", "path to group.toml"),
    Input("insecure_registries", "insecure-registry", "CNB_INSECURE_REGISTRIES", "", "A13 R13 E13 C13 W13", "insecure registries", "list"),
    Input("kaniko_cache_ttl", "kaniko-cache-ttl", "CNB_KANIKO_CACHE_TTL", "336h", "X", "how long the layers of extensions are kept"),
    Input("kind", "kind", "CNB_EXTEND_KIND", "build", "X12", "kind of image to extend: build or run"),
    Input("launch_cache", "launch-cache", "CNB_LAUNCH_CACHE_DIR", "", "A9 E C", "path to launch cache directory"),
    Input("launcher", "launcher", "", "/cnb/lifecycle/launcher", "E C", "path to launcher; without such a file one is made for the app"),
    Input("launcher_sbom", "launcher-sbom", "", "/cnb/lifecycle", "E11 C11", "path to launcher SBOM directory"),
    Input("layers", "layers", "CNB_LAYERS_DIR", "/layers", "A D R B E C X", "path to layers directory"),
    Input("layout", "layout", "CNB_USE_LAYOUT", "", "A12 R12 E12 C12", "export to OCI layout format on disk", "bool"),
    Input("layout_dir", "layout-dir", "CNB_LAYOUT_DIR", "", "A12 R12 E12 C12", "path to images in OCI layout format"),
    Input("log_level", "log-level", "CNB_LOG_LEVEL", "info", "A D R B E C W X", "logging level: debug, info, warn or error"),
    Input("log_limit", "", "PYBUILD_LOG_LIMIT", DEFAULT, "", "output that programs of one phase may write: 100m, 2g; 0 for no limit"),
    Input("no_color", "no-color", "CNB_NO_COLOR", "", "A D R B E C W X", "disable color output", "bool"),
    Input("obsolete_image", "image", "", "", "E W", "[deprecated] reference to run image"),
    Input("order", "order", "CNB_ORDER_PATH", f"{_LAYERS}/order.toml", "D C", "path to order.toml"),
    Input("parallel", "parallel", "CNB_PARALLEL_EXPORT", "", "E C", "export app image and cache image in parallel", "bool"),
    Input("plan", "plan", "CNB_PLAN_PATH", f"{_LAYERS}/plan.toml", "D B X", "path to plan.toml"),
    Input("platform", "platform", "CNB_PLATFORM_DIR", "/platform", "D B C X", "path to platform directory"),
    Input("previous_image", "previous-image", "CNB_PREVIOUS_IMAGE", "", "A C W11", "reference to previous image"),
    Input("process_type", "process-type", "CNB_PROCESS_TYPE", "", "E C", "default process type"),
    Input("project_metadata", "project-metadata", "CNB_PROJECT_METADATA_PATH", f"{_LAYERS}/project-metadata.toml", "E C", "path to project-metadata.toml"),
    Input("report", "report", "CNB_REPORT_PATH", f"{_LAYERS}/report.toml", "E C W", "path to report.toml"),
    Input("run", "run", "CNB_RUN_PATH", "/cnb/run.toml", "A12 D12 R14 E12 C12", "path to run.toml"),
    Input("run_image", "run-image", "CNB_RUN_IMAGE", "", "A E C W", "reference to run image"),
    Input("skip_layers", "skip-layers", "CNB_SKIP_LAYERS", "", "A9 R", "do not provide layer metadata to buildpacks", "bool"),
    Input("skip_layers", "skip-restore", "CNB_SKIP_RESTORE", "", "C", "do not restore layers or layer metadata", "bool"),
    Input("stack", "stack", "CNB_STACK_PATH", "/cnb/stack.toml", "A<12 E<12 C", "path to stack.toml"),
    Input("system", "system", "CNB_SYSTEM_PATH", "/cnb/system.toml", "D15 C15", "path to system.toml"),
    Input("tags", "tag", "", "", "A C", "additional tags", "list"),
    Input("trust_builder", "", "PYBUILD_TRUST_BUILDER", "", "", "a buildpack may change what an earlier one has made", "bool"),
    Input("uid", "uid", "CNB_USER_ID", "0", "A R E C W X", "UID of the build user", "int"),
    Input("version", "version", "", "", "A D R B E C W X", "show version", "bool"),
)  # fmt: skip
"""All inputs. Two may set one field: either variable does."""

_FOLDERS = ("app", "build_config", "buildpacks", "cache_dir", "extensions", "generated", "launch_cache", "layers", "platform")  # fmt: skip
_IN_LAYERS = ("analyzed", "extended", "generated", "group", "order", "plan", "project_metadata", "report")


def read_inputs(
    phase: PhaseName, words: Sequence[str], environ: Mapping[str, str], api: ApiVersion
) -> Inputs:
    """The inputs that command line and variables state. `words`: without the program's name.

    Raises `go_flags.UsageError` as Go's flag package would end the program.
    """
    known = [each for each in INPUTS if each.flag and each.known(phase, api)]
    given, rest = parse_flags([Flag(each.flag, each.kind, each.help) for each in known], words)
    values: dict[str, Any] = {}
    for each in INPUTS:
        value = _of_variable(each, environ)
        values[each.field] = values.get(each.field) or value if each.kind == "bool" else value
    for each in known:
        if each.flag in given:
            value = given[each.flag]
            values[each.field] = values[each.field] + value if each.kind == "list" else value
    return _with_places(Inputs(**values, images=tuple(rest)))


def _of_variable(each: Input, environ: Mapping[str, str]) -> Any:
    text = (environ.get(each.variable, "") if each.variable else "") or each.default
    match each.kind:
        case "bool":
            return parse_bool(text) is True
        case "int":
            return int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text) else 0
        case "list":
            return tuple(text.split(",")) if text else ()
        case _:
            return text


def _with_places(inputs: Inputs) -> Inputs:
    """`inputs` with the layers directory in the place of its token, and absolute folders."""
    stated = {name: getattr(inputs, name) for name in _IN_LAYERS}
    places = {name: path.replace(_LAYERS, inputs.layers, 1) for name, path in stated.items()}
    if stated["order"] == f"{_LAYERS}/order.toml" and not os.path.exists(places["order"]):  # noqa: PTH110
        places["order"] = "/cnb/order.toml"
    folders = {name: places.get(name, getattr(inputs, name)) for name in _FOLDERS}
    absolute = {name: os.path.abspath(path) for name, path in folders.items() if path}  # noqa: PTH100
    return replace(inputs, **{**places, **absolute})
