"""One random build done by the Go lifecycle's programs and by ours, phase by phase, and what each left behind.

Both start as root in the same root directory, one after the other. The Go programs keep images in a registry of ours
(`support.registry`), our programs in a `FolderStore`; detector and builder are the build user's.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import stat
import subprocess
import tarfile
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pybuild.cli.phases.create
import pybuild.cli.phases.restore  # noqa: F401 - beforehand: no module can be found from inside a chroot
from pybuild.oci import model
from pybuild.oci.digest import sha256
from pybuild.oci.reference import Reference
from support import phase_programs
from support.chroot import inside, plant
from support.exports import clear
from support.images import FolderStore
from support.peers import identity_of
from support.random_builds import GID, ROUNDS, UID

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pybuild.spec.labels import LauncherIdentity
    from support.random_builds import Build
    from support.registry import Registry

PHASES = ("analyzer", "detector", "restorer", "builder", "exporter")
CACHE = "/tmp/cache"
_GO = "/opt/lifecycle"
_FILES = ("analyzed.toml", "group.toml", "plan.toml", "report.toml")


@dataclass
class Done:
    """What one phase left. `tree`: of the layers directory after it; `said` is for people only."""

    phase: str
    exit_code: int
    said: str
    files: dict[str, Any] = field(default_factory=dict)
    tree: list[str] = field(default_factory=list)
    cache: list[str] = field(default_factory=list)
    image: str = ""


def install(root: Path, program: Path) -> None:
    """Put the Go lifecycle into a root directory."""
    (root / "opt").mkdir(exist_ok=True)
    (root / "opt").chmod(0o755)
    shutil.copy(program, root / "opt/lifecycle")


def by_go(root: Path, registry: Registry, build: Build) -> list[Done]:
    """The build as the Go lifecycle does it, until a phase fails."""
    registry.manifests.clear()
    registry.blobs.clear()
    config = _base_config(build)
    _put_base(registry, config)
    found: list[Done] = []
    for number in range(len(ROUNDS)):
        done: list[Done] = inside(root, lambda number=number: _round(build, registry.host, number, _run_go))
        if done[-1].exit_code == 0:
            kind, manifest = registry.manifests["out", "1"]
            assert kind
            done[-1].image = registry.blobs["out", json.loads(manifest)["config"]["digest"]].decode()
        found += done
        if done[-1].exit_code:
            break
    return found


def by_us(root: Path, registry: Registry, build: Build) -> list[Done]:
    """The same as our programs do it."""
    identity = identity_of(root / _GO.removeprefix("/"))
    return list(inside(root, lambda: _ours(build, registry.host, identity)))


def _ours(build: Build, host: str, identity: LauncherIdentity) -> list[Done]:
    shutil.rmtree("/tmp/store", ignore_errors=True)
    store = FolderStore(Path("/tmp/store"))
    config = _base_config(build)
    base = sha256(_manifest(config, [_base_layer()]))
    store.add(f"{host}/run:1", config, [_base_layer()], id=f"{host}/run@{base}")
    for path in (Path("/tmp/store"), *Path("/tmp/store").iterdir()):
        path.chmod(0o777)
    found: list[Done] = []

    def run(words: Sequence[str], environ: Mapping[str, str], uid: int) -> tuple[int, str]:
        nonlocal store
        ended = phase_programs.call(words, environ, store, opened=lambda it: it, uid=uid, identity=identity)
        store = ended.store
        return ended.exit_code, ended.output

    for number in range(len(ROUNDS)):
        done = _round(build, host, number, run)
        if done[-1].exit_code == 0:
            done[-1].image = store.config(store.names[Reference.parse(f"{host}/out:1").name]).decode()
        found += done
        if done[-1].exit_code:
            break
    return found


def _round(
    build: Build,
    host: str,
    number: int,
    run: Callable[[Sequence[str], Mapping[str, str], int], tuple[int, str]],
) -> list[Done]:
    """One round in the present root directory."""
    clear()
    if number == 0:
        shutil.rmtree(CACHE, ignore_errors=True)
        Path(CACHE).mkdir()
    plant([_filled(item, host) for item in build.trees[number]])
    os.chown("/layers", UID, GID)
    environ = {
        **build.environ,
        "CNB_PLATFORM_API": build.platform_api,
        "CNB_USER_ID": str(UID),
        "CNB_GROUP_ID": str(GID),
        "HOME": "/home/cnb",
    }
    done = []
    for name in PHASES:
        words = [f"/cnb/lifecycle/{name}", *build.flags.get(name, ()), *_places(name, host)]
        code, said = run(words, environ, UID if name in ("detector", "builder") else 0)
        tree = _tree(Path("/layers"))
        if name == "restorer":
            # The Go lifecycle brings back SBOMs of layers that do not come back, too (ADR 9).
            tree = [line for line in tree if ".sbom." not in line]
        done.append(Done(name, code, said, _files(), tree, _cache()))
        if code:
            break
    return done


def _run_go(words: Sequence[str], environ: Mapping[str, str], uid: int) -> tuple[int, str]:
    ended = subprocess.run(
        words, executable=_GO, env=environ, cwd="/", capture_output=True, check=False, timeout=300, umask=0o022,
        user=uid or None, group=uid or None, extra_groups=[] if uid else None,
    )  # fmt: skip
    return ended.returncode, (ended.stdout + ended.stderr).decode(errors="replace")


def _places(name: str, host: str) -> list[str]:
    match name:
        case "analyzer":
            return ["-run-image", f"{host}/run:1", f"{host}/out:1"]
        case "restorer":
            return ["-cache-dir", CACHE]
        case "exporter":
            return ["-cache-dir", CACHE, "-report", "/layers/report.toml", f"{host}/out:1"]
        case _:
            return []


def _filled(item: Mapping[str, Any], host: str) -> Mapping[str, Any]:
    """`item` with the run image's name in the place of its token."""
    content = base64.b64decode(item.get("content_b64", ""))
    if b"@RUN@" not in content:
        return item
    return {
        **item,
        "content_b64": base64.b64encode(content.replace(b"@RUN@", f"{host}/run:1".encode())).decode(),
    }


