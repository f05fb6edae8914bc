"""Everything that reads what strangers write, as targets for a fuzzer: bytes in; a value or a `PybuildError` out, soon.

`python -m support.fuzzing --seconds 600` (`make fuzz`) goes on for so long, from a seed that it prints; what it finds is
printed with the input, to become a test. Reliability: G8, S-16, S-28, S-32, S-36, S-44.
"""

from __future__ import annotations

import argparse
import gzip
import io
import itertools
import json
import random
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
import zipfile
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pybuild import gojson
from pybuild.buildenv import scripts
from pybuild.errors import PybuildError
from pybuild.lifecycle import dockerfile_words, dockerfiles, os_release
from pybuild.lifecycle.cache import CacheIndex
from pybuild.lifecycle.dockerignore import Ignore
from pybuild.oci import model, tar
from pybuild.oci.digest import sha256
from pybuild.oci.reference import Reference
from pybuild.oci.statement import Envelope, signed_digest
from pybuild.platform import certificates, environment
from pybuild.platform.app import source_zip
from pybuild.platform.app.selection import Selection
from pybuild.spec import analyzed, buildpack, labels, launch, layer, order, plan, project, toml
from pybuild.spec.api import BUILDPACK_APIS, ApiVersion
from pybuild.spec.builder import Builder
from pybuild.spec.cache import CacheMetadata
from pybuild.stores import compress, image_manifest, keychain
from support.fuzz_files import READERS
from support.golden import GOLDEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SLOW = 5.0
"""Seconds that no input may take."""
MEMORY = 4 << 30
"""Bytes of address space for the process; more is a `MemoryError`, which no target may let out."""
MOST = 1 << 16
_NEWEST = BUILDPACK_APIS[-1]
_OLDEST = ApiVersion(0, 7)


@dataclass(frozen=True)
class Target:
    """`read` takes bytes; `seeds` are inputs that mean something, to start from."""

    name: str
    read: Callable[[bytes], object]
    seeds: tuple[bytes, ...]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _golden(*names: str) -> tuple[bytes, ...]:
    """The contents of files with these names in all recordings."""
    found: set[bytes] = set()
    for path in sorted(GOLDEN.glob("*/*.json")):
        found |= {text.encode() for text in _contents(json.loads(path.read_bytes()), names)}
    return tuple(sorted(found, key=lambda text: (len(text), text)))[:200]


def _contents(value: Any, names: Sequence[str]) -> Iterator[str]:
    if isinstance(value, dict):
        if str(value.get("path", "")).rpartition("/")[2] in names and isinstance(value.get("content"), str):
            yield value["content"]
        for inner in value.values():
            yield from _contents(inner, names)
    elif isinstance(value, list):
        for inner in value:
            yield from _contents(inner, names)


def _tar(kind: bytes = tar.FILE) -> bytes:
    entries = [
        (tar.TarEntry(b"folder", tar.DIRECTORY, 0o755, 0, 0), b""),
        (tar.TarEntry(b"folder/" + b"n" * 120, tar.FILE, 0o644, 0, 0, 5), b"hello"),
        (tar.TarEntry(b"link", tar.SYMLINK, 0o777, 0, 0, 0, b"../outside"), b""),
    ]
    return b"".join(tar.write(entries)) if kind == tar.FILE else b""


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("index.php", "<?php echo 1;")
        archive.writestr("folder/file", "x" * 500)
    return buffer.getvalue()


def _read_tar(data: bytes) -> None:
    for _, body in tar.read([data[at : at + 700] for at in range(0, len(data), 700)]):
        deque(body, maxlen=0)


def _read_zip(data: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".zip") as file:
        file.write(data)
        file.flush()
        found = source_zip.reader(Path(file.name), Selection())
        for entry in found.walk():
            opened = found.open(entry)
            while opened is not None and opened.read(1 << 16):
                pass


