"""`pybuild rebase` where images can be: a Docker Engine and a registry (REB-02 to REB-10; pull policy never)."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.errors import PybuildError, RebaseError, RegistryError
from pybuild.oci.reference import Reference
from pybuild.platform.images.rebase import RebaseResult, rebase_images, rebase_request
from pybuild.platform.pull import PullRefused
from pybuild.stores.daemon import DaemonStore
from pybuild.stores.keychain import Keychain
from pybuild.stores.registry import RegistryStore
from support.engine import LABEL
from support.rebasing import layer, put_app, put_run_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker

    from pybuild.stores.api import StoredImage


@dataclass
class Shop:
    """A place with images. `prefix`: of their names; `mark`: a label that they all have."""

    store: DaemonStore | RegistryStore
    prefix: str
    mark: str
    publish: bool

    def name(self, word: str) -> str:
        return f"{self.prefix}/{word}:1"

    def run_image(self, *contents: str, word: str = "run", **config: Any) -> StoredImage:
        config["labels"] = {LABEL: self.mark, **config.get("labels", {})}
        return put_run_image(self.store, self.name(word), *contents, **config)

    def app(self, base: StoredImage, *contents: str, word: str = "app", **options: Any) -> StoredImage:
        return put_app(self.store, self.name(word), base, self.name("run"), *contents, **options)

    def find(self, word: str = "app") -> StoredImage | None:
        return self.fresh().find(Reference.parse(self.name(word)))

    def fresh(self) -> DaemonStore | RegistryStore:
        if isinstance(self.store, DaemonStore):
            return self.store
        return RegistryStore(Keychain(ENVIRON), environ=ENVIRON)

    def rebase(self, *words: str, **options: Any) -> tuple[RebaseResult, ...]:
        names = [self.name(word) for word in words or ("app",)]
        options = {"publish": self.publish, "pull_policy": "never", **options}
        environ = ENVIRON if self.publish else dict(os.environ)
        return rebase_images(rebase_request(names, caller=environ, **options))


ENVIRON = {"HOME": "/nonexistent"}


@pytest.fixture(params=[pytest.param("daemon", marks=pytest.mark.docker), "registry"])
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    mark = f"rebase-{secrets.token_hex(4)}"
    if request.param == "registry":
        store = RegistryStore(Keychain(ENVIRON), environ=ENVIRON)
        yield Shop(store, request.getfixturevalue("registry").host, mark, publish=True)
        store.close()
        return
    engine: docker.APIClient = request.getfixturevalue("engine")
    prefix = f"{request.getfixturevalue('test_run')}-{mark}"
    daemon = DaemonStore(engine)
    yield Shop(daemon, prefix, mark, publish=False)
    daemon.close()
    # The ones that lost their name, too.
    for image in engine.images(all=True, filters={"label": f"{LABEL}={mark}"}):
        for name in image["RepoTags"] or [image["Id"]]:
            engine.remove_image(image["Id"] if name == "<none>:<none>" else name, force=True)


def content_of(shop: Shop, image: StoredImage) -> list[bytes]:
    store = shop.fresh()
    found = store.find(image.id if isinstance(store, DaemonStore) else image.reference)
    assert found is not None
    return [b"".join(store.read_layer(found, diff_id)) for diff_id in found.diff_ids]


def test_an_app_gets_the_new_layers_below_and_keeps_its_own(shop: Shop) -> None:
    """REB-04 to REB-07"""
    old = shop.run_image("old one", "both")
    app = shop.app(old, "app one", "app two")
    new = shop.run_image("new one", "both", "new three", labels={"io.buildpacks.base.released": "now"})

    (done,) = shop.rebase()

    found = shop.find()
    assert found is not None
    assert (done.state, done.image_id, done.kept_layers) == ("rebased", found.id, 2)
    assert found.diff_ids == (*new.diff_ids, *app.diff_ids[2:])
    assert found.labels["io.buildpacks.base.released"] == "now"
    expected = [
        b"".join(layer(text).open()) for text in ("new one", "both", "new three", "app one", "app two")
    ]
    assert content_of(shop, found) == expected
    own = [layer(text).size for text in ("app one", "app two")]
    # An engine wants the layers above again, a registry nothing.
    assert done.sent == (0 if shop.publish else sum(own))
    assert done.digest == (found.id if shop.publish else "")


def test_an_image_on_the_newest_run_image_is_left_alone(shop: Shop) -> None:
    shop.app(shop.run_image("base"), "app")
    before = shop.find()

    (done,) = shop.rebase()

    assert (done.state, done.changes, done.sent) == ("unchanged", (), 0)
    assert shop.find() == before
    assert before is not None
    assert done.image_id == before.id


def test_once_rebased_it_is_not_rebased_again(shop: Shop) -> None:
    shop.app(shop.run_image("old"), "app")
    shop.run_image("new")

    states = [shop.rebase()[0].state for _ in range(2)]

    assert states == ["rebased", "unchanged"]


def test_where_only_labels_of_the_run_image_changed_no_layer_is_read_or_sent(shop: Shop) -> None:
    shop.app(shop.run_image("base"), "app")
    shop.run_image("base", labels={"io.buildpacks.base.released": "now"})

    (done,) = shop.rebase()

    assert (done.state, done.sent) == ("rebased", 0)
    found = shop.find()
    assert found is not None
    assert found.labels["io.buildpacks.base.released"] == "now"


def test_a_dry_run_tells_the_changes_and_writes_nothing(shop: Shop, tmp_path: Path) -> None:
    shop.app(shop.run_image("old"), "app")
    before = shop.find()
    shop.run_image("new")

    (done,) = shop.rebase(dry_run=True, report_dir=tmp_path / "out")

    assert done.state == "planned"
    assert [change.what for change in done.changes] == ["base layers", "run image reference"]
    assert shop.find() == before
    assert not (tmp_path / "out").exists()


def test_the_previous_image_is_left_as_it_is(shop: Shop) -> None:
    """REB-02"""
    app = shop.app(shop.run_image("old"), "app")
    new = shop.run_image("new")

    (done,) = shop.rebase("result", previous_image=shop.name("app"))

    result, after = shop.find("result"), shop.find()
    assert result is not None
    assert after is not None
    assert (done.name, done.state, after.id) == (shop.name("result"), "rebased", app.id)
    assert result.diff_ids == (*new.diff_ids, *app.diff_ids[1:])


def test_the_report_says_what_the_image_is_called(shop: Shop, tmp_path: Path) -> None:
    """REB-10, RPT-01"""
    shop.app(shop.run_image("old"), "app")
    shop.run_image("new")

    for _ in range(2):
        (done,) = shop.rebase(report_dir=tmp_path / "made" / "here")

        told = (tmp_path / "made" / "here" / "report.toml").read_text("utf-8")
        identity = f'digest = "{done.digest}"' if shop.publish else f'image-id = "{done.image_id[7:]}"'
        assert told.startswith(f'[image]\n  tags = ["{shop.name("app")}"]\n  {identity}\n')


def test_many_images_are_rebased_and_one_that_cannot_be_does_not_keep_the_others(shop: Shop) -> None:
    old = shop.run_image("old")
    words = ["one", "two", "three"]
    for word in words:
        forbidden = {"io.buildpacks.rebasable": "false"} if word == "two" else None
        shop.app(old, f"app {word}", word=word, labels=forbidden)
    before = shop.find("two")
    new = shop.run_image("new")

    done = shop.rebase(*words, "missing")

    assert [each.state for each in done] == ["rebased", "failed", "rebased", "failed"]
    assert "rebasable: " in str(done[1].error)
    assert shop.find("two") == before
    for word in ("one", "three"):
        found = shop.find(word)
        assert found is not None
        assert found.diff_ids[0] == new.diff_ids[0]


def test_another_run_image_must_be_forced_and_is_the_known_one_then(shop: Shop) -> None:
    """REB-08, REB-09"""
    app = shop.app(shop.run_image("old"), "app")
    shop.run_image("new", word="other")

    with pytest.raises(RebaseError, match=f"run image: .* knows {shop.name('run')}"):
        shop.rebase(run_image=shop.name("other"))
    kept = shop.find()
    (done,) = shop.rebase(run_image=shop.name("other"), force=True)

    assert kept is not None
    assert kept.id == app.id
    assert done.overridden
    assert shop.rebase()[0].run_image == shop.name("other")


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"run_image": "{run}9"}, (PullRefused, RegistryError), "{run}9"),
        ({"previous_image": "{run}9"}, (PybuildError,), "{run}9"),
        ({"previous_image": "{run}"}, (RebaseError,), "{run} was not built from buildpacks"),
    ],
    ids=["no run image", "no previous image", "no app"],
)
def test_what_is_not_there_is_named_and_nothing_is_written(
    shop: Shop, options: dict[str, str], kind: tuple[type[PybuildError], ...], words: str
) -> None:
    app = shop.app(shop.run_image("old"), "app")
    run = shop.name("run")
    given = {key: text.format(run=run) for key, text in options.items()}

    with pytest.raises(kind) as caught:
        shop.rebase(**given)

    assert words.format(run=run) in str(caught.value)
    assert caught.value.hint
    found = shop.find()
    assert found is not None
    assert found.id == app.id


def test_the_run_image_is_taken_from_the_first_place_that_has_it(shop: Shop) -> None:
    """GEN-15"""
    shop.app(shop.run_image("old"), "app", mirrors=[shop.name("mirror")])
    new = shop.run_image("new", word="mirror")
    old = shop.store.find(Reference.parse(shop.name("run")))
    assert old is not None
    shop.store.delete(old)

    (done,) = shop.rebase()

    assert done.run_image == shop.name("mirror")
    after = shop.find()
    assert after is not None
    assert after.diff_ids[0] == new.diff_ids[0]
