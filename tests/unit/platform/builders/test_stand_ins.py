"""What stands in the archive for packages of the same names: as good as they are, for what the phases need."""

from __future__ import annotations

import copy
import dataclasses
import subprocess
import sys
import weakref
import zipfile
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from pybuild.platform.builders import lifecycle_program
from pybuild.platform.builders.stand_ins import certifi
from pybuild.platform.builders.stand_ins import dataclasses as ours

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=[dataclasses, ours], ids=["standard library", "stand-in"])
def lib(request: pytest.FixtureRequest) -> Any:
    return request.param


class TestDataclasses:
    """Everything is asked of the standard library's module too."""

    def test_fields_are_given_by_name_or_have_their_defaults(self, lib: Any) -> None:
        @lib.dataclass(frozen=True, slots=True, kw_only=True)
        class Layer:
            name: str
            size: int = 7
            words: list[str] = lib.field(default_factory=list)
            fixed: tuple[str, ...] = lib.field(default=())
            KIND: ClassVar[str] = "layer"

        one, other = Layer(name="a"), Layer(name="b", size=1, words=["x"])

        assert (one.name, one.size, one.words, one.fixed, one.KIND) == ("a", 7, [], (), "layer")
        assert (other.size, other.words) == (1, ["x"])
        assert one.words is not Layer(name="a").words
        assert repr(one).endswith("Layer(name='a', size=7, words=[], fixed=())")
        assert Layer.__slots__ == ("name", "size", "words", "fixed")
        assert Layer.__match_args__ == ()
        assert not hasattr(one, "__dict__")
        for wrong in ({}, {"name": "a", "sise": 1}):
            with pytest.raises(TypeError, match=r"name|sise"):
                Layer(**wrong)
        with pytest.raises(TypeError, match="positional"):
            Layer("a")

    def test_fields_are_given_in_order_where_they_may_be(self, lib: Any) -> None:
        @lib.dataclass(slots=True)
        class Point:
            x: int
            y: int = 2

        point = Point(1)
        point.x = 5

        assert (point.x, point.y, Point.__match_args__) == (5, 2, ("x", "y"))
        assert Point.__hash__ is None

    def test_a_frozen_one_stays_as_it_is(self, lib: Any) -> None:
        @lib.dataclass(frozen=True, slots=True)
        class Name:
            text: str

        name = Name("a")

        with pytest.raises(lib.FrozenInstanceError, match="cannot assign to field 'text'"):
            name.text = "b"
        with pytest.raises(lib.FrozenInstanceError, match="cannot delete field 'text'"):
            del name.text
        assert copy.copy(name) == copy.deepcopy(name) == name

    def test_equal_values_are_equal_and_have_one_hash(self, lib: Any) -> None:
        @lib.dataclass(frozen=True, slots=True)
        class Pair:
            a: object
            b: object = 0

        @lib.dataclass(frozen=True, slots=True)
        class Single:
            a: object

        @lib.dataclass(frozen=True, slots=True)
        class Nothing:
            pass

        nan = float("nan")
        assert Pair(1, 2) == Pair(1, 2) != Pair(1, 3)
        assert len({Pair(1, 2), Pair(1, 2), Single(1), Single(1), Nothing(), Nothing()}) == 3
        assert Single(nan) == Single(nan)
        assert Single(1) != Pair(1)
        assert Single((1,)) != Single(1)

    def test_what_the_class_itself_says_counts(self, lib: Any) -> None:
        @lib.dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
        class Thing:
            a: int

            def __post_init__(self) -> None:
                if self.a < 0:
                    raise ValueError("below zero")

            def __repr__(self) -> str:
                return "thing"

        @lib.dataclass(frozen=True, slots=True)
        class Own:
            a: int

            def __hash__(self) -> int:
                return 5

            def __eq__(self, other: object) -> bool:
                return True

        thing = Thing(1)

        assert thing != Thing(1)
        assert len({thing, Thing(1)}) == 2
        assert weakref.ref(thing)() is thing
        assert repr(thing) == "thing"
        assert (hash(Own(1)), Own(1)) == (5, Own(2))
        with pytest.raises(ValueError, match="below zero"):
            Thing(-1)

    def test_those_with_an_order_can_be_sorted(self, lib: Any) -> None:
        @lib.dataclass(frozen=True, slots=True, order=True)
        class Version:
            major: int
            minor: int

        sorted_ones = sorted([Version(2, 0), Version(1, 9), Version(1, 10)])

        assert sorted_ones == [Version(1, 9), Version(1, 10), Version(2, 0)]
        assert Version(1, 9) <= Version(1, 9) < Version(1, 10) > Version(1, 9) >= Version(1, 9)
        with pytest.raises(TypeError):
            assert Version(1, 9) < (1, 9)

    def test_some_fields_are_replaced(self, lib: Any) -> None:
        @lib.dataclass(frozen=True, slots=True, kw_only=True)
        class Inputs:
            a: int
            b: int = 2

        assert lib.replace(Inputs(a=1, b=3), b=4) == Inputs(a=1, b=4)
        with pytest.raises(TypeError, match="'c'"):
            lib.replace(Inputs(a=1), c=4)

    def test_a_derived_class_makes_its_own_instances(self, lib: Any) -> None:
        @lib.dataclass(slots=True)
        class Base:
            a: int

        class Derived(Base):
            pass

        assert (Derived(1).a, Base(2).a, type(Derived(1)), Derived(1) == Base(1)) == (1, 2, Derived, False)

    def test_what_it_cannot_do_is_refused(self) -> None:
        @ours.dataclass(slots=True)
        class Base:
            a: int

        with pytest.raises(TypeError, match="derived"):

            @ours.dataclass(slots=True)
            class Derived(Base):
                b: int

        with pytest.raises(TypeError, match="slots"):
            ours.dataclass(slots=False)


