"""Whose order counts: the user's words, else project.toml's group, else the builder's, with pre and post around it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pybuild.errors import BuilderUnusable, InvalidInput
from pybuild.platform.choices import Choices
from pybuild.platform.order import ChosenOrder, chosen_order
from pybuild.spec.builder import Builder, BuilderModule
from pybuild.spec.order import ModuleRef
from pybuild.spec.project import GroupEntry, Project
from pybuild.spec.target import Target
from support.buildpacks import Folders

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

A, B, C = (ModuleRef(id=f"a/{name}", version="1") for name in ("one", "two", "three"))
BUILDER = Builder(
    name="acme/builder",
    image_id="sha256:b",
    uid=1,
    gid=1,
    target=Target(),
    buildpacks=tuple(BuilderModule(id=ref.id, version=ref.version) for ref in (A, B, C)),
    order=((A, B), (C,)),
)


def choose(
    tmp_path: Path, words: Sequence[str] = (), project: Project | None = None, builder: Builder = BUILDER
) -> ChosenOrder:
    (tmp_path / "scratch").mkdir(exist_ok=True)
    return chosen_order(words, project or Project(), builder, app=tmp_path, scratch=tmp_path / "scratch")


def entry(ref: ModuleRef) -> GroupEntry:
    return GroupEntry(id=ref.id, version=ref.version)


def test_the_builders_order_counts_when_nobody_says_anything(tmp_path: Path) -> None:
    assert choose(tmp_path).order.order == ((A, B), (C,))


def test_the_users_words_are_one_group_in_their_order(tmp_path: Path) -> None:
    """T1-04"""
    project = Project(group=(entry(B),), pre=(entry(B),), post=(entry(B),))

    chosen = choose(tmp_path, ["a/three", "a/one@1"], project)

    assert [[ref.id for ref in group] for group in chosen.order.order] == [["a/three", "a/one"]]
    assert chosen.fetched == ()


def test_the_projects_group_replaces_the_builders_order(tmp_path: Path) -> None:
    """T1-05"""
    project = Project(group=(entry(C),), pre=(entry(A),), post=(entry(A),))

    assert choose(tmp_path, project=project).order.order == ((C,),)


def test_pre_and_post_surround_every_group_of_the_builder(tmp_path: Path) -> None:
    """PRJ-10, T1-05, PRJ-08"""
    project = Project(pre=(entry(C),), post=(entry(A), entry(B)))

    assert choose(tmp_path, project=project).order.order == ((C, A, B, A, B), (C, C, A, B))


def test_what_the_builder_lacks_is_brought_from_the_apps_folder(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    folders.buildpack("acme/own", "2")
    project = Project(pre=(GroupEntry(uri="buildpacks/acme_own/2"),))

    chosen = choose(tmp_path, project=project)

    own = ModuleRef(id="acme/own", version="2")
    assert [group[0] for group in chosen.order.order] == [own, own]
    assert [fetched.ref for fetched in chosen.fetched] == [own]


def test_the_app_may_be_a_file_beside_its_buildpacks(tmp_path: Path) -> None:
    Folders(tmp_path).buildpack("acme/own", "2")
    (tmp_path / "app.zip").touch()
    project = Project(group=(GroupEntry(uri="buildpacks/acme_own/2"),))

    chosen = chosen_order([], project, BUILDER, app=tmp_path / "app.zip", scratch=tmp_path)

    assert [fetched.ref.id for fetched in chosen.fetched] == ["acme/own"]


def test_a_buildpack_that_nobody_has_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="a/none"):
        choose(tmp_path, ["a/none"])


@pytest.mark.parametrize("order", [None, ()])
def test_a_builder_without_an_order_needs_words(tmp_path: Path, order: tuple[()] | None) -> None:
    builder = replace(BUILDER, order=order)

    with pytest.raises(BuilderUnusable, match="acme/builder states no order") as caught:
        choose(tmp_path, builder=builder)

    assert "--buildpack" in caught.value.hint
    assert choose(tmp_path, ["a/one"], builder=builder).order.order == ((A,),)


@pytest.mark.parametrize("word", ["from=builder", "urn:cnb:builder"])
def test_the_whole_builder_has_a_place_among_the_users_words(tmp_path: Path, word: str) -> None:
    """T3-18: what stands before and after it is in each of the builder's groups."""
    project = Project(pre=(entry(B),), post=(entry(B),))

    chosen = choose(tmp_path, ["a/three", word, "a/two"], project)

    assert [[ref.id for ref in group] for group in chosen.order.order] == [
        ["a/three", "a/one", "a/two", "a/two"],
        ["a/three", "a/three", "a/two"],
    ]
    with pytest.raises(InvalidInput, match="may be in the list once"):
        choose(tmp_path, [word, word])


def test_named_extensions_take_the_place_of_the_builders(tmp_path: Path) -> None:
    """T2-07."""
    builder = replace(BUILDER, order_extensions=((ModuleRef(id="e/own", version="1", optional=True),),))
    folder = tmp_path / "ext"
    folder.mkdir()
    (folder / "extension.toml").write_text('api = "0.10"\n[extension]\nid = "e/mine"\nversion = "2"\n')
    (tmp_path / "scratch").mkdir()

    chosen = chosen_order(
        [],
        Project(),
        builder,
        app=tmp_path,
        scratch=tmp_path / "scratch",
        choices=Choices(extensions=(str(folder),)),
    )

    assert chosen.order.order_extensions == ((ModuleRef(id="e/mine", version="2", optional=True),),)
    assert chosen.order.order == BUILDER.order
    assert b"cnb/extensions/e_mine/2/extension.toml" in b"".join(chosen.fetched[0].tar())
