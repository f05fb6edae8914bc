"""buildpack.toml and extension.toml: BPT-01 to BPT-17, EXT-01 to EXT-03, GO-61, AMB-05."""

from __future__ import annotations

import pytest

from pybuild.errors import InvalidFile
from pybuild.spec.buildpack import Descriptor, License, Stack
from pybuild.spec.order import ModuleRef
from pybuild.spec.target import Distro, TargetSpec

WHOLE = b"""
api = "0.12"

[buildpack]
id = "acme/go"
version = "1.2.3"
name = "Go"
homepage = "https://acme.example"
description = "Builds Go"
keywords = ["go"]
clear-env = true
sbom-formats = ["application/spdx+json"]
exec-env = ["test"]
[[buildpack.licenses]]
type = "MIT"

[[targets]]
os = "linux"
variant = "v8"
[[targets.distros]]
name = "debian"
version = "12"

[metadata]
anything = { at = "all" }
"""


def read(text: str | bytes, kind: str = "buildpack") -> Descriptor:
    data = text.encode() if isinstance(text, str) else text
    return Descriptor.read(data, "f.toml", kind="extension" if kind == "extension" else "buildpack")


def minimal(rest: str = "", *, api: str = "0.10", module_id: str = "a") -> str:
    return f'api = "{api}"\n[buildpack]\nid = "{module_id}"\nversion = "1.0.0"\n{rest}'


def test_every_key_is_read() -> None:
    """BPT-06, BPT-12, BPT-17."""
    targets = (TargetSpec(os="linux", variant="v8", distros=(Distro(name="debian", version="12"),)),)

    assert read(WHOLE) == Descriptor(
        api="0.12",
        id="acme/go",
        version="1.2.3",
        name="Go",
        homepage="https://acme.example",
        description="Builds Go",
        keywords=("go",),
        clear_env=True,
        sbom_formats=("application/spdx+json",),
        exec_envs=("test",),
        licenses=(License(type="MIT"),),
        targets=targets,
        declared_targets=targets,
        metadata={"anything": {"at": "all"}},
    )
    assert str(read(WHOLE)) == "acme/go@1.2.3"


def test_an_extension_is_never_a_composite() -> None:
    """EXT-03."""
    text = minimal('[[order]]\n[[order.group]]\nid = "b"\nversion = "1"\n').replace(
        "[buildpack]", "[extension]"
    )

    found = read(text, "extension")

    assert (found.kind, found.order, found.is_composite) == ("extension", (), False)


def test_a_composite_is_an_order() -> None:
    """BPT-09."""
    text = minimal(
        '[[order]]\n[[order.group]]\nid = "b"\nversion = "1"\noptional = true\nexec-env = ["test"]\n'
    )

    found = read(text)

    assert found.is_composite
    assert found.order == ((ModuleRef(id="b", version="1", optional=True, exec_envs=("test",)),),)


def test_execution_environments_are_read_in_both_shapes() -> None:
    """BPT-08: the specification has tables, the Go lifecycle and pack have strings."""
    tables = read(
        minimal('[[buildpack.exec-env]]\nname = "test"\n[[buildpack.exec-env]]\nname = "production"\n')
    )

    assert tables.exec_envs == ("test", "production")
    assert read(minimal('exec-env = ["test", "production"]\n')).exec_envs == tables.exec_envs


@pytest.mark.parametrize(
    ("module_id", "api", "reserved"),
    [
        ("app", "0.7", True),
        ("config", "0.7", True),
        ("sbom", "0.7", False),
        ("sbom", "0.8", True),
        ("generated", "0.8", False),
        ("generated", "0.9", True),
        ("apps", "0.12", False),
    ],
)
def test_some_ids_are_reserved_since_some_api(module_id: str, api: str, reserved: bool) -> None:
    """BPT-03."""
    text = minimal(api=api, module_id=module_id)

    if reserved:
        with pytest.raises(InvalidFile, match=r"f\.toml: buildpack\.id: \w+ is reserved"):
            read(text)
    else:
        assert read(text).id == module_id


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "buildpack.id"),
        ('[buildpack]\nid = "a"\n', "buildpack.version"),
        ('[buildpack]\nid = "../a b"\nversion = "1"\n', "buildpack.id"),
        ('[buildpack]\nid = "a"\nversion = "../1"\n', "buildpack.version"),
        (minimal("keywords = 1"), "buildpack.keywords"),
        (minimal("[[targets]]\nos = 1\n"), r"targets\[0\].os"),
        (
            minimal('[[order]]\n[[order.group]]\nid = "/../.."\nversion = "1/2"\n'),
            r"order\[0\].group\[0\].version",
        ),
    ],
)
def test_a_bad_descriptor_is_refused_with_the_place(text: str, place: str) -> None:
    with pytest.raises(InvalidFile, match=f"f.toml: {place}: "):
        read(text)


