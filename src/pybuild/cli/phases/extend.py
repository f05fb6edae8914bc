"""The extender: Dockerfiles of image extensions carried out in the container that it runs in, then perhaps the build.

With `-kind build` it is the builder image's, and the build goes on there as the build user; with `-kind run` it is the
run image's, and what changed is left for the exporter. Layers and what base images are come through /kaniko.

Specification: platform.md, "extender"; docs/adr/0008.
"""

from __future__ import annotations

import os
import pwd
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pybuild.cli.phases.build import builder
from pybuild.cli.phases.restore import KANIKO_DIR, base_folder
from pybuild.cli.phases.run import read_analyzed, read_file
from pybuild.errors import ExtendError, InvalidFile, InvalidInput, PybuildError
from pybuild.events import info
from pybuild.lifecycle import privileges, sparse
from pybuild.lifecycle.dockerfiles import read_dockerfile
from pybuild.lifecycle.extend import KINDS, Application, extend
from pybuild.lifecycle.extended import CREATED_BY
from pybuild.lifecycle.generate import context_of, read_config
from pybuild.lifecycle.in_place import InPlaceApplier
from pybuild.lifecycle.layer_store import LayerStore
from pybuild.spec.api import ApiVersion
from pybuild.spec.names import escape_id
from pybuild.spec.order import Group

if TYPE_CHECKING:
    from pybuild.cli.phases.run import PhaseRun
    from pybuild.lifecycle.extend import Kind
    from pybuild.lifecycle.sparse import SparseImage
    from pybuild.spec.order import GroupElement

_FLAT_SINCE = ApiVersion(0, 13)
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_CREATED = "1980-01-01T00:00:01Z"


def extender(run: PhaseRun) -> None:
    """The phase."""
    inputs = run.inputs
    if inputs.images:
        raise InvalidInput(f"received unexpected arguments: {' '.join(inputs.images)}")
    kind = next((each for each in KINDS if each == inputs.kind), None)
    if kind is None:
        raise InvalidInput(f"-kind {inputs.kind!r}: expected one of {', '.join(KINDS)}")
    if os.geteuid() != 0:
        raise PybuildError(
            f"{run.phase}: must run as root, to change the image that it runs in",
            hint="start its container with --user root",
        )
    seconds = duration(inputs.kaniko_cache_ttl)
    group = read_file(inputs.group, Group.read)
    try:
        image = _base(run, kind)
        applications = _applications(run, group, kind)
        applier = _applier(run, image, seconds)
        config = extend(applier, applications, kind)
        if kind == "run":
            _leave(run, image, applier, config)
    except InvalidFile as exc:
        raise ExtendError(str(exc), hint=exc.hint) from exc
    if kind == "build":
        privileges.own([inputs.layers], inputs.uid, inputs.gid)
        privileges.become(inputs.uid, inputs.gid)
        builder(replace(run, environ=_environ(run, config)))


def duration(text: str) -> float:
    """Seconds of a duration as Go writes it, such as `336h` or `1h30m`. Raises `InvalidInput`."""
    parts = _DURATION.findall(text)
    if text != "0" and (not parts or "".join(map("".join, parts)) != text):
        raise InvalidInput(f"-kaniko-cache-ttl {text!r}: expected a duration such as 336h")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _base(run: PhaseRun, kind: Kind) -> SparseImage:
    """What the restorer left of the image that is extended (XTD-02)."""
    analyzed = read_analyzed(run)
    named = analyzed.build_image if kind == "build" else analyzed.run_image and analyzed.run_image.reference
    if not named:
        raise ExtendError(
            f"{run.inputs.analyzed} names no {kind} image to extend",
            hint="the restorer writes it there: give it -build-image"
            if kind == "build"
            else "run the analyzer",
        )
    folder = base_folder(named)
    try:
        return sparse.read(folder)
    except OSError as exc:
        raise ExtendError(
            f"{folder}: what is known of the {kind} image {named} cannot be read: {exc.strerror}",
            hint=f"the restorer leaves it in {KANIKO_DIR}, which both must have as a volume",
        ) from exc


