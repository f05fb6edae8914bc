"""The label io.buildpacks.lifecycle.metadata as a rebase reads and changes it: all but the run image stays as it is.

Specification: platform.md, "rebaser" / Outputs. Images of very old platforms have another kind of `app` there, so
that one is passed on unread, as the Go lifecycle does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from pybuild import gojson
from pybuild.errors import InvalidFile
from pybuild.spec.labels import LIFECYCLE_METADATA, LifecycleMetadata, as_go_numbers
from pybuild.spec.run_image import RunImageName
from pybuild.spec.toml import Table

if TYPE_CHECKING:
    from pybuild.spec.api import ApiVersion

_NAMED_SINCE = 12  # minor version of the Platform API that names the run image beside its layers


@dataclass(frozen=True, slots=True, kw_only=True)
class RebaseMetadata:
    """The label's value. `app`: what it says of the app's layers, in whatever form."""

    metadata: LifecycleMetadata
    app: Any = None

    @classmethod
    def read(cls, text: str) -> Self:
        """From the label; raises `InvalidFile`."""
        document = gojson.loads(text, where=LIFECYCLE_METADATA)
        if not isinstance(document, dict):
            raise InvalidFile(f"{LIFECYCLE_METADATA}: expected an object, found {text[:20]!r}")
        app = as_go_numbers(document.pop("app", None))
        table = Table(document, file=LIFECYCLE_METADATA)
        return cls(metadata=LifecycleMetadata.read_table(table, "json"), app=app)

    def write(self) -> str:
        """The label's text."""
        tree = self.metadata.tree("json")
        tree["app"] = self.app
        return gojson.dumps(tree)

    @property
    def top_layer(self) -> str:
        """Diff id of the run image's last layer."""
        return self.metadata.run_image.top_layer

    @property
    def reference(self) -> str:
        """What the run image is called for ever."""
        return self.metadata.run_image.reference

    def run_image_name(self, platform_api: ApiVersion) -> RunImageName:
        """Name and mirrors of the run image; empty where none is stated (REB-04)."""
        name = self.metadata.run_image.name
        if platform_api.minor >= _NAMED_SINCE and name.image:
            return name
        return self.metadata.stack or RunImageName()

    def known_names(self) -> tuple[str, ...]:
        """All names under which the run image is known, of both places in the label (REB-08)."""
        found: dict[str, None] = {}
        for name in (self.metadata.run_image.name, self.metadata.stack or RunImageName()):
            found |= dict.fromkeys(each for each in (name.image, *name.mirrors) if each)
        return tuple(found)

    def renamed(self, name: str) -> Self:
        """The same with another name of the run image, without mirrors: REB-09."""
        known = RunImageName(image=name)
        run_image = replace(self.metadata.run_image, name=known)
        return replace(self, metadata=replace(self.metadata, run_image=run_image, stack=known))

    def standing_on(self, *, top_layer: str, reference: str) -> Self:
        """The same on another run image: REB-06."""
        run_image = replace(self.metadata.run_image, top_layer=top_layer, reference=reference)
        return replace(self, metadata=replace(self.metadata, run_image=run_image))
