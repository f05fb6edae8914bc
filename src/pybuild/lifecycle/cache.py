"""What is known of the layers that lie in place in the cache volume from the build before.

Layers stay in the volume as folders; restoring moves nothing. The index beside them, kept outside of any
container, says for each of them what it was when the last good build ended. A layer whose files do not have
the recorded stamp any more (a failed or killed build altered it, somebody edited the volume) is not used.

Specification: buildpack.md, "Layer Types", "Cached Layers". Design: docs/adr/0003-cache-in-place.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from pybuild import gojson
from pybuild.errors import InvalidFile
from pybuild.oci.digest import is_digest
from pybuild.spec.labels import LauncherIdentity
from pybuild.spec.names import check_id, check_layer_name

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORMAT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLayer:
    """One launch or cached layer as the last good build left it.

    `diff_id`: what it was exported as, "" if it never was packed. `size`: bytes of that tar. `stamp`: of its
    folder, "" when the folder is not kept (a launch layer without cache) or could not be stamped.
    `metadata`: of its `<layer>.toml`, any JSON value. `sboms`: stamp of each SBOM file beside it, by the file's
    ending (`sbom.cdx.json`). `tar_terms`: what the tar depends on beside the files, `Exportable.tar_terms`.
    """

    diff_id: str
    size: int
    stamp: str
    launch: bool
    build: bool
    cache: bool
    metadata: Any = None
    sboms: Mapping[str, str] = field(default_factory=dict)
    tar_terms: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptApp:
    """The app as the last good build exported it: the stamp of what was uploaded and its layers' diff IDs.

    `upload`: SHA-256 of what the platform put into the app directory; `tar_terms`: as in `KeptLayer`; `slices`: the
    slices' patterns. `layers`: diff ID and tar size of each, one more than there are slices.
    """

    upload: str
    tar_terms: str
    slices: tuple[tuple[str, ...], ...]
    layers: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLauncher:
    """A builder's own launcher as it went into the image: diff ID and tar size of its layer, what it says of itself."""

    diff_id: str
    size: int
    identity: LauncherIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheIndex:
    """`layers`: by buildpack id, then layer name. `owner`: the image this cache belongs to."""

    owner: str
    layers: Mapping[str, Mapping[str, KeptLayer]] = field(default_factory=dict)
    app: KeptApp | None = None
    # By what the file was taken from: a builder's image ID.
    launchers: Mapping[str, KeptLauncher] = field(default_factory=dict)

    @classmethod
    def read(cls, text: bytes, *, where: str) -> Self:
        """Parse `write`'s text. Anything unexpected is an `InvalidFile`: the cache is then not used."""
        try:
            raw = gojson.loads(text, where=where)
            if not isinstance(raw, dict) or raw["format"] != _FORMAT:
                raise InvalidFile(f"{where}: not a cache index of format {_FORMAT}")
            return cls(
                owner=_text(raw["owner"]),
                layers={
                    check_id(buildpack, where): {
                        check_layer_name(name, where): _read_layer(layer) for name, layer in layers.items()
                    }
                    for buildpack, layers in raw["layers"].items()
                },
                app=_read_app(raw["app"]) if raw.get("app") else None,
                launchers={_text(key): _read_launcher(each) for key, each in raw["launchers"].items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise InvalidFile(f"{where}: damaged cache index ({type(exc).__name__}: {exc})") from exc

    def write(self) -> bytes:
        """The index as JSON text."""
        app = self.app
        return gojson.dumps(
            {
                "format": _FORMAT,
                "owner": self.owner,
                "layers": {
                    buildpack: {name: _write_layer(layer) for name, layer in layers.items()}
                    for buildpack, layers in self.layers.items()
                },
                "app": None
                if app is None
                else {
                    "upload": app.upload,
                    "tar_terms": app.tar_terms,
                    "slices": [list(patterns) for patterns in app.slices],
                    "layers": [list(layer) for layer in app.layers],
                },
                "launchers": {key: _write_launcher(each) for key, each in self.launchers.items()},
            }
        ).encode()

    def layer(self, buildpack: str, name: str) -> KeptLayer | None:
        """The layer `name` of `buildpack`, if there is one."""
        return self.layers.get(buildpack, {}).get(name)


def _write_layer(layer: KeptLayer) -> dict[str, object]:
    return {
        "diff_id": layer.diff_id,
        "size": layer.size,
        "stamp": layer.stamp,
        "launch": layer.launch,
        "build": layer.build,
        "cache": layer.cache,
        "metadata": layer.metadata,
        "sboms": dict(layer.sboms),
        "tar_terms": layer.tar_terms,
    }


def _read_layer(raw: dict[str, Any]) -> KeptLayer:
    return KeptLayer(
        diff_id=_digest(raw["diff_id"]) if raw["diff_id"] else "",
        size=_number(raw["size"]),
        stamp=_text(raw["stamp"]),
        launch=raw["launch"] is True,
        build=raw["build"] is True,
        cache=raw["cache"] is True,
        metadata=raw["metadata"],
        sboms={_text(ending): _text(stamp) for ending, stamp in raw["sboms"].items()},
        tar_terms=_text(raw["tar_terms"]),
    )


def _read_app(raw: dict[str, Any]) -> KeptApp:
    app = KeptApp(
        upload=_text(raw["upload"]),
        tar_terms=_text(raw["tar_terms"]),
        slices=tuple(tuple(_text(pattern) for pattern in patterns) for patterns in raw["slices"]),
        layers=tuple((_digest(diff_id), _number(size)) for diff_id, size in raw["layers"]),
    )
    if len(app.layers) != len(app.slices) + 1:
        raise ValueError(f"{len(app.slices)} slices cannot be {len(app.layers)} layers")
    return app


def _write_launcher(kept: KeptLauncher) -> dict[str, object]:
    identity = kept.identity
    return {
        "diff_id": kept.diff_id,
        "size": kept.size,
        "version": identity.version,
        "repository": identity.repository,
        "commit": identity.commit,
    }


def _read_launcher(raw: dict[str, Any]) -> KeptLauncher:
    identity = LauncherIdentity(
        version=_text(raw["version"]), repository=_text(raw["repository"]), commit=_text(raw["commit"])
    )
    return KeptLauncher(diff_id=_digest(raw["diff_id"]), size=_number(raw["size"]), identity=identity)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a string, found {value!r:.40}")
    return value


def _digest(value: object) -> str:
    if not isinstance(value, str) or not is_digest(value):
        raise TypeError(f"expected a digest, found {value!r:.40}")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"expected a whole number, found {value!r:.40}")
    return value
