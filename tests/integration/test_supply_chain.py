"""A published image brings its provenance and a signature along, and none but signed images are built with: S-49, G7."""

from __future__ import annotations

import json
import secrets
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.errors import InvalidInput, NotTrusted, RegistryError
from pybuild.oci import tar
from pybuild.oci.reference import Reference
from pybuild.oci.statement import DSSE, IN_TOTO, Envelope
from pybuild.platform.signing import keys
from pybuild.stores import attachments
from pybuild.stores.keychain import Keychain
from pybuild.stores.registry import RegistryStore
from support.buildpacks import SERVE
from support.cli import result
from support.registry import PASSWORD, USER

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from pybuild.stores.attachments import Attachment
    from support.cli import Lab
    from support.registry import DebianRegistry, Registry

pytestmark = pytest.mark.docker


class Published:
    """A lab whose run image and builder are in Debian's registry, and a pair of keys."""

    def __init__(self, lab: Lab, engine: docker.APIClient, registry: DebianRegistry, run_image: str) -> None:
        self.lab, self.engine, self.registry = lab, engine, registry
        lab.environ["DOCKER_CONFIG"] = str(registry.config)
        space = f"team-{secrets.token_hex(4)}"
        auth = {"username": USER, "password": PASSWORD}
        self.image = f"{registry.host}/{space}/app:1"
        self.run_image = f"{registry.host}/{space}/run:1"
        self.builder = f"{registry.host}/{space}/builder:1"
        for name, source in ((self.run_image, run_image), (self.builder, lab.builder)):
            repository, _, tag = name.rpartition(":")
            engine.tag(source, repository, tag)
            pushed = list(engine.push(repository, tag, auth_config=auth, stream=True, decode=True))
            assert not any("error" in step for step in pushed), pushed
        lab.run("signature", "make-key", str(lab.root / "team"))
        self.key, self.public = str(lab.root / "team.key"), str(lab.root / "team.pub")

    def close(self) -> None:
        for name in (self.run_image, self.builder):
            self.engine.remove_image(name, force=True)

    def words(self, *words: str) -> list[str]:
        buildpack = self.lab.buildpack(build=SERVE)
        fixed = ("--builder", self.builder, "--run-image", self.run_image, "--network", "none", "--publish")
        return ["build", self.image, *fixed, "--buildpack", buildpack, "--json", *words]

    def attached(self, digest: str, kind: str) -> tuple[Attachment, ...]:
        environ = {"HOME": "/nonexistent", "DOCKER_CONFIG": str(self.registry.config)}
        with closing(RegistryStore(Keychain(environ), environ=environ)) as store:
            return attachments.attached(store.place(Reference.parse(self.image)), digest, kind)


@pytest.fixture
def published(
    lab: Lab, engine: docker.APIClient, debian_registry: DebianRegistry, gnu_image: str
) -> Iterator[Published]:
    found = Published(lab, engine, debian_registry, gnu_image)
    yield found
    found.close()


