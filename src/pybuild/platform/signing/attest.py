"""What a published image brings along as referrers: provenance, bill of materials, a signature where there is a key for it.

Specification: OCI distribution-spec 1.1, "Listing Referrers"; SLSA v1; in-toto. Reliability: G7, S-49.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from pybuild.errors import InvalidArchive, InvalidFile, InvalidInput, RegistryError
from pybuild.events import detail, info, warn
from pybuild.oci.statement import DSSE, IN_TOTO, Envelope, pre_authentication, statement
from pybuild.platform.images.sbom import Selection, image_sbom
from pybuild.platform.images.sbom_merge import merged
from pybuild.platform.signing import signatures
from pybuild.platform.signing.provenance import PREDICATE, Material, source_material
from pybuild.stores import attachments
from pybuild.stores.attachments import Attachment, Part
from pybuild.stores.keychain import Keychain
from pybuild.stores.registry import RegistryStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pybuild.oci.reference import Reference
    from pybuild.platform.images.sbom import Format
    from pybuild.platform.outputs import Delivered
    from pybuild.platform.request import BuildRequest
    from pybuild.platform.signing.keys import PrivateKey
    from pybuild.platform.signing.provenance import Provenance
    from pybuild.spec.builder import Builder
    from pybuild.spec.order import GroupElement

_SBOM_TYPES: Mapping[Format, str] = {
    "cyclonedx": "application/vnd.cyclonedx+json",
    "spdx": "application/spdx+json",
}
_PREDICATE_TYPE = "in-toto.io/predicate-type"


def materials(
    request: BuildRequest,
    builder: Builder,
    buildpacks: Sequence[GroupElement],
    run_image: str,
    run_digest: str,
) -> tuple[Material, ...]:
    """What the image was made of: builder, run image, buildpacks, and the commit of the source."""
    diff_ids = {(each.id, each.version): each.diff_id for each in builder.buildpacks}
    listed = [
        Material(name="builder", uri=f"docker-image:{builder.name}", digest=builder.image_id),
        Material(name="run-image", uri=f"docker-image:{run_image}", digest=run_digest),
        *(
            Material(name="buildpack", uri=f"urn:cnb:builder:{each.id}@{each.version}", digest=digest)
            for each in buildpacks
            if (digest := diff_ids.get((each.id, each.version), ""))
        ),
        *source_material(request.path),
    ]
    return tuple(each for each in listed if each.digest)


def attest(
    request: BuildRequest, outputs: Sequence[Delivered], provenance: Provenance, key: PrivateKey | None
) -> None:
    """Attach to each published image what it lacks. Where that fails a warning is given: the image is there.

    `key`: signs the image and its provenance; then a failure is an error. Without `request.attest` it signs the image alone.
    """
    for each in (output for output in outputs if output.output.kind == "registry"):
        store = RegistryStore(Keychain(request.caller), environ=request.caller, insecure=request.insecure)
        with closing(store):
            try:
                if request.attest:
                    _attach(store, each, provenance, key)
                    _attach_sbom(store, each, request)
                if key is not None:
                    _sign(store, each, key)
            except (RegistryError, InvalidArchive) as exc:
                if key is not None:
                    raise
                warn(f"what belongs to {each.output.names[0]} could not be attached to it: {exc}")


def _attach(
    store: RegistryStore, delivered: Delivered, provenance: Provenance, key: PrivateKey | None
) -> None:
    for name in _one_each(delivered):
        place, digest = store.place(name), delivered.digest
        kind = DSSE if key else IN_TOTO
        if delivered.changed or not attachments.attached(place, digest, kind):
            content = statement([name.full_repository], digest, PREDICATE, provenance.predicate())
            if key:
                signature = key.sign(pre_authentication(IN_TOTO, content))
                content = Envelope(payload_type=IN_TOTO, payload=content, signature=signature).write()
            notes = {_PREDICATE_TYPE: PREDICATE}
            part = Part(media_type=kind, content=content, annotations=notes)
            attachments.attach(place, digest, Attachment(artifact_type=kind, parts=[part], annotations=notes))
            info(f"Attached the provenance of {name}")


def _sign(store: RegistryStore, delivered: Delivered, key: PrivateKey) -> None:
    for name in _one_each(delivered):
        if signatures.sign(store, name, delivered.digest, key):
            info(f"Signed {name}@{delivered.digest}")


def _one_each(delivered: Delivered) -> Iterable[Reference]:
    """A name in each repository that has the image."""
    return {name.repository: name for name in delivered.output.names}.values()


def _attach_sbom(store: RegistryStore, delivered: Delivered, request: BuildRequest) -> None:
    """The bills of materials of all buildpacks as one document of each kind, for an image that has any."""
    for name in _one_each(delivered):
        place, digest = store.place(name), delivered.digest
        lacking = [
            format_
            for format_, kind in _SBOM_TYPES.items()
            if delivered.changed or not attachments.attached(place, digest, kind)
        ]
        if not lacking:
            continue
        image = f"{name.full_repository}@{digest}"
        try:
            documents = image_sbom(image, environ=request.caller, remote=True, insecure=request.insecure)
        except (InvalidArchive, InvalidFile):
            raise InvalidArchive(f"the bill of materials of {image} cannot be read") from None
        except InvalidInput as exc:
            detail(str(exc))  # it has none
            continue
        for format_ in sorted({each.format for each in documents}.intersection(lacking)):
            kind = _SBOM_TYPES[format_]
            try:
                content = merged(image, documents, format_, Selection()).encode()
            except InvalidFile as exc:
                warn(f"a bill of materials that is not valid is not attached: {exc}")
                continue
            attachments.attach(
                place, digest, Attachment(artifact_type=kind, parts=[Part(media_type=kind, content=content)])
            )
            info(f"Attached the bill of materials of {name} ({format_})")