def _read_env_file(data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        environment.read_env_file(Path(file.name), {})


def _read_docker_config(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_bytes(data)
        keychain.Keychain({"DOCKER_CONFIG": folder, "HOME": folder}).credential("registry.example.com")


def _read_manifest(data: bytes) -> None:
    value = image_manifest.read_object(data, "here")
    config = b'{"rootfs": {"type": "layers", "diff_ids": []}}'
    image_manifest.checked(model.OCI_MANIFEST, sha256(data), value, lambda *_: config, where="here")


def _read_builder(data: bytes) -> None:
    value = gojson.loads(data, where="labels")
    texts = {str(key): str(text) for key, text in value.items()} if isinstance(value, dict) else {}
    config = {
        "config": {"Env": ["CNB_USER_ID=1000", "CNB_GROUP_ID=1000"]},
        "os": "linux",
        "architecture": "amd64",
    }
    Builder.read("acme/builder", "sha256:" + "0" * 64, config, texts)


def _labels() -> bytes:
    return json.dumps(
        {
            "io.buildpacks.builder.metadata": '{"description":"x","buildpacks":[{"id":"a","version":"1"}],'
            '"stack":{"runImage":{"image":"run","mirrors":["m"]}},"lifecycle":{"version":"0.21.0"}}',
            "io.buildpacks.buildpack.order": '[{"group":[{"id":"a","version":"1","optional":true}]}]',
            "io.buildpacks.buildpack.layers": '{"a":{"1":{"api":"0.10","layerDiffID":"sha256:00"}}}',
            "io.buildpacks.lifecycle.apis": '{"platform":{"deprecated":[],"supported":["0.10"]}}',
        }
    ).encode()


def _selected(data: bytes) -> None:
    lines = _text(data).splitlines()[:50]
    chosen = Selection.of(exclude=lines)
    for path in (b"a", b"a/b/c.txt", b"x" * 300, b"\xc3\xa9/\xff"):
        chosen.matches(path, folder=False, parent_matches=False)


def _ignored(data: bytes) -> None:
    Ignore.read(data[:2000], where="here").leaves_out("some/folder/with/a/file.txt")


def targets() -> tuple[Target, ...]:
    """All of them."""
    api = b'[[processes]]\ntype = "web"\ncommand = "a"\n'
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": model.OCI_MANIFEST,
            "config": {"mediaType": model.OCI_CONFIG, "digest": "sha256:" + "0" * 64, "size": 2},
            "layers": [],
        }
    ).encode()
    lifecycle = json.dumps(
        {
            "app": [{"sha": "sha256:00"}],
            "buildpacks": [
                {"key": "a", "version": "1", "layers": {"l": {"sha": "sha256:1", "launch": True}}}
            ],
            "runImage": {"topLayer": "sha256:2", "reference": "r"},
        }
    ).encode()
    index = CacheIndex(owner="a").write()
    packed = gzip.compress(_tar(), mtime=0)
    mark = "m4rk"
    return (
        Target(
            "toml",
            lambda data: toml.load(data, file="f"),
            _golden("launch.toml", "plan.toml", "buildpack.toml"),
        ),
        Target(
            "launch.toml",
            lambda data: launch.LaunchToml.read(data, "f", _NEWEST, "a"),
            _golden("launch.toml"),
        ),
        Target("launch.toml 0.7", lambda data: launch.LaunchToml.read(data, "f", _OLDEST, "a"), (api,)),
        Target("build.toml", lambda data: launch.BuildToml.read(data, "f"), _golden("build.toml")),
        Target("store.toml", lambda data: launch.StoreToml.read(data, "f"), _golden("store.toml")),
        Target(
            "metadata.toml",
            lambda data: launch.Metadata.read(data, "f"),
            (b"[[processes]]\ntype='a'\ncommand=['b']",),
        ),
        Target(
            "layer.toml",
            lambda data: layer.LayerToml.read(data, "f", _NEWEST),
            (b"[types]\nlaunch = true\n[metadata]\na = 1",),
        ),
        Target(
            "plan",
            lambda data: plan.BuildPlan.read(data, "f"),
            (b"[[provides]]\nname='a'\n[[or]]\n[[or.requires]]\nname='b'",),
        ),
        Target("plan.toml", lambda data: plan.Plan.read(data, "f"), _golden("plan.toml")),
        Target(
            "buildpack plan",
            lambda data: plan.BuildpackPlan.read(data, "f"),
            (b"[[entries]]\nname='a'\n[entries.metadata]\nb=1",),
        ),
        Target("group.toml", lambda data: order.Group.read(data, "f"), _golden("group.toml")),
        Target("order.toml", lambda data: order.OrderFile.read(data, "f"), _golden("order.toml")),
        Target(
            "system.toml",
            lambda data: order.System.read(data, "f"),
            (b"[[system.pre.buildpacks]]\nid='a'\nversion='1'",),
        ),
        Target("analyzed.toml", lambda data: analyzed.Analyzed.read(data, "f"), _golden("analyzed.toml")),
        Target(
            "run.toml",
            lambda data: analyzed.RunToml.read(data, "f"),
            (b"[[images]]\nimage='a'\nmirrors=['b']",),
        ),
        Target(
            "buildpack.toml", lambda data: buildpack.Descriptor.read(data, "f"), _golden("buildpack.toml")
        ),
        Target(
            "extension.toml",
            lambda data: buildpack.Descriptor.read(data, "f", kind="extension"),
            _golden("extension.toml"),
        ),
        Target(
            "project.toml",
            lambda data: project.Project.read(data),
            (
                b'[_]\nschema-version="0.2"\n[io.buildpacks]\nexclude=["a"]\n[[io.buildpacks.group]]\nid="a"\n',
                b'[project]\nid="a"\n[[build.buildpacks]]\nid="a"\n[build.buildpacks.script]\napi="0.10"\ninline="x"\n',
            ),
        ),
        Target(
            "project-metadata.toml",
            lambda data: labels.ProjectMetadata.read(data, "f"),
            (b"[source]\ntype='git'\n[source.version]\ncommit='a'",),
        ),
        Target("lifecycle label", lambda data: labels.LifecycleMetadata.read(_text(data)), (lifecycle,)),
        Target("builder labels", _read_builder, (_labels(),)),
        Target(
            "cache metadata",
            lambda data: CacheMetadata.read(data, where="f"),
            (b'{"buildpacks":[{"key":"a","layers":{}}]}',),
        ),
        Target("cache index", lambda data: CacheIndex.read(data, where="f"), (index,)),
        Target(
            "json",
            lambda data: gojson.loads(data, where="f"),
            (b'{"a":[1,2.5e3,"\\u00e9",null,true]}', lifecycle),
        ),
        Target(
            "image config",
            lambda data: model.config_file(gojson.loads(data, where="f")),
            (
                b'{"config":{"Env":["A=b"],"Labels":{"a":"b"}},"history":[{"created":"1980-01-01T00:00:01Z"}],"rootfs":{"type":"layers","diff_ids":[]}}',
            ),
        ),
        Target("manifest", _read_manifest, (manifest,)),
        Target(
            "index",
            lambda data: image_manifest.choose(
                image_manifest.read_object(data, "f"), image_manifest.Platform(), "f"
            ),
            (
                b'{"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:0","platform":{"os":"linux","architecture":"amd64"}}]}',
            ),
        ),
        Target("tar", _read_tar, (_tar(),)),
        Target(
            "layer blob",
            lambda data: deque(itertools.islice(compress.inflated([data], "f"), 1000), maxlen=0),
            (packed, _tar()),
        ),
        Target("zip", _read_zip, (_zip(),)),
        Target(
            "image name",
            lambda data: Reference.parse(_text(data)),
            (b"registry.example.com:5000/a/b:tag@sha256:" + b"0" * 64, b"myapp"),
        ),
        Target("env file", _read_env_file, (b"A=b\nexport C=\"d\\n$E\"\n# no\nF='g'\nH",)),
        Target(
            "docker config",
            _read_docker_config,
            (b'{"auths":{"registry.example.com":{"auth":"YTpi"}},"credHelpers":{"x":"y"}}',),
        ),
        Target(
            "registry auth",
            lambda data: keychain.Keychain({"CNB_REGISTRY_AUTH": _text(data), "HOME": "/nonexistent"}),
            (b'{"registry.example.com": "Basic YTpi"}',),
        ),
        Target(
            "Dockerfile",
            lambda data: dockerfiles.read_dockerfile(data, "build", file="f"),
            (
                b'ARG base_image\nFROM ${base_image}\nRUN --mount=type=cache,target=/x a \\\n b\nENV A=b C=\'d e\'\nCOPY ["a", "b"]\n',
            ),
        ),
        Target(
            "Dockerfile words",
            lambda data: dockerfile_words.expand(_text(data), {"A": "b"}, where="f"),
            (b"${A:-x}/$A\\$ '${B:+c}'",),
        ),
        Target(".dockerignore", _ignored, (b"# a\n**/node_modules\n!keep\n*.p[yc]\n",)),
        Target("patterns", _selected, (b"*.log\n!keep/\n/root/**/x[a-z]\n",)),
        Target(
            "os-release",
            lambda data: os_release.distro({"/etc/os-release": data}),
            (b'ID=debian\nVERSION_ID="12"\n',),
        ),
        Target(
            "certificates",
            certificates.parse,
            (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",),
        ),
        Target(
            "envelope",
            lambda data: Envelope.read(data, where="f"),
            (Envelope(payload_type="a", payload=b"b", signature=b"c").write(),),
        ),
        Target(
            "signature's payload",
            signed_digest,
            (
                b'{"critical":{"image":{"docker-manifest-digest":"sha256:0"},"type":"cosign container image signature"}}',
            ),
        ),
        Target(
            "listing",
            lambda data: [list(each.entries) for each in scripts.read_listings(data, ["/layers"])],
            (b"/layers/a\0f 644 0 0 5 1.5 2.5 7 1\0\0\0\0\0",),
        ),
        Target(
            "detect results",
            lambda data: scripts.read_completed(data, 2, mark),
            (mark.encode().join((b"0", b"out", b"f", b"1", b"", b"", b"")),),
        ),
        Target(
            "file list", lambda data: scripts.read_list(data, 1 << 20), (b"r/layers/a\0\0" + b"5\0hello",)
        ),
        *(Target(*each) for each in READERS),
    )


_TOKENS = (
    b"", b"\0", b"\xff\xfe", b"\n", b"'''", b'"""', b"[" * 300, b"{" * 300, b"[[", b"]]", b"a." * 100, b"=", b"\\",
    b"\\u0000", b"\xe2\x80\xae", b"99999999999999999999", b"-1", b"1e999", b"nan", b"inf", b"true", b"null", b"../", b"/",
    b"sha256:", b"\x1b[2J", b"${", b"$(", b"`", b"*" * 50, b"(" * 50, b"1979-05-27T07:32:00Z", b"\xed\xa0\x80", b"%s",
    b"9" * 5000, b"x" * 5000, b"\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01",
)  # fmt: skip


def mutated(seed: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """`seed` with a few of its bytes, pieces or lines changed, moved, doubled, or taken from another one."""
    data = bytearray(seed)
    for _ in range(chance.choice((0, 1, 1, 2, 3, 8))):
        at, length = chance.randint(0, len(data)), chance.choice((1, 1, 4, 16, 64, 512))
        piece = bytes(data[at : at + length])
        match chance.randrange(8):
            case 0 if data:
                data[min(at, len(data) - 1)] ^= 1 << chance.randrange(8)
            case 1:
                del data[at : at + length]
            case 2:
                data[at:at] = chance.choice(_TOKENS)
            case 3:
                data[at : at + length] = chance.choice(_TOKENS)
            case 4:
                data[at:at] = piece * chance.choice((1, 2, 50))
            case 5:
                other = chance.choice(others)
                start = chance.randint(0, len(other))
                data[at:at] = other[start : start + length * 4]
            case 6:
                data = bytearray(re.sub(rb"\d+", lambda _: chance.choice(_TOKENS), bytes(data), count=1))
            case _:
                data[at:at] = chance.randbytes(length)
    return bytes(data[:MOST])


def _place(what: str) -> str:
    """The line of code that a traceback ends at, else the first words."""
    lines = re.findall(r'File "[^"]*", line \d+', what)
    return str(lines[-1]) if lines else what[:25]


@dataclass(frozen=True)
class Found:
    """An input that did what none may do."""

    target: str
    data: bytes
    what: str


def probe(target: Target, data: bytes, *, seconds: float = SLOW) -> Found | None:
    """Give one input to a target. What it finds is an error of another kind, or that it took too long."""

    def too_long(*_: object) -> None:
        raise TimeoutError(f"took more than {seconds:g} s")

    old = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        target.read(data)
    except PybuildError as exc:
        if not str(exc).strip() or "\n" in str(exc).strip() or len(str(exc)) > 5000:
            return Found(target.name, data, f"its message is no sentence: {str(exc)[:300]!r}")
    except BaseException:  # noqa: BLE001 - that is what is looked for
        return Found(target.name, data, traceback.format_exc())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    return None


def search(chosen: Sequence[Target], *, seconds: float, seed: int) -> Iterator[Found]:
    """Try inputs for so long, all targets alike; the first finding of each kind is given."""
    chance = random.Random(seed)
    everything = [text for target in chosen for text in target.seeds]
    told: set[tuple[str, str]] = set()
    until = time.monotonic() + seconds
    pools = {target.name: [*target.seeds, b""] for target in chosen}
    while time.monotonic() < until:
        for target in chosen:
            pool = pools[target.name]
            data = mutated(chance.choice(pool), everything, chance)
            found = probe(target, data)
            if found is None:
                if len(pool) < 300 and chance.random() < 0.02:
                    pool.append(data)
                continue
            key = (target.name, _place(found.what))
            if key not in told:
                told.add(key)
                yield found


def main() -> int:
    """`make fuzz`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", help="targets whose name has this in it")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    chosen = [target for target in targets() if not options.only or options.only in target.name]
    print(f"{len(chosen)} targets for {options.seconds:.0f} s, --seed {options.seed}", file=sys.stderr)
    count = 0
    for found in search(chosen, seconds=options.seconds, seed=options.seed):
        count += 1
        print(f"--- {found.target}\n{found.what}\ninput: {found.data!r}", flush=True)
    print(f"{count} findings", file=sys.stderr)
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
