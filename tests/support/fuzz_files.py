"""Further readers for the fuzzer: settings, archives, lists, and what buildpacks read of an app. See `support.fuzzing`."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import tempfile
import zipfile
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pybuild import gojson
from pybuild.engine import connect
from pybuild.errors import PybuildError
from pybuild.libcnb import archive, bindings, deb_licence, digest, dpkg, problem
from pybuild.libcnb import plan as buildpack_plan
from pybuild.libcnb.app_files import AppFiles
from pybuild.lifecycle.cached_tar import below
from pybuild.oci import index, tar, tar_parse, validate
from pybuild.oci.digest import sha256
from pybuild.platform import lock
from pybuild.platform.app.ignore_files import Ignored
from pybuild.platform.builders import lifecycle_archive
from pybuild.platform.buildpacks import fetch_archive
from pybuild.platform.images import sbom
from pybuild.platform.signing import keys, provenance
from pybuild.spec import (
    builder_toml,
    config,
    environ,
    fixture,
    package_toml,
    rebase_metadata,
    registry_index,
    target,
)
from pybuild.spec.api import ApiVersion
from pybuild.stores import load, tokens
from pybuild.stores.files import Archive
from pybuild.stores.image_manifest import Platform
from pybuild.stores.layout_index import LayoutIndex
from pybuild.stores.saved import SavedReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from pybuild.libcnb.problem import Problem

Reader = tuple[str, "Callable[[bytes], object]", tuple[bytes, ...]]
_ZEROS = "sha256:" + "0" * 64


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _in_file(read: Callable[[Path], object], name: str = "file") -> Callable[[bytes], object]:
    """A reader of files as one of bytes."""

    def reads(data: bytes) -> object:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(data)
            return read(path)

    return reads


def _tar_of(files: dict[str, bytes], mode: str = "w") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as opened:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _zip_of(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return packed.getvalue()


def _env_dir(data: bytes) -> None:
    """Names and contents, as lines in turn."""
    lines = data.split(b"\n")
    files = dict(zip((_text(name)[:255] for name in lines[::2]), lines[1::2], strict=False))
    environ.apply({"A": "b"}, environ.read_env_dir(files, where="f"))
    environ.read_user_variables(files, where="f")


def _token(data: bytes) -> None:
    """The first line is a challenge, the rest the token server's answer."""
    header, _, answer = data.partition(b"\n")
    challenge = tokens.Challenge.read(header.decode("latin-1"))
    if challenge is not None:
        asked = tokens.Tokens("https://registry.example.com", None)
        asked.refused("", challenge, ["repository:a:pull"], lambda *_: answer)


def _saved(path: Path) -> None:
    reader = SavedReader(path)
    try:
        image = reader.find("")
        assert image is not None
        reader.read_file(image, "/etc/os-release")
    finally:
        reader.close()


def _layout(path: Path) -> None:
    opened = Archive.open(path)
    try:
        LayoutIndex(opened, Platform()).find("")
    finally:
        opened.close()


