"""Every parser of what strangers write, by properties: it ends in a value or a declared error, always the same one; what is
written reads back; where order means nothing, it changes nothing. Issue 7; G8.

That no parser is without one is tested here, too: a module that takes texts apart must be at work when the readers of
`support.word_readers` read their seeds, or stand in `ELSEWHERE`. Buildpacks' parsers: buildpacks/test_parsers.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pybuild
from pybuild.errors import PybuildError
from pybuild.libcnb import dpkg
from pybuild.lifecycle.cache import CacheIndex
from pybuild.oci.index import Index
from pybuild.oci.reference import Reference
from pybuild.oci.statement import Envelope
from pybuild.platform.images import sbom
from pybuild.platform.lock import Lock
from pybuild.spec import analyzed, environ, labels, launch, order, plan
from pybuild.spec.api import ApiVersion
from pybuild.spec.cache import CacheMetadata
from pybuild.spec.config import Config
from pybuild.spec.rebase_metadata import RebaseMetadata
from pybuild.spec.registry_index import RegistryId, read_entries
from support.parsing import check_coverage, inputs, outcome
from support.word_readers import READERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.fuzzing import Target

ROOT = Path(pybuild.__file__).parent
SEEDS = {target.name: target.seeds for target in READERS}

ELSEWHERE = {
    "asks an engine or a registry, and reads in modules that are here": (
        "platform/images/compare_stored.py", "platform/images/inspect.py", "stores/assemble.py", "stores/blobs.py", "stores/push.py",
        "stores/registry.py", "platform/images/manifest_lists.py", "glance.py", "platform/engine_builds.py",
    ),
    "reads what this program wrote itself, and takes what it cannot read for nothing": (
        "platform/pulled.py", "platform/buildpacks/download.py",
    ),
    "goes by words or paths that are parsed already": (
        "cli/manifest.py", "cli/pack/words.py", "cli/phases/analyze.py", "cli/phases/export.py", "cli/phases/extend.py",
        "cli/show/yaml_text.py", "lifecycle/cached_layers.py", "lifecycle/copied.py", "lifecycle/meddling.py",
        "lifecycle/rebase_checks.py", "lifecycle/scripts.py", "platform/build.py", "platform/builders/debian.py",
        "platform/images/differences.py", "platform/buildpacks/fetch.py", "platform/images/image_facts.py", "platform/buildpacks/lint.py", "platform/request.py",
        "platform/buildpacks/shipped.py", "platform/app/source_notes.py", "libcnb/apt.py", "libcnb/sbom.py",
    ),
}  # fmt: skip
"""Modules that call what parses, and are no parsers of a stranger's text."""


def test_no_parser_is_without_properties() -> None:
    """What this names has a new parser: add a reader, with seeds that mean something, or say why there is none."""
    check_coverage(READERS, ELSEWHERE, ROOT)


@pytest.mark.parametrize("target", READERS, ids=lambda target: target.name)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_parser_ends_in_a_value_or_one_declared_error_and_always_in_the_same(
    target: Target, data: st.DataObject
) -> None:
    given_ = data.draw(inputs(target.seeds))

    first, again = outcome(target.read, given_), outcome(target.read, given_)

    assert type(first) is type(again)
    if isinstance(first, tuple) and first and isinstance(first[0], type):
        assert first == again


