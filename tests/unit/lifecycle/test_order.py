"""From orders to plain groups (DET-12, DET-20 to DET-25, GO-13, GO-62, GO-63)."""

from __future__ import annotations

import itertools
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from pybuild.buildenv.local import LocalBuildEnv
from pybuild.errors import BuilderUnusable, BuildpackApiUnsupported, DetectError, InvalidFile
from pybuild.lifecycle.buildpacks import Modules
from pybuild.lifecycle.order import GROUPS_MOST, check_order, expand, with_system
from pybuild.spec.order import ModuleRef, OrderFile, System
from support.buildpacks import Folders

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pybuild.lifecycle.order import Candidate


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def ref(id: str, version: str = "1", *, optional: bool = False) -> ModuleRef:  # noqa: A002
    return ModuleRef(id=id, version=version, optional=optional)


def modules(folders: Folders) -> Modules:
    return Modules.read(
        LocalBuildEnv(), buildpacks_dir=str(folders.buildpacks), extensions_dir=str(folders.extensions)
    )


def candidates(folders: Folders, order: OrderFile, **left_out: str) -> Iterator[Candidate]:
    """The groups; `left_out`: why modules of these ids take no part."""
    return expand(order, modules(folders), takes_part=lambda module: left_out.get(module.descriptor.id, ""))


def groups(folders: Folders, *order: tuple[ModuleRef, ...], **left_out: str) -> list[str]:
    return [ids(found) for found in candidates(folders, OrderFile(order=order), **left_out)]


def ids(candidate: Candidate) -> str:
    return " ".join(member.id for member in candidate.members)


def test_groups_come_in_the_order_of_the_file(folders: Folders) -> None:
    """DET-25"""
    a, b = folders.buildpack("a"), folders.buildpack("b")

    assert groups(folders, (a, b), (b,), ()) == ["a b", "b", ""]


def test_a_composite_expands_in_place(folders: Folders) -> None:
    """DET-21: the specification's example"""
    a, b, c, d, e, f = (folders.buildpack(name) for name in "abcdef")
    o = folders.buildpack("o", order=[[a, b], [c, d]])

    assert groups(folders, (e, o, f)) == ["e a b f", "e c d f"]


def test_two_composites_give_every_combination_the_left_one_varying_slowest(folders: Folders) -> None:
    """DET-22: the specification's example"""
    a, b, c, d, e, f, g, h = (folders.buildpack(name) for name in "abcdefgh")
    o = folders.buildpack("o", order=[[a, b], [c, d]])
    p = folders.buildpack("p", order=[[e, f], [g, h]])

    assert groups(folders, (o, p)) == ["a b e f", "a b g h", "c d e f", "c d g h"]


def test_an_optional_composite_is_left_out_after_all_of_its_groups(folders: Folders) -> None:
    """DET-23"""
    a, b, c = (folders.buildpack(name) for name in "abc")
    folders.buildpack("o", order=[[a], [b]])

    found = list(candidates(folders, OrderFile(order=((ref("o", optional=True), c),))))

    assert [ids(candidate) for candidate in found] == ["a c", "b c", "c"]
    assert [candidate.errors_count for candidate in found] == [False, False, True]


def test_composites_nest(folders: Folders) -> None:
    """DET-21"""
    a, b, c = (folders.buildpack(name) for name in "abc")
    inner = folders.buildpack("inner", order=[[a], [b]])
    outer = folders.buildpack("outer", order=[[inner, c], [c]])

    assert groups(folders, (outer,)) == ["a c", "b c", "c"]


def test_extensions_come_first_and_are_left_out_last(folders: Folders) -> None:
    """DET-20, DET-24"""
    a = folders.buildpack("a")
    e, f = folders.extension("e"), folders.extension("f")

    found = list(candidates(folders, OrderFile(order=((a,),), order_extensions=((e, f), (f,)))))

    assert [ids(candidate) for candidate in found] == ["e f a", "f a", "a"]
    assert [member.optional for member in found[0].members] == [True, True, False]
    assert [member.extension for member in found[0].members] == [True, True, False]


def test_a_second_module_of_an_id_is_left_out(folders: Folders) -> None:
    """GO-63"""
    a1, a2 = folders.buildpack("a", "1"), folders.buildpack("a", "2")

    found = next(candidates(folders, OrderFile(order=((a1, a2),))))

    assert [str(member) for member in found.members] == ["a@1"]
    assert [(left_out.id, left_out.version) for left_out in found.left_out] == [("a", "2")]


def test_an_extension_and_a_buildpack_may_share_an_id(folders: Folders) -> None:
    same, extension = folders.buildpack("same"), folders.extension("same")

    found = next(candidates(folders, OrderFile(order=((same,),), order_extensions=((extension,),))))

    assert [str(member.module) for member in found.members] == ["extension same@1", "buildpack same@1"]