def statement_in(text: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_published_image_tells_how_it_was_made(published: Published) -> None:
    """Once: a build that changes nothing attaches nothing."""
    words = published.words("--env", "TOKEN=very-secret")

    made = result(published.lab.run(*words))
    before = len(published.registry.writes())
    again = result(published.lab.run(*words))

    (found,) = published.attached(str(made["digest"]), IN_TOTO)
    statement = statement_in(found.parts[0].content)
    assert statement["subject"][0]["digest"] == {"sha256": str(made["digest"]).removeprefix("sha256:")}
    definition = statement["predicate"]["buildDefinition"]
    assert definition["externalParameters"]["builder"] == published.builder
    assert definition["externalParameters"]["variables"] == ["BP_OFFLINE", "TOKEN"]
    assert {each["name"] for each in definition["resolvedDependencies"]} >= {"builder", "run-image"}
    assert b"very-secret" not in found.parts[0].content
    assert again["changed"] is False
    # To see whether a push is allowed an upload is begun and taken back; nothing else.
    after = {write.split("/")[0].strip() for write in published.registry.writes()[before:]}
    assert after <= {"POST", "DELETE"}


def test_its_bill_of_materials_is_attached_as_one_document(published: Published) -> None:
    sbom = '{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"components":[{"type":"library","name":"%s"}]}'
    build = f"""{SERVE}
mkdir -p "$1/dep"
printf '[types]\\nlaunch = true\\n' > "$1/dep.toml"
printf '{sbom % "one"}' > "$1/dep.sbom.cdx.json"
printf '{sbom % "two"}' > "$1/launch.sbom.cdx.json\""""
    words = published.words()
    buildpack = published.lab.buildpack(build=build, name="billed")
    descriptor = Path(buildpack) / "buildpack.toml"
    formats = 'sbom-formats = ["application/vnd.cyclonedx+json"]\n'
    descriptor.write_text(descriptor.read_text().replace("[buildpack]\n", f"[buildpack]\n{formats}"))
    words[words.index("--buildpack") + 1] = buildpack

    made = result(published.lab.run(*words))
    again = result(published.lab.run(*words))

    (found,) = published.attached(str(made["digest"]), "application/vnd.cyclonedx+json")
    names = {component["name"] for component in json.loads(found.parts[0].content)["components"]}
    assert names >= {"one", "two"}
    assert again["changed"] is False


def test_without_it_nothing_is_attached(published: Published) -> None:
    made = result(published.lab.run(*published.words("--no-attest")))

    assert published.attached(str(made["digest"]), IN_TOTO) == ()


@pytest.fixture
def picky(registry: Registry, lab: Lab) -> list[str]:
    """The words of a build that publishes to a registry which takes nothing but images."""
    registry.put_image("acme/run", "1", [b"".join(tar.write([]))])
    registry.fail("PUT", "/manifests/sha256", status=405, times=99)
    fixed = ("--builder", lab.builder, "--run-image", f"{registry.host}/acme/run:1", "--network", "none")
    return [
        "build",
        f"{registry.host}/acme/app",
        "--publish",
        *fixed,
        "--buildpack",
        lab.buildpack(build=SERVE),
    ]


def test_a_registry_that_takes_no_attachments_costs_a_warning_and_no_build(
    lab: Lab, picky: list[str]
) -> None:
    found = lab.run(*picky)

    assert found.code == 0, found.text()
    assert "could not be attached" in found.stderr


def test_a_signed_image_and_its_provenance_are_this_keys(published: Published) -> None:
    made = result(published.lab.run(*published.words("--sign", published.key)))
    digest = str(made["digest"])

    checked = published.lab.run("signature", "check", published.image, "--key", published.public, "--json")

    assert checked.code == 0, checked.text()
    assert json.loads(checked.stdout)["digest"] == digest
    (found,) = published.attached(digest, DSSE)
    envelope = Envelope.read(found.parts[0].content, where="test")
    public = keys.read_public(published.lab.root / "team.pub")
    assert public.holds(envelope.signature, envelope.signed)
    assert statement_in(envelope.payload)["subject"][0]["digest"]["sha256"] in digest


def test_what_cannot_be_signed_is_told_before_anything_is_built(lab: Lab, picky: list[str]) -> None:
    """A key that is none, or an image that goes to no registry."""
    (lab.root / "no.key").write_text("nonsense")
    local = [word for word in picky if word != "--publish"]

    for words in (picky, local):
        found = lab.run(*words, "--sign", str(lab.root / "no.key"))
        found.failed(InvalidInput.exit_code)
        assert "===>" not in found.stderr


def test_without_provenance_the_image_is_signed_all_the_same(published: Published) -> None:
    made = result(published.lab.run(*published.words("--no-attest", "--sign", published.key)))

    assert published.lab.run("signature", "check", published.image, "--key", published.public).code == 0
    assert published.attached(str(made["digest"]), DSSE) == ()


def test_a_signature_that_cannot_be_stored_is_an_error(lab: Lab, picky: list[str]) -> None:
    lab.run("signature", "make-key", str(lab.root / "team"))

    lab.run(*picky, "--sign", str(lab.root / "team.key")).failed(RegistryError.exit_code, "405")


def test_nothing_is_built_with_an_image_that_the_key_has_not_signed(published: Published) -> None:
    """S-49: fails closed, says which image; and once both are signed, a build goes through."""
    lab, words = published.lab, published.words("--verify", published.public)

    lab.run(*words).failed(NotTrusted.exit_code, published.builder.removesuffix(":1"), "it has no signature")
    assert lab.run("signature", "sign", published.builder, "--key", published.key).code == 0
    lab.run(*words).failed(
        NotTrusted.exit_code, published.run_image.removesuffix(":1"), "it has no signature"
    )
    assert lab.run("signature", "sign", published.run_image, "--key", published.key).code == 0

    assert result(lab.run(*words))["changed"] is True
    assert lab.leftovers() == []


def test_a_name_that_moved_to_another_image_after_it_was_signed_is_not_trusted(
    published: Published, engine: docker.APIClient
) -> None:
    """S-49: what counts is the digest of the image that would be used."""
    lab = published.lab
    for name in (published.builder, published.run_image):
        assert lab.run("signature", "sign", name, "--key", published.key).code == 0
    changed = engine.create_container(published.builder, ["/bin/sh"])["Id"]
    repository, _, tag = published.builder.rpartition(":")
    try:
        engine.commit(changed, repository, tag)
    finally:
        engine.remove_container(changed)

    words = published.words("--verify", published.public)

    lab.run(*words).failed(NotTrusted.exit_code, published.builder)


def test_an_image_that_came_from_no_registry_is_not_trusted(published: Published) -> None:
    words = published.words("--verify", published.public)
    words[words.index(published.builder)] = published.lab.builder

    published.lab.run(*words).failed(NotTrusted.exit_code, published.lab.builder, "came from no registry")


def test_names_that_move_after_they_were_checked_change_nothing_of_the_build(
    published: Published, engine: docker.APIClient
) -> None:
    """S-49: builder and run image are used by the digests that were checked, also while a build runs."""
    lab = published.lab
    for name in (published.builder, published.run_image):
        assert lab.run("signature", "sign", name, "--key", published.key).code == 0
    words = published.words("--verify", published.public)
    expected = str(result(lab.run(*words))["digest"])
    waits = "touch /marks/building; until [ -e /marks/go ]; do sleep 0.1; done\n"
    lab.buildpack(build=waits + SERVE)
    running = lab.start(*words, "--volume", f"{lab.marks}:/marks:rw")
    running.wait_for_file(lab.marks / "building")

    auth = {"username": USER, "password": PASSWORD}
    for name in (published.builder, published.run_image):
        repository, _, tag = name.rpartition(":")
        evil = engine.create_container(name, ["/bin/sh"], labels={"pybuild.test": lab.prefix})
        try:
            file = tar.TarEntry(b"evil", tar.FILE, 0o644, 0, 0, 0)
            engine.put_archive(evil, "/", b"".join(tar.write([(file, b"")])))
            engine.commit(evil, repository, tag)
        finally:
            engine.remove_container(evil, force=True)
        pushed = list(engine.push(repository, tag, auth_config=auth, stream=True, decode=True))
        assert not any("error" in step for step in pushed), pushed
    (lab.marks / "go").touch()

    assert str(result(running.end())["digest"]) == expected
    lab.run(*words).failed(NotTrusted.exit_code, published.builder.removesuffix(":1"))