WRITTEN: dict[str, tuple[str, Callable[[bytes], Any], Callable[[Any], bytes]]] = {
    "config.toml": ("config.toml", lambda data: Config.read(data, "f"), lambda value: value.write()),
    "rebase metadata": (
        "rebase metadata",
        lambda data: RebaseMetadata.read(data.decode("utf-8", "replace")),
        lambda value: value.write().encode(),
    ),
    "index": ("image index", lambda data: Index.read(data, "f"), lambda value: value.write()),
    "cache index": (
        "cache index",
        lambda data: CacheIndex.read(data, where="f"),
        lambda value: value.write(),
    ),
    "cache metadata": (
        "cache metadata",
        lambda data: CacheMetadata.read(data, where="f"),
        lambda value: value.write(),
    ),
    "lifecycle label": (
        "lifecycle label",
        lambda data: labels.LifecycleMetadata.read(data.decode("utf-8", "replace")),
        lambda value: value.write().encode(),
    ),
    "plan.toml": ("plan.toml", lambda data: plan.Plan.read(data, "f"), lambda value: value.write()),
    "buildpack plan": (
        "buildpack plan",
        lambda data: plan.BuildpackPlan.read(data, "f"),
        lambda value: value.write(),
    ),
    "group.toml": ("group.toml", lambda data: order.Group.read(data, "f"), lambda value: value.write()),
    "order.toml": ("order.toml", lambda data: order.OrderFile.read(data, "f"), lambda value: value.write()),
    "analyzed.toml": (
        "analyzed.toml",
        lambda data: analyzed.Analyzed.read(data, "f"),
        lambda value: value.write(),
    ),
    "store.toml": ("store.toml", lambda data: launch.StoreToml.read(data, "f"), lambda value: value.write()),
    "lock": ("lock", lambda data: Lock.read(data, "f"), lambda value: value.write()),
    "envelope": ("envelope", lambda data: Envelope.read(data, where="f"), lambda value: value.write()),
    "image name": (
        "image name",
        lambda data: Reference.parse(data.decode("utf-8", "replace")),
        lambda value: str(value).encode(),
    ),
    "API version": (
        "api version",
        lambda data: ApiVersion.parse(data.decode("utf-8", "replace")),
        lambda value: str(value).encode(),
    ),
    "registry id": (
        "registry id",
        lambda data: RegistryId.parse(data.decode("utf-8", "replace")),
        lambda value: str(value).encode(),
    ),
}
"""What is written of what was read: the seeds of which reader, how it is read, how written."""


@pytest.mark.parametrize("name", WRITTEN)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_written_reads_back_and_is_written_the_same_again(name: str, data: st.DataObject) -> None:
    """Also of a text that only just can be read."""
    seeds, read, write = WRITTEN[name]
    try:
        value = read(data.draw(st.one_of(st.sampled_from(SEEDS[seeds]), inputs(SEEDS[seeds]))))
    except PybuildError:
        return
    text = write(value)

    back = read(text)

    assert write(back) == text


names = st.sampled_from(["A", "B", "PATH"])
files = st.dictionaries(
    st.builds("{}{}".format, names, st.sampled_from(["", ".append", ".prepend", ".default", ".override", ".delim"])),
    st.binary(max_size=5).filter(lambda value: b"\0" not in value),
    max_size=8,
)  # fmt: skip


@given(files, st.randoms(use_true_random=False))
def test_the_order_in_which_a_folder_lists_its_files_means_nothing(
    files: dict[str, bytes], random: Any
) -> None:
    shuffled = list(files.items())
    random.shuffle(shuffled)

    first = environ.read_env_dir(files, where="f")

    assert environ.read_env_dir(dict(shuffled), where="f") == first
    assert environ.apply({"A": "a"}, first) == environ.apply({"A": "a"}, first)


packages = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from(["1", "2:1.0-1", "1~rc1"])),
    max_size=6,
    unique_by=lambda item: item[0],
)


@given(packages, st.randoms(use_true_random=False))
def test_the_order_of_packages_means_nothing_to_what_is_known_of_them(
    packages: list[tuple[str, str]], random: Any
) -> None:
    """dpkg's status, and an SBOM."""
    shuffled = list(packages)
    random.shuffle(shuffled)

    def status(found: list[tuple[str, str]]) -> str:
        stanza = "Package: {}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {}\n\n"
        return "".join(stanza.format(*each) for each in found)

    def document(found: list[tuple[str, str]]) -> Any:
        content = json.dumps({"components": [{"name": name, "version": version} for name, version in found]})
        one = sbom.SbomDocument(
            buildpack="a", layer="l", format="cyclonedx", path="f", content=content.encode()
        )
        return sbom.packages([one], sbom.Selection())

    assert dpkg.installed(status(shuffled)) == dpkg.installed(status(packages))
    assert document(shuffled) == document(packages)


lines = st.lists(
    st.builds(
        '{{"ns":"a","name":"b","version":"1.{}.{}","yanked":{},"addr":"r/a@sha256:{}"}}'.format,
        st.integers(0, 3),
        st.integers(0, 3),
        st.sampled_from(["true", "false"]),
        st.just("0" * 64),
    ),
    max_size=5,
)


@given(lines)
def test_a_registry_says_as_much_in_any_number_of_files(lines: list[str]) -> None:
    whole = read_entries("\n".join(lines).encode(), "f")

    assert [each for line in lines for each in read_entries(line.encode(), "f")] == list(whole)