def _files() -> dict[str, Any]:
    """The files between the phases, without what differs between a registry and our store, or at random."""
    found: dict[str, Any] = {}
    for name in _FILES:
        path = Path("/layers") / name
        if path.exists():
            # Digests of manifests depend on the compression of new layers.
            text = re.sub(r'"(\S+/out@sha256:)?[0-9a-f]{64}"', '"…"', path.read_text("utf-8"))
            text = re.sub(r"^  (digest|manifest-size|image-id) = .*\n", "", text, flags=re.MULTILINE)
            # The Go lifecycle writes the entries of a plan in an order that is different each time (GO-53).
            found[name] = _sorted_plan(text) if name == "plan.toml" else text
    return found


def _sorted_plan(text: str) -> list[str]:
    entries = tomllib.loads(text).get("entries", [])
    return sorted(json.dumps(entry, sort_keys=True, default=str) for entry in entries)


def _tree(folder: Path) -> list[str]:
    """Everything below `folder`: path, kind, mode, owner and the content's digest or the link's target."""
    lines = []
    for path in sorted(folder.rglob("*"), key=os.fsencode):
        if path.name in _FILES and path.parent == folder:
            continue
        info = path.lstat()
        what = ""
        if stat.S_ISLNK(info.st_mode):
            what = os.readlink(path)  # noqa: PTH115
        elif stat.S_ISREG(info.st_mode):
            content = path.read_bytes()
            what = repr(content) if len(content) < 3000 else sha256(content)
        lines.append(ascii(f"{path} {stat.filemode(info.st_mode)} {info.st_uid}:{info.st_gid} {what}"))
    return lines


def _cache() -> list[str]:
    """What the cache has: names, and the text of its index."""
    committed = Path(CACHE) / "committed"
    found = []
    for path in sorted(committed.iterdir()) if committed.exists() else []:
        content = "" if path.suffix == ".tar" else path.read_text("utf-8")
        found.append(f"{path.name} {content}")
    return found


def _base_layer() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        member = tarfile.TarInfo("base")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"base"))
    return data.getvalue()


def _base_config(build: Build) -> bytes:
    diff_id = sha256(_base_layer())
    return json.dumps({**build.run_image, "rootfs": {"type": "layers", "diff_ids": [diff_id]}}).encode()


def _manifest(config: bytes, layers: Sequence[bytes]) -> bytes:
    """Of an image whose layers are not compressed."""
    value = {
        "schemaVersion": 2,
        "mediaType": model.DOCKER_MANIFEST,
        "config": {"mediaType": model.DOCKER_CONFIG, "size": len(config), "digest": sha256(config)},
        "layers": [
            {
                "mediaType": "application/vnd.docker.image.rootfs.diff.tar",
                "size": len(layer),
                "digest": sha256(layer),
            }
            for layer in layers
        ],
    }
    return json.dumps(value).encode()


def _put_base(registry: Registry, config: bytes) -> None:
    layer = _base_layer()
    registry.put_blob("run", config)
    registry.put_blob("run", layer)
    registry.put_manifest("run", "1", model.DOCKER_MANIFEST, _manifest(config, [layer]))
