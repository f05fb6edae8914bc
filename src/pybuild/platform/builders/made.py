"""Where builders and packages go once they are made, for which targets, and under which names.

An engine takes one image, for its own platform; a registry takes one for each target, and an index over them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pybuild import engine
from pybuild.errors import InvalidInput
from pybuild.platform import ownership
from pybuild.platform.pull import OURS, is_ours, present
from pybuild.spec.target import TargetSpec
from pybuild.stores.daemon import DaemonStore
from pybuild.stores.image_manifest import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import docker

    from pybuild.oci.reference import Reference
    from pybuild.platform.buildpacks.remote import Finder
    from pybuild.stores.api import ImageReader, ImageStore, StoredImage, Written
    from pybuild.stores.registry import RegistryStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An image that was made. `target` is empty where nobody asked for one; `digest`: of its manifest, "" in an engine."""

    name: str
    target: TargetSpec
    image_id: str
    digest: str = ""
    changed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one command: the images, and the digest of the index over them, "" if there is none."""

    images: tuple[Made, ...]
    index: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What the user says of the place. `mirrors`: registries that are asked instead of others. `suffix`: images of an index get a tag of their own, for registries that keep tags."""

    names: tuple[Reference, ...]
    publish: bool = False
    policy: str = "if-not-present"
    mirrors: Mapping[str, str] = field(default_factory=dict)
    insecure: tuple[str, ...] = ()
    suffix: bool = False
    environ: Mapping[str, str]

    def __post_init__(self) -> None:
        for name in self.names:
            if name.digest:
                raise InvalidInput(
                    f"{name} has a digest: a new image is named by a tag", hint="leave out @sha256:…"
                )
            if is_ours(name):
                raise InvalidInput(
                    f"the image cannot be named {name}: names that begin with {OURS} are pybuild's own",
                    hint="choose another name",
                )
        if self.publish and self.policy == "never":
            raise InvalidInput(
                "--publish needs images from registries, and the pull policy is never",
                hint="--pull-policy if-not-present",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one image is made: `store` takes it, `find` gives the images that it is made of."""

    store: ImageStore
    find: Finder
    names: tuple[Reference, ...]


def make(
    where: Where,
    targets: Sequence[TargetSpec],
    one: Callable[[Place, TargetSpec], Written],
    *,
    base: Reference | None = None,
) -> Outcome:
    """Have `one` make an image for each target that counts, on the image `base`. Raises what `one` does; nothing has
    its name then.
    """
    if where.publish:
        return _published(where, list(targets) or [TargetSpec()], one, base)
    client = engine.connect(where.environ)
    target = engine_target(client, targets) if targets else TargetSpec()
    place = Place(
        store=DaemonStore(client), find=_Engine(client, where.policy, where.mirrors), names=where.names
    )
    written = one(place, target)
    return Outcome(images=(_made(where.names[0], target, written),))


def engine_target(client: Any, targets: Sequence[TargetSpec]) -> TargetSpec:
    """The first target that the engine's own machine is. Raises `InvalidInput` if there is none."""
    with engine.translating("asking the Docker Engine for its platform"):
        said = client.version()
    os, arch = str(said.get("Os", "")), str(said.get("Arch", ""))
    for target in targets:
        if target.os == os and target.arch in ("", arch):
            return target
    raise InvalidInput(
        f"none of the targets {', '.join(map(str, targets))} is the engine's platform, {os}/{arch}",
        hint=f"--target {os}/{arch}, or --publish for other platforms",
    )


def _published(
    where: Where,
    targets: Sequence[TargetSpec],
    one: Callable[[Place, TargetSpec], Written],
    base: Reference | None,
) -> Outcome:
    store = registry_store(where)
    store.check_push(where.names)
    lender, lent = None, []
    if base is not None and is_ours(base):
        # What pybuild made itself is in no registry: the engine lends it, and it goes along.
        client = engine.connect(where.environ)
        _Engine(client, "never", {})(base)
        lender, lent = DaemonStore(client), [base]
    several = len(targets) > 1
    made: list[Made] = []
    for target in targets:
        names = _part_names(where, target) if several else where.names
        known = store.lending(_platform(target), lender, lent)
        place = Place(store=known, find=_Registry(known), names=names)
        made.append(_made(names[0], target, one(place, target)))
    if not several:
        return Outcome(images=tuple(made))
    from pybuild.oci.index import Index
    from pybuild.stores import indexes

    first = store.place(where.names[0])
    index = Index(entries=tuple(entry for each in made for entry in indexes.entries(first, each.digest)))
    held = {each.digest: first for each in made}
    digests = [indexes.push(store.place(name), name, index, held) for name in where.names]
    return Outcome(images=tuple(made), index=digests[0])


def _part_names(where: Where, target: TargetSpec) -> tuple[Reference, ...]:
    """What an image of an index is called: nothing, or a tag with its target."""
    first = where.names[0]
    if not where.suffix:
        return (replace(first, tag=""),)
    words = (
        target.os,
        target.arch,
        target.variant,
        *(f"{each.name}-{each.version}" for each in target.distros),
    )
    ending = "-".join(filter(None, words))
    return (replace(first, tag=ending if first.tag == "latest" else f"{first.tag}-{ending}"),)


def registry_store(where: Where) -> RegistryStore:
    """A store for the registries that the user's words name."""
    from pybuild.stores.keychain import Keychain
    from pybuild.stores.registry import RegistryStore

    return RegistryStore(Keychain(where.environ), environ=where.environ, insecure=where.insecure)


def _platform(target: TargetSpec) -> Platform:
    return Platform(os=target.os or "linux", arch=target.arch or "amd64", variant=target.variant)


def _made(name: Reference, target: TargetSpec, written: Written) -> Made:
    return Made(
        name=str(name),
        target=target,
        image_id=written.config_digest or written.image_id,
        digest=written.digest,
        changed=written.changed,
    )


class _Engine:
    """Images of the engine, pulled as often as the policy says; those that pybuild makes are made when they are missing."""

    def __init__(self, client: docker.APIClient, policy: str, mirrors: Mapping[str, str]) -> None:
        self._client, self._policy, self._mirrors = client, policy, mirrors

    def __call__(self, name: Reference) -> tuple[ImageReader, StoredImage]:
        from pybuild.platform.pull import checked_policy

        store = DaemonStore(self._client, labels=ownership.labels("build", image="", builder=""))
        if is_ours(name) and store.find(name) is None:
            from pybuild.platform.builders.bootstrap import default_builder

            default_builder(self._client)
        return store, present(self._client, name, checked_policy(self._policy), mirrors=self._mirrors)


class _Registry:
    """Images of registries, and those that are lent to them."""

    def __init__(self, store: RegistryStore) -> None:
        self._store = store

    def __call__(self, name: Reference) -> tuple[ImageReader, StoredImage]:
        image = self._store.find(name)
        if image is None:
            raise InvalidInput(
                f"there is no image {name} on {name.registry}", hint="look at its name and tag"
            )
        return self._store, image


def parse_labels(words: Sequence[str]) -> dict[str, str]:
    """`NAME=VALUE` words as labels. Raises `InvalidInput`."""
    return dict(_label(word) for word in words)


def _label(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals or not name:
        raise InvalidInput(f"{word!r} is no label: expected NAME=VALUE", hint="--label org.example.team=web")
    return name, value


def parse_targets(words: Sequence[str]) -> tuple[TargetSpec, ...]:
    """The targets of `--target`, several of them in one word after commas, too."""
    return tuple(TargetSpec.parse(part) for word in words for part in word.split(",") if part)


def expanded(targets: Sequence[TargetSpec]) -> Iterator[TargetSpec]:
    """Each target with one distribution at most: a package has a folder of its own for each."""
    for target in targets:
        if len(target.distros) > 1:
            yield from (replace(target, distros=(each,)) for each in target.distros)
        else:
            yield target
