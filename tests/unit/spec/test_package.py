"""Buildpackages: what may be in one, where it runs, what its labels say (PKG-04, PKG-05, PKG-08, BPT-16)."""

from __future__ import annotations

import pytest

from pybuild.errors import InvalidFile, InvalidInput
from pybuild.gojson import dumps
from pybuild.spec.buildpack import Descriptor, Stack
from pybuild.spec.package import check_package, check_stacks, layers_label, package_stacks
from pybuild.spec.package_toml import PackageToml
from pybuild.spec.target import Distro, TargetSpec


def module(name: str, rest: str = "") -> Descriptor:
    text = f'api = "0.10"\n[buildpack]\nid = "a/{name}"\nversion = "1.0.0"\n{rest}'
    return Descriptor.read(text.encode(), "buildpack.toml")


def composite(*names: str, rest: str = "") -> Descriptor:
    groups = "".join(f'[[order.group]]\nid = "a/{name}"\nversion = "1.0.0"\n' for name in names)
    return module("all", f"[[order]]\n{groups}{rest}")


def stack(name: str, *mixins: str) -> str:
    return f'[[stacks]]\nid = "{name}"\nmixins = {dumps(list(mixins))}\n'


@pytest.mark.parametrize(
    ("about", "message"),
    [
        (composite("one", rest=stack("x")), r"both \[\[order\]\] and \[\[stacks\]\]"),
        (composite("one", rest='[[targets]]\nos = "linux"\n'), r"both \[\[order\]\] and \[\[targets\]\]"),
        (module("one", stack("*", "git")), "mixins on every stack"),
        (module("one", stack("x") + stack("x")), "'x' twice"),
    ],
)
def test_stacks_exclude_what_the_specification_says(about: Descriptor, message: str) -> None:
    """BPT-16, PKG-04."""
    with pytest.raises(InvalidInput, match=message) as caught:
        check_stacks(about)

    assert caught.value.hint


def test_a_package_is_whole_and_has_nothing_that_is_not_used() -> None:
    """PKG-04, PKG-08."""
    check_package(composite("one", "two"), [module("one"), module("two")])
    check_package(module("one"), [])


@pytest.mark.parametrize(
    ("main", "others", "message"),
    [
        (composite("one", "two"), [module("one")], "references a/two@1.0.0, which is not present"),
        (composite("one"), [module("one"), module("two")], "a/two@1.0.0 is not used by a/all@1.0.0"),
        (
            module("all", '[[order]]\n[[order.group]]\nid = "a/one"\n'),
            [module("one")],
            "must specify a version when referencing a/one",
        ),
        (composite("one"), [module("one", stack("*", "x"))], "mixins on every stack"),
    ],
)
def test_a_package_that_is_not_is_refused(main: Descriptor, others: list[Descriptor], message: str) -> None:
    """PKG-04, PKG-08."""
    with pytest.raises(InvalidInput, match=message) as caught:
        check_package(main, others)

    assert caught.value.hint


def test_a_package_runs_where_all_its_buildpacks_do() -> None:
    """PKG-05: every stack is everybody's, with the mixins of all."""
    one = module("one", stack("x", "b", "a") + stack("y"))
    two = module("two", stack("x", "c") + stack("z"))

    assert package_stacks(composite("one", "two"), [one, two]) == (Stack(id="x", mixins=("a", "b", "c")),)
    assert package_stacks(one, [module("by-targets", '[[targets]]\nos = "linux"\n')]) == one.stacks
    assert package_stacks(module("one"), []) == (Stack(id="*"),)


def test_a_package_that_runs_nowhere_is_refused() -> None:
    """PKG-05."""
    with pytest.raises(InvalidInput, match="no stack in common"):
        package_stacks(composite("one", "two"), [module("one", stack("x")), module("two", stack("y"))])


def test_the_label_of_layers_describes_each_module() -> None:
    """PKG-06."""
    about = module("one", '[[targets]]\nos = "linux"\nvariant = "v8"\n[[targets.distros]]\nname = "debian"\n')

    assert dumps(layers_label([(about, "sha256:x")])) == (
        '{"a/one":{"1.0.0":{"api":"0.10","targets":[{"os":"linux","arch":"","variant":"v8",'
        '"distros":[{"name":"debian"}]}],"layerDiffID":"sha256:x"}}}'
    )


def test_package_toml_is_read() -> None:
    """PKG-07."""
    text = """
        [buildpack]
        uri = "."
        [[dependencies]]
        uri = "docker://acme/one"
        [[dependencies]]
        image = "acme/two"
        [[targets]]
        os = "linux"
        arch = "arm64"
        [[targets.distros]]
        name = "debian"
        version = "12"
        [platform]
        os = "linux"
    """

    assert PackageToml.read(text.encode(), "package.toml") == PackageToml(
        uri=".",
        dependencies=("docker://acme/one", "docker://acme/two"),
        targets=(TargetSpec(os="linux", arch="arm64", distros=(Distro(name="debian", version="12"),)),),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "buildpack.uri: expected one of"),
        (
            '[buildpack]\nuri = "."\n[extension]\nuri = "."\n',
            "expected one of buildpack.uri and extension.uri",
        ),
        ('[buildpack]\nuri = "."\nurl = "x"\n', "buildpack.url: unknown key"),
        ('[buildpack]\nuri = "."\n[[dependency]]\nuri = "x"\n', "dependency: unknown key"),
        ('[buildpack]\nuri = "."\n[[dependencies]]\nuri = "x"\nimage = "y"\n', r"dependencies\[0\].uri"),
        ('[buildpack]\nuri = "."\n[platform]\nos = "windows"\n', "platform.os"),
    ],
)
def test_a_wrong_package_toml_names_the_place(text: str, message: str) -> None:
    """PKG-07."""
    with pytest.raises(InvalidFile, match=message):
        PackageToml.read(text.encode(), "package.toml")