ANY = TargetSpec()
BIONIC = TargetSpec(os="linux", arch="amd64", distros=(Distro(name="ubuntu", version="18.04"),))
BIONIC_STACK = '[[stacks]]\nid = "io.buildpacks.stacks.bionic"\nmixins = ["x"]\n'


@pytest.mark.parametrize(
    ("api", "rest", "targets"),
    [
        ("0.10", BIONIC_STACK, (BIONIC,)),
        ("0.9", BIONIC_STACK, (BIONIC,)),
        ("0.9", BIONIC_STACK + '[[stacks]]\nid = "other"\n', ()),
        ("0.10", BIONIC_STACK + '[[stacks]]\nid = "other"\n', (BIONIC,)),
        ("0.9", '[[stacks]]\nid = "*"\n', (ANY,)),
        ("0.10", '[[stacks]]\nid = "other"\n', ()),
        ("0.10", '[[targets]]\narch = "arm64"\n' + BIONIC_STACK, (TargetSpec(arch="arm64"),)),
        ("none", BIONIC_STACK + BIONIC_STACK, ()),
    ],
)
def test_deprecated_stacks_mean_targets(api: str, rest: str, targets: tuple[TargetSpec, ...]) -> None:
    """BPT-15."""
    assert read(minimal(rest, api=api)).targets == targets


def test_stacks_are_kept_as_they_stand() -> None:
    assert read(minimal(BIONIC_STACK)).stacks == (Stack(id="io.buildpacks.stacks.bionic", mixins=("x",)),)


@pytest.mark.parametrize(
    ("kind", "programs", "systems"),
    [
        ("buildpack", {"build", "detect"}, ["linux"]),
        ("buildpack", {"build.exe"}, ["windows"]),
        ("buildpack", {"build", "build.bat"}, ["linux", "windows"]),
        ("buildpack", {"detect"}, []),
        ("extension", {"generate"}, ["linux"]),
        ("extension", {"detect"}, ["linux"]),
        ("extension", set(), []),
    ],
)
def test_without_targets_the_programs_tell(kind: str, programs: set[str], systems: list[str]) -> None:
    """BPT-13."""
    descriptor = read(minimal().replace("[buildpack]", f"[{kind}]"), kind)

    assert [target.os for target in descriptor.inferred_targets(programs)] == systems


def test_declared_targets_are_not_inferred() -> None:
    assert read(WHOLE).inferred_targets({"build.exe"}) == read(WHOLE).targets


def test_an_extension_is_named_by_the_rules_for_buildpacks() -> None:
    """EXT-01, EXT-02, GO-01."""
    text = WHOLE.decode().replace("[buildpack", "[[buildpack").replace("[[buildpack", "[extension", 1)
    found = read(
        text.replace("[[buildpack.licenses]]", "[[extension.licenses]]").replace("[[[", "[["), "extension"
    )

    assert (str(found), found.api, found.kind) == ("acme/go@1.2.3", "0.12", "extension")
    assert (found.licenses, found.targets[0].os) == ((License(type="MIT"),), "linux")
    for line, place in (('id = "a b"', "extension.id"), ('id = "a"\nversion = "1/2"', "extension.version")):
        with pytest.raises(InvalidFile, match=f"f.toml: {place}: "):
            read(f'api = "0.10"\n[extension]\n{line}\n', "extension")