def test_modules_that_take_no_part_make_room_for_another_version(folders: Folders) -> None:
    """DET-11"""
    a1, a2, b = folders.buildpack("a", "1"), folders.buildpack("a", "2"), folders.buildpack("b")

    def takes_part(module: object) -> str:
        return "only for tests" if str(module) == "buildpack a@1" else ""

    found = next(expand(OrderFile(order=((a1, a2, b),)), modules(folders), takes_part=takes_part))

    assert [str(member) for member in found.members] == ["a@2", "b@1"]
    assert [left_out.why for left_out in found.left_out] == ["only for tests"]


def test_system_buildpacks_surround_every_group_unless_it_names_them() -> None:
    """DET-12, GO-62"""
    system = System(pre=(ref("x", optional=True), ref("a")), post=(ref("y"),))

    order = with_system(((ref("a", "9"), ref("b")), (ref("y"),)), system)

    assert order == ((ref("x"), ref("a", "9"), ref("b"), ref("y")), (ref("x"), ref("a"), ref("y")))


def test_no_groups_stay_none_with_system_buildpacks() -> None:
    assert with_system((), System(pre=(ref("x"),))) == ()


def test_every_module_that_the_order_names_must_exist(folders: Folders) -> None:
    """GO-13"""
    a = folders.buildpack("a")

    with pytest.raises(BuilderUnusable, match=r"buildpack ghost/x@2.*/ghost_x/2/buildpack\.toml"):
        check_order(OrderFile(order=((a,), (ref("ghost/x", "2", optional=True),))), modules(folders))
    with pytest.raises(BuilderUnusable, match="extension ghost@1"):
        check_order(OrderFile(order=((a,),), order_extensions=((ref("ghost"),),)), modules(folders))


def test_every_module_that_the_order_names_must_have_an_api_that_we_speak(folders: Folders) -> None:
    """GO-13"""
    old = folders.buildpack("old", api="0.5")

    with pytest.raises(BuildpackApiUnsupported, match="buildpack old@1"):
        check_order(OrderFile(order=((old,),)), modules(folders))


def test_a_missing_module_inside_a_composite_is_met_when_it_is_reached(folders: Folders) -> None:
    """GO-13"""
    a = folders.buildpack("a")
    o = folders.buildpack("o", order=[[a], [ref("ghost")]])
    found = candidates(folders, OrderFile(order=((o,),)))

    assert ids(next(found)) == "a"
    with pytest.raises(DetectError, match="ghost@1"):
        next(found)


def test_a_descriptor_that_cannot_be_read_names_its_file(folders: Folders) -> None:
    folders.buildpack("bad", more="x = [")

    with pytest.raises(InvalidFile, match=r"bad/1/buildpack\.toml"):
        check_order(OrderFile(order=((ref("bad"),),)), modules(folders))


def test_a_composite_that_contains_itself_is_an_error(folders: Folders) -> None:
    folders.buildpack("m", order=[[ref("n")]])
    folders.buildpack("n", order=[[ref("m")]])

    with pytest.raises(DetectError, match=r"m@1 contains itself"):
        groups(folders, (ref("m"),))


def test_a_composite_may_stand_twice_in_a_group(folders: Folders) -> None:
    a, b = folders.buildpack("a"), folders.buildpack("b")
    o = folders.buildpack("o", order=[[a]])

    assert groups(folders, (o, b, o)) == ["a b"]


def test_a_million_groups_cost_no_memory(folders: Folders) -> None:
    a, b = folders.buildpack("a"), folders.buildpack("b")
    composites = tuple(folders.buildpack(f"c{n}", order=[[a], [b]]) for n in range(20))
    tracemalloc.start()

    first = list(itertools.islice(candidates(folders, OrderFile(order=(composites,))), 1000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert {ids(candidate) for candidate in first} <= {"a", "a b", "b a", "b"}
    assert peak < 20 << 20


def test_an_order_of_too_many_groups_ends_in_an_error(folders: Folders) -> None:
    a, b = folders.buildpack("a"), folders.buildpack("b")
    composites = tuple(folders.buildpack(f"c{n}", order=[[a], [b]]) for n in range(20))

    with pytest.raises(DetectError, match=str(GROUPS_MOST)):
        groups(folders, composites)


def test_an_order_that_unfolds_without_end_ends_in_an_error(folders: Folders) -> None:
    """Thirty composites, each of the next one twice: one group, a thousand million entries."""
    folders.buildpack("c30")
    for n in range(30):
        inner = ref(f"c{n + 1}")
        folders.buildpack(f"c{n}", order=[[inner, inner]])

    with pytest.raises(DetectError, match="steps"):
        groups(folders, (ref("c0"),))


def test_deep_nesting_is_no_recursion(folders: Folders) -> None:
    folders.buildpack("c1500")
    for n in range(1500):
        folders.buildpack(f"c{n}", order=[[ref(f"c{n + 1}")]])

    assert groups(folders, (ref("c0"),)) == ["c1500"]


def test_a_composite_of_buildpacks_finds_no_extension(folders: Folders) -> None:
    """BPT-10: an extension of that name does not count."""
    meta = folders.buildpack("meta", order=[[folders.extension("e")]])

    with pytest.raises(DetectError, match="e@1"):
        groups(folders, (meta,))
