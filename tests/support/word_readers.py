"""Further readers for property tests: words of the command line, headers, labels and what scripts of ours say in a container."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pybuild import gojson
from pybuild.cli.cache import duration
from pybuild.errors import InvalidInput
from pybuild.libcnb import answers, licence, start, version
from pybuild.lifecycle import go_flags, inputs, layers_dir, sbom, sparse
from pybuild.platform import cache_choice, choices, confided, created, limits, pull
from pybuild.platform.builders import builder_inspect
from pybuild.platform.buildpacks import locator
from pybuild.platform.images import inspect, run, sbom_changes
from pybuild.spec.api import PLATFORM_APIS
from pybuild.spec.config import Config
from pybuild.spec.layer import LayerToml
from pybuild.stores import exchange
from pybuild.stores.api import StoredImage
from support.fuzzing import Target, targets

if TYPE_CHECKING:
    from collections.abc import Callable

_NOWHERE = Path("/nonexistent")
_SPARSE = json.dumps({"manifests": [{"digest": "sha256:" + "0" * 64}]}).encode()


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _word(read: Callable[[str], object]) -> Callable[[bytes], object]:
    """A reader of one word that somebody types, in which no NUL can be; a long one is shown as it is."""
    return lambda data: read(_text(data[:1000]).replace("\0", ""))


def _go_flags(text: str) -> object:
    """What Go ends with its own words for is told in these here, too."""
    try:
        return inputs.read_inputs("creator", text.split("\n"), {}, PLATFORM_APIS[-1])
    except go_flags.UsageError as exc:
        raise InvalidInput("how it is used" if exc.text else "") from exc


def _image(data: bytes) -> StoredImage:
    found = gojson.loads(data, where="labels")
    labels = {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}
    return StoredImage(id="sha256:0", config={"config": {"Labels": labels}}, diff_ids=(), labels=labels)


def _folder(name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    def reads(data: bytes) -> object:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / name).write_bytes(data)
            return read(Path(folder))

    return reads


def _sparse(folder: Path) -> None:
    try:
        sparse.read(str(folder))
    except OSError as exc:
        raise InvalidInput(str(exc)) from exc


def _versions(text: str) -> object:
    """What buildpacks ask of a version is not for text without a number."""
    if not any(letter in "0123456789" for letter in text):
        return version.is_release(text)
    tests = (version.series(text), version.compatible(text), version.below(version.after(text)))
    return [test(version.numbers(text)) for test in tests], version.is_release(text)


def _waits(text: str) -> float:
    seconds = exchange.retry_after(text)
    assert 0 <= seconds < float("inf")
    return float(seconds >= 0)


def _left(data: bytes) -> object:
    data = data[:1000]  # no name in a file system has more than 255
    return layers_dir.read_found(data, "/layers/a"), layers_dir.read_left(data, ["l"])


WORDS = (
    Target("flags of a phase", _word(_go_flags), (b"-tag\na\n-uid=7\n--daemon\nimage", b"-nothing", b"-log-level")),
    Target("--cache", _word(lambda text: cache_choice.cache_choice([text], "")), (b"type=build;format=image;name=a/b", b"type=build;format=bind;source=/x", b"type=build;format=volume;name=v")),
    Target("--secret", _word(lambda text: [each.origin for each in confided.read_secrets([text], {})] if "src" not in text and "source" not in text else None), (b"id=a,env=B",)),
    Target("--binding", _word(confided.binding_folder), (b"db=/nowhere",)),
    Target("--creation-time", _word(lambda text: created.read_creation_time(text, path=_NOWHERE, caller={}) if text != "now" else None), (b"1700000000", b"now")),
    Target("--memory", _word(lambda text: limits.read_limits(memory=text, cpus=None, processes=None, log=text)), (b"512m", b"1.5GiB")),
    Target("--buildpack", _word(lambda text: locator.locate(text, folder=_NOWHERE)), (b"docker://a/b", b"urn:cnb:builder:a/b@1", b"https://example.com/a.tgz#sha256=" + b"0" * 64, b"from=builder")),
    Target("--port", _word(run.read_port), (b"127.0.0.1:3000:8080", b"8080")),
    Target("--pull-policy", _word(pull.checked_policy), (b"interval=1h30m", b"always")),
    Target("mirror", _word(lambda text: pull.checked_mirror(text, text)), (b"registry.example.com:5000",)),
    Target("--unused", _word(duration), (b"30d", b"5h")),
    Target("--platform", _word(lambda text: choices.read_choices(platform=text, exec_env=text, previous_image=text)), (b"linux/arm64/v8", b"test")),
    Target("layers folder", _left, (b"dl\0ftool.toml\0/l/bin\0t1.5 755\0t1.6 755\0c4\0", b"x/layers/a/l\0", b"L\0")),
    Target("names of SBOMs", lambda data: sbom.sbom_files(_text(data).split("\n"), {"l": LayerToml(launch=True)}, declared=["application/vnd.cyclonedx+json"], directory="/layers/a"), (b"l.sbom.cdx.json\nlaunch.sbom.cdx.json", b"l.sbom.x.json")),
    Target("Retry-After", lambda data: _waits(data.decode("latin-1")), (b"120", b"Wed, 21 Oct 2026 07:28:00 GMT")),
    Target("labels of an app", lambda data: inspect.app_image(_image(data), Config()), (json.dumps({"io.buildpacks.lifecycle.metadata": "{}", "io.buildpacks.build.metadata": '{"processes":[{"type":"web","command":["a"],"buildpackID":"b"}],"buildpacks":[{"id":"a","version":"1"}]}'}).encode(),)),
    Target("labels of a builder", lambda data: builder_inspect.inspect(_image(data)), (json.dumps({"io.buildpacks.builder.metadata": '{"buildpacks":[{"id":"a","version":"1"}]}', "io.buildpacks.buildpack.order": '[{"group":[{"id":"a"}]}]', "io.buildpacks.stack.mixins": '["a"]'}).encode(),)),
    Target("SBOM to compare", lambda data: sbom_changes.read_sbom(data, digest="sha256:0", format_="cdx"), (b'{"components":[{"name":"a","version":"1","purl":"pkg:a/b@1"}]}',)),
    Target("extended run image", _folder("index.json", _sparse), (_SPARSE,)),
    Target("libcnb: answers", _folder("answers.json", lambda folder: answers._read(folder / "answers.json")), (b'{"a":"b"}',)),
    Target("libcnb: licence", _word(lambda text: (licence.is_id(text), licence.is_expression(text))), (b"MIT", b"MIT OR (Apache-2.0 WITH LLVM-exception)")),
    Target("libcnb: Procfile", _folder("Procfile", start.procfile_types), (b"web: a\nworker: b\n",)),
    Target("libcnb: version", _word(_versions), (b"1.2.3", b"v20", b"1.2")),
)  # fmt: skip
READERS = (*targets(), *WORDS)
"""Everything that reads what strangers write."""