def _applications(run: PhaseRun, group: Group, kind: Kind) -> list[Application]:
    found = [_application(run, element, kind) for element in group.extensions]
    return [each for each in found if each is not None]


def _application(run: PhaseRun, element: GroupElement, kind: Kind) -> Application | None:
    """The Dockerfile of an extension where the detector left it, if there is one (GNR-14)."""
    inputs, name = run.inputs, escape_id(element.id)
    flat = run.api >= _FLAT_SINCE
    folder = Path(inputs.generated, name) if flat else Path(inputs.generated, kind, name)
    path = folder / (f"{kind}.Dockerfile" if flat else "Dockerfile")
    if not os.path.lexists(path):
        return None
    content = sparse.content(str(path))
    where = f"{kind}.Dockerfile of extension {element.id}"
    read_dockerfile(content, kind, file=where)
    there = [each.name for each in folder.iterdir() if each.is_dir()] if flat else []
    context = context_of(kind, there)
    config = folder / "extend-config.toml"
    args = read_config(sparse.content(str(config)), str(config)) if os.path.lexists(config) else {}
    return Application(
        extension_id=element.id,
        where=where,
        content=content,
        context=str(folder / context) if context else inputs.app,
        args=args.get(kind, {}),
    )


def _applier(run: PhaseRun, image: SparseImage, seconds: float) -> InPlaceApplier:
    inputs = run.inputs
    # In a volume, the layers are there for the next build, too.
    kept = KANIKO_DIR if Path(KANIKO_DIR).is_dir() else inputs.layers
    store = LayerStore(f"{kept}/cache/pybuild", seconds=seconds)
    return InPlaceApplier(
        image.config["config"],
        store,
        base=" ".join(image.diff_ids),
        skip=(inputs.app, inputs.layers, inputs.platform, inputs.generated, KANIKO_DIR, inputs.extended),
        environ=run.environ,
        output_limit=run.output_limit,
    )


def _leave(run: PhaseRun, image: SparseImage, applier: InPlaceApplier, config: object) -> None:
    """Write the extended run image for the exporter: configuration, manifest and the new layers (XTD-07)."""
    made = applier.layers
    history: list[Any] = [item for item in image.config.get("history") or () if not item.get("empty_layer")]
    if len(history) != len(image.diff_ids):
        history = [{"created": _CREATED} for _ in image.diff_ids]
    history += [
        {"created": _CREATED, "created_by": CREATED_BY.format(what=each.what, id=each.extension_id)}
        for each in made
    ]
    diff_ids = [*image.diff_ids, *(each.kept.diff_id for each in made)]
    new = [sparse.descriptor(sparse.TAR_LAYER, each.kept.diff_id, each.kept.size) for each in made]
    parent = f"{run.inputs.extended}/run"
    try:
        folder = sparse.write(
            parent,
            {
                **image.config,
                "config": config,
                "history": history,
                "rootfs": {"type": "layers", "diff_ids": diff_ids},
            },
            [*image.layers, *new],
            {each.kept.diff_id: each.kept.read for each in made},
        )
    except OSError as exc:
        raise ExtendError(f"{parent}: cannot be written: {exc.filename}: {exc.strerror}") from exc
    info(f"The extended run image is in {folder}")


def _environ(run: PhaseRun, config: Any) -> dict[str, str]:
    """What the build phase starts from: the extended image's variables, and the build user's home."""
    given = dict(item.split("=", 1) for item in config.get("Env") or () if "=" in item)
    try:
        user = pwd.getpwuid(run.inputs.uid)
    except KeyError:
        return {**run.environ, **given}
    return {**run.environ, **given, "HOME": user.pw_dir, "USER": user.pw_name}
