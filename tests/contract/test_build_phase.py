"""The build phase in every build environment: this machine, a container with GNU tools, one with busybox."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from pybuild.errors import BuildError, BuildpackFailed
from pybuild.spec.plan import Plan, PlanEntry, Provider, Require
from support.build_place import PATH
from support.pace import allowed

if TYPE_CHECKING:
    from support.build_place import Place


def test_buildpacks_run_one_after_the_other_and_see_what_earlier_ones_left(place: Place) -> None:
    """BUI-01…BUI-06, BUI-13, ENV-01."""
    place.buildpack(
        "acme/a",
        r"""
        mkdir -p l/bin l/env gone; printf '[types]\nbuild = true\nlaunch = true' > l.toml; : > gone.toml
        printf 'a\377\nb' > l/env/V; ln -s V l/env/LINK; : > l/env/.append
        echo '{}' > l.sbom.cdx.json
        printf '[[unmet]]\nname = "node"' > build.toml
        """,
    )
    place.buildpack("acme/b", 'printf "%s|%s|%s|%s" "$V" "$LINK" "$PATH" "$U" > seen; cat "$3" > plan')
    providers = (Provider(id="acme/a", version="1.0"), Provider(id="acme/b", version="1.0"))
    plan = Plan(
        entries=tuple(PlanEntry(providers=providers, requires=(Require(name=it),)) for it in ("go", "node"))
    )

    built = place.build(plan)

    path = f"{place.root}/layers/acme_a/l/bin:{PATH}".encode()
    assert place.read("acme_b/*") == {
        "acme_b/seen": b"a\xff\nb|a\xff\nb|" + path + b"|user",
        "acme_b/plan": b'[[entries]]\n  name = "node"\n',
    }
    assert place.read("sbom/launch/acme_a/l/*") == {"sbom/launch/acme_a/l/sbom.cdx.json": b"{}\n"}
    assert place.read("config/*") == {"config/metadata.toml": built.metadata_toml}
    assert place.env.script(f"cd {place.root}; ls layers/acme_a | grep -c ignore; ls tmp || true") == b"1\n"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("mkfifo l.toml", r"l\.toml: cannot be read: not a regular file"),
        ("ln -s /etc/passwd l.toml", r"l\.toml: cannot be read: symlink"),
        ("ln -s /etc l; printf '[types]\nlaunch = true' > l.toml", "/l: .*symbolic link"),
        ("mkfifo launch.sbom.cdx.json", r"launch\.sbom\.cdx\.json: .*regular file"),
        ("mkdir l l.ignore; touch l.ignore/f l.toml", r"l\.ignore, but that exists"),
        ("cd ..; rm -r \"$1\"; ln -s /etc \"$1\"", "acme_a: .*symbolic link"),
    ],
)  # fmt: skip
def test_hostile_outputs_never_block_and_are_refused(place: Place, script: str, message: str) -> None:
    """S-29, S-30, GO-10."""
    place.buildpack("acme/a", script)

    with pytest.raises(BuildError, match=message):
        place.build()


def test_a_failing_buildpack_is_named(place: Place) -> None:
    place.buildpack("acme/a", "kill -9 $$")

    with pytest.raises(BuildpackFailed, match=r"bin/build of acme/a@1\.0 was killed by SIGKILL"):
        place.build()


def test_three_tiny_buildpacks_take_far_less_than_a_second(place: Place) -> None:
    for name in "abc":
        place.buildpack(name, "mkdir -p l/bin; printf '[types]\nbuild = true\ncache = true' > l.toml")
    start = time.monotonic()

    built = place.build()

    assert time.monotonic() - start < allowed(2)
    assert [it.layers[0].has_directory for it in built.buildpacks] == [True, True, True]