_EVERY_CLASS = """
import dataclasses, importlib, inspect, sys, zipfile
for name in sorted(zipfile.ZipFile(sys.path[0]).namelist()):
    if name.startswith("pybuild/") and name.endswith(".py") and "__main__" not in name:
        try:
            module = importlib.import_module(name[:-3].replace("/", ".").removesuffix(".__init__"))
        except ModuleNotFoundError:
            continue  # it is for the command `pybuild`
        for each in vars(module).values():
            if isinstance(each, type) and each.__module__ == module.__name__ and "__dataclass_fields__" in vars(each):
                options = [name for name in ("__eq__", "__hash__", "__lt__", "__setattr__") if vars(each).get(name)]
                init = getattr(dataclasses, "_compiled_init", lambda each: each.__init__)(each)
                names = [str(p).split(":")[0].split("=")[0] for p in inspect.signature(init).parameters.values()]
                needed = [p.default is p.empty for p in inspect.signature(init).parameters.values()]
                print(each.__module__, each.__qualname__, each.__slots__, options, names, needed)
"""


def test_every_dataclass_of_the_archive_is_as_the_standard_library_makes_it(tmp_path: Path) -> None:
    archive = tmp_path / "lifecycle"
    archive.write_bytes(lifecycle_program.program())
    other = tmp_path / "without"
    with zipfile.ZipFile(archive) as given, zipfile.ZipFile(other, "w") as left:
        for name in given.namelist():
            if not name.startswith("dataclasses."):
                left.writestr(name, given.read(name))

    with_ours, without = (
        subprocess.run(
            [
                sys.executable,
                "-I",
                "-S",
                "-c",
                f"import sys; sys.path.insert(0, {str(path)!r})\n{_EVERY_CLASS}",
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for path in (archive, other)
    )

    assert len(with_ours.splitlines()) > 100
    assert with_ours == without


def test_the_authorities_of_this_machine_are_found() -> None:
    assert "BEGIN CERTIFICATE" in certifi.contents()