def _archive(path: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        for module in fetch_archive.read(path, Path(scratch)):
            deque(module.contents(), maxlen=0)


def _unpacked(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        inside = Path(folder) / "inside"
        archive.unpack(path, inside, limit=1 << 22)
        assert [found.name for found in Path(folder).iterdir()] == ["inside"]


def _cached_tar(data: bytes) -> None:
    deque(below([data], "/layers/a/l", uid=1, gid=2), maxlen=0)


def _sbom(data: bytes) -> None:
    for kind in ("cyclonedx", "spdx", "syft"):
        document = sbom.SbomDocument(buildpack="a", layer="l", format=kind, path="f", content=data)  # type: ignore[arg-type]
        sbom.packages([document], sbom.Selection())


def _git_folder(data: bytes) -> None:
    """HEAD, and packed-refs after an empty line."""
    with tempfile.TemporaryDirectory() as folder:
        git = Path(folder) / ".git"
        git.mkdir()
        head, _, packed = data.partition(b"\n\n")
        (git / "HEAD").write_bytes(head)
        (git / "packed-refs").write_bytes(packed)
        provenance.source_material(Path(folder))


def _git_ignored(data: bytes) -> None:
    ignored = Ignored([".gitignore"], lambda path: data if path == b".gitignore" else None)
    for path in (b"a", b"a/b/c.txt", b"x" * 300, b"\xc3\xa9/\xff"):
        ignored.leaves_out(path, folder=False)


def _binding(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "db").mkdir()
        (Path(folder) / "db" / "type").write_bytes(data)
        bindings.read_bindings(Path(folder))


def _docker_context(data: bytes) -> None:
    """config.json and a context's meta.json. No engine is there, so that is the best end."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_bytes(data)
        try:
            connect({"DOCKER_CONFIG": folder, "HOME": folder, "DOCKER_HOST": "unix:///nope"})
        except PybuildError:
            return


def _told(name: str, why: str) -> Problem:
    return problem.Problem(f"{name} cannot be read", why[:500].replace("\n", " "))


def _control(data: bytes) -> None:
    text = _text(data)
    deque(dpkg.stanzas(text), maxlen=0)
    dpkg.installed(text)
    dpkg.essential(text)


_MANIFEST: dict[str, Any] = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": _ZEROS, "size": 2},
    "layers": [],
}
_CONFIG = b'{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}'
_IMAGE = json.dumps(
    {**_MANIFEST, "config": {**_MANIFEST["config"], "digest": sha256(_CONFIG), "size": len(_CONFIG)}}
).encode()
_LAYOUT = {
    "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
    "index.json": json.dumps({"manifests": [{"mediaType": _MANIFEST["mediaType"], "digest": sha256(_IMAGE), "size": len(_IMAGE)}]}).encode(),
    **{f"blobs/{sha256(blob).replace(':', '/')}": blob for blob in (_CONFIG, _IMAGE)},
}  # fmt: skip
_INDEX = json.dumps(
    {"schemaVersion": 2, "manifests": [{"mediaType": _MANIFEST["mediaType"], "digest": _ZEROS, "size": 2}]}
).encode()
_CYCLONEDX = json.dumps(
    {"components": [{"name": "a", "version": "1", "purl": "pkg:deb/debian/a@1", "licenses": [{"license": {"id": "MIT"}}]}]}
).encode()  # fmt: skip
_PEM = b"""-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEPteijsZI7c5dW34lL2sqr7tEg1EU
oks8qo9xD2SZO8JXEaNM3JIpCAtjnwmXf+t8qR7M4WSb/qithccrIGrefg==
-----END PUBLIC KEY-----
"""
_BUILDPACK = b'api = "0.10"\n[buildpack]\nid = "a/b"\nversion = "1"\n[[targets]]\nos = "linux"\n'

READERS: tuple[Reader, ...] = (
    ("expect.toml", lambda data: fixture.Fixture.read(data, "f"), (b'detect = "pass"\nbuild = "pass"\n',)),
    (
        "config.toml",
        lambda data: config.Config.read(data, "f").write(),
        (b'default-builder-image = "a"\n[[registries]]\nname = "a"\nurl = "b"\ntype = "git"\n[registry-mirrors]\n"*" = "m"\n',),
    ),
    ("package.toml", lambda data: package_toml.PackageToml.read(data, "f"), (b'[buildpack]\nuri = "."\n[[dependencies]]\nuri = "a"\n',)),
    (
        "builder.toml",
        lambda data: builder_toml.BuilderToml.read(data, "f"),
        (b'[[buildpacks]]\nuri = "a"\n[[order]]\n[[order.group]]\nid = "a"\n[build]\nimage = "b"\n[[run.images]]\nimage = "r"\n',),
    ),
    (
        "rebase metadata",
        lambda data: rebase_metadata.RebaseMetadata.read(_text(data)).write(),
        (b'{"runImage":{"topLayer":"sha256:0","reference":"r"},"stack":{"runImage":{"image":"r","mirrors":["m"]}}}',),
    ),
    (
        "registry index",
        lambda data: registry_index.read_entries(data, "f"),
        (b'{"ns":"a","name":"b","version":"1.2.3","yanked":false,"addr":"r/a@' + _ZEROS.encode() + b'"}\n',),
    ),
    ("registry id", lambda data: registry_index.RegistryId.parse(_text(data)), (b"a/b@1.0.0", b"a/b")),
    ("env folder", _env_dir, (b"A.append\nvalue\nA.delim\n:\nB\nc", b"PATH\n/x")),
    ("platform word", lambda data: target.TargetSpec.parse(_text(data)), (b"linux/arm64/v8", b"linux/amd64:debian@12")),
    ("api version", lambda data: ApiVersion.parse(_text(data)), (b"0.12", b"1")),
    (
        "token",
        _token,
        (b'Bearer realm="https://auth.example.com/token",service="s",scope="repository:a:pull"\n{"token":"t","expires_in":60}',),
    ),
    ("image index", lambda data: index.Index.read(data, "f").write(), (_INDEX,)),
    (
        "engine's answer",
        lambda data: load.refusal(value) if isinstance(value := gojson.loads(data, where="f"), dict) else None,
        (b'{"errorDetail":{"message":"no space left on device"},"error":"x"}',),
    ),
    (
        "docker save",
        _in_file(_saved, "a.tar"),
        (_tar_of({"c.json": _CONFIG, "manifest.json": b'[{"Config":"c.json","RepoTags":["a:1"],"Layers":[]}]'}),),
    ),
    (
        "OCI archive",
        _in_file(_layout, "a.tar"),
        (_tar_of(_LAYOUT),),
    ),
    ("buildpack archive", _in_file(_archive, "a.tgz"), (_tar_of({"buildpack.toml": _BUILDPACK, "bin/detect": b"#!", "bin/build": b"#!"}, "w:gz"),)),
    (
        "lifecycle archive",
        lambda data: lifecycle_archive.from_archive(data, "f"),
        (_tar_of({"lifecycle.toml": b'[apis.buildpack]\nsupported = ["0.10"]\n[apis.platform]\nsupported = ["0.10"]\n[lifecycle]\nversion = "1"\n', **{f"lifecycle/{name}": b"x" for name in lifecycle_archive.NEEDED}}, "w:gz"),),
    ),
    ("cached tar", _cached_tar, (b"".join(tar.write([(tar.TarEntry(b"/layers/a/l", tar.DIRECTORY, 0o755, 0, 0), b""), (tar.TarEntry(b"/layers/a/l/f", tar.FILE, 0o644, 0, 0, 1), b"x")])),)),
    ("pax records", tar_parse.parse_records, (b"12 path=abc\n", b"11 size=55\n")),
    ("lock", lambda data: lock.Lock.read(data, "f"), (b'format = 1\n[builder]\nimage = "a"\nid = "' + _ZEROS.encode() + b'"\n[run-image]\nimage = "b"\nid = "' + _ZEROS.encode() + b'"\n',)),
    ("image faults", lambda data: validate.image_faults(data, ()), (_CONFIG,)),
    ("manifest faults", lambda data: validate.manifest_faults(data, _CONFIG), (json.dumps(_MANIFEST).encode(),)),
    ("public key", _in_file(keys.read_public, "k.pub"), (_PEM,)),
    ("SBOM", _sbom, (_CYCLONEDX, b'{"packages":[{"name":"a","versionInfo":"1","externalRefs":[]}]}', b'{"artifacts":[{"name":"a","version":"1","licenses":["MIT"]}]}')),
    (".git", _git_folder, (b"ref: refs/heads/main\n\n" + b"0" * 40 + b" refs/heads/main\n", b"1" * 40)),
    (".gitignore", _git_ignored, (b"*.log\n!keep/\n/root/**/x[a-z]\n",)),
    ("binding", _binding, (b"mysql\n",)),
    ("Docker's contexts", _docker_context, (b'{"currentContext":"a","auths":{}}',)),
    ("libcnb: plan", _in_file(buildpack_plan.read_entries, "plan.toml"), (b"[[entries]]\nname='a'\n[entries.metadata]\nb=1",)),
    ("libcnb: digest", lambda data: digest.Digest.parse(_text(data)), (b"sha256:" + b"0" * 64, b"sha512-AAAA")),
    ("libcnb: archive", _in_file(_unpacked, "a.bin"), (_tar_of({"a/b": b"x"}, "w:gz"), _tar_of({"a/b": b"x"}, "w:xz"), _tar_of({"a": b"y"}, "w:bz2"), _zip_of({"a/b": b"x"}), gzip.compress(b"no tar"))),
    ("libcnb: JSON of an app", lambda data: AppFiles(1, _told).parsed(data, "f"), (b'{"name":"a","require":{"php":"^8"}}',)),
    ("libcnb: control", _control, (b"Package: a\nStatus: install ok installed\nVersion: 1\nDepends: b (>= 1) | c, d\nEssential: yes\nDescription: x\n more\n\nPackage: b\nStatus: install ok installed\n",)),
    ("libcnb: copyright", lambda data: deb_licence.licences(_text(data)), (b"Format: x\n\nFiles: *\nLicense: GPL-2+\n",)),
)  # fmt: skip
