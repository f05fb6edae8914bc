"""What an Aptfile and project.toml ask for, and how packages in a layer are found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aptfile import alternatives, errors, layers, wanted
from pybuild.libcnb.layers import Layer, Types
from pybuild.libcnb.problem import Problem

if TYPE_CHECKING:
    from pathlib import Path


def test_packages_come_from_all_places_each_once(tmp_path: Path) -> None:
    (tmp_path / "Aptfile").write_text("# tools\njq  libpq5=15.1-0+deb12u1\n\n  jq # again\r\n")
    (tmp_path / "project.toml").write_text(
        '[com.pybuild.apt]\ninstall = ["bc"]\nbuild = ["libpq-dev", "jq"]\n'
        '[com.heroku.buildpacks.debian-packages]\ninstall = ["g++", { name = "git", skip_dependencies = true }]\n'
    )

    found = wanted.read(tmp_path, "tree, bc")

    assert found.launch == ("jq", "libpq5=15.1-0+deb12u1", "bc", "g++", "git", "tree")
    assert found.build == ("libpq-dev",)


@pytest.mark.parametrize(
    ("line", "place", "why"),
    [
        (":repo:deb http://example.org/ stable main", "Aptfile:2", "adds a package source"),
        ("https://example.org/x_1_amd64.deb", "Aptfile:2", "a file, whose content nobody has signed"),
        ("./x.deb", "Aptfile:2", "a file"),
        ("mysql-*", "Aptfile:2", "no name of a package"),
        ("-o=Dir::Etc=/tmp", "Aptfile:2", "no name of a package"),
        ("--allow-unauthenticated", "Aptfile:2", "no name of a package"),
        ("jq;id", "Aptfile:2", "no name of a package"),
        ("libpq5-", "", ""),
    ],
)
def test_what_is_no_package_is_refused_with_its_line(tmp_path: Path, line: str, place: str, why: str) -> None:
    (tmp_path / "Aptfile").write_text(f"jq\n{line}\n")
    if not why:
        # apt takes a minus at the end for "remove".
        line, place, why = "libpq5-", "Aptfile:2", "no name of a package"

    with pytest.raises(Problem) as caught:
        wanted.read(tmp_path, "")

    assert caught.value.found.startswith(f"{place}: {line!r}")
    assert why in caught.value.found


def test_an_unknown_package_is_told_with_names_like_it() -> None:
    problem = errors.unknown("imagemagik", ["imagemagick", "imagemagick-doc", "imapsync"], "debian 12")

    assert "Names like it: imagemagick" in problem.found


@pytest.fixture
def layer(tmp_path: Path) -> Layer:
    root = tmp_path / "packages"
    for name in (
        "usr/bin/jq",
        "usr/lib/x86_64-linux-gnu/libjq.so.1",
        "usr/lib/x86_64-linux-gnu/blas/libblas.so.3",
        "usr/lib/x86_64-linux-gnu/plugins/plugin.so",
        "usr/include/jq.h",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    description = root / "usr/lib/x86_64-linux-gnu/pkgconfig/libjq.pc"
    description.parent.mkdir()
    description.write_text("prefix=/usr\nlibdir=${prefix}/lib/x86_64-linux-gnu\n")
    return Layer(name="packages", path=root, types=Types(launch=True, build=True))


def test_programs_libraries_headers_and_descriptions_are_found(layer: Layer) -> None:
    layers.write_paths(layer)

    lib = f"{layer.path}/usr/lib/x86_64-linux-gnu"
    found = {
        str(file.relative_to(layer.path)): file.read_text()
        for folder in ("env", "env.build")
        for file in (layer.path / folder).glob("*.prepend")
    }
    assert found == {
        "env/PATH.prepend": f"{layer.path}/usr/bin",
        "env/LD_LIBRARY_PATH.prepend": f"{lib}:{lib}/blas",
        "env.build/LIBRARY_PATH.prepend": f"{lib}:{lib}/blas",
        "env.build/CPATH.prepend": f"{layer.path}/usr/include",
        "env.build/PKG_CONFIG_PATH.prepend": f"{lib}/pkgconfig",
    }


def test_descriptions_say_where_things_are(layer: Layer) -> None:
    layers.move_descriptions(layer)
    layers.move_descriptions(layer)

    text = (layer.path / "usr/lib/x86_64-linux-gnu/pkgconfig/libjq.pc").read_text()
    assert text == f"prefix={layer.path}/usr\nlibdir=${{prefix}}/lib/x86_64-linux-gnu\n"


POSTINST = """\
set -e
if [ "$1" = configure ]; then
    update-alternatives --install /usr/bin/convert convert /usr/bin/convert-im6 60 \\
        --slave /usr/share/man/man1/convert.1.gz convert.1.gz /usr/share/man/man1/convert-im6.1.gz \\
        --slave /usr/bin/mogrify mogrify /usr/bin/mogrify-im6
    update-alternatives --quiet --install /usr/bin/editor editor /usr/bin/nano 40; echo done
    for prog in compare mogrify; do
        update-alternatives --install /usr/bin/${prog}6 \\
            $prog /usr/bin/$prog-im6 60
    done
    update-alternatives --install /usr/bin/$name $name /usr/bin/$name-im6 60
    update-alternatives --install /usr/bin/../../evil evil /usr/bin/nano 60
    update-alternatives --install /usr/bin/gone gone /usr/bin/not-there 60
    update-alternatives --remove old /usr/bin/old
fi
"""


def test_plain_names_are_linked_as_an_installation_would(tmp_path: Path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    for name in ("convert-im6", "mogrify-im6", "nano", "vim"):
        (tmp_path / "usr/bin" / name).write_text(name)
    better = "update-alternatives --install /usr/bin/editor editor /usr/bin/vim 50\n"

    made = alternatives.link_alternatives(tmp_path, [POSTINST, better])

    assert made == ("/usr/bin/convert", "/usr/bin/editor", "/usr/bin/mogrify", "/usr/bin/mogrify6")
    assert str((tmp_path / "usr/bin/convert").readlink()) == "convert-im6"
    assert (tmp_path / "usr/bin/editor").read_text() == "vim"
    assert alternatives.link_alternatives(tmp_path, [POSTINST]) == ()


def test_programs_are_led_to_their_files(layer: Layer) -> None:
    for name in ("etc/fonts/fonts.conf", "usr/share/perl5/X.pm", "usr/lib/postgresql/15/bin/psql"):
        (layer.path / name).parent.mkdir(parents=True, exist_ok=True)
        (layer.path / name).touch()

    layers.write_paths(layer)

    environ = {file.name: file.read_text() for file in (layer.path / "env").iterdir()}
    assert environ["PERL5LIB.prepend"] == f"{layer.path}/usr/share/perl5"
    assert environ["FONTCONFIG_FILE.override"] == f"{layer.path}/etc/fonts/pybuild.conf"
    assert environ["PATH.prepend"].startswith(f"{layer.path}/usr/lib/postgresql/15/bin:")
    assert "MAGICK_CONFIGURE_PATH.override" not in environ
