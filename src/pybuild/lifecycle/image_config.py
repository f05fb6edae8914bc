"""The configuration of the app image: the run image's with what the exporter sets (pure).

Equal inputs give equal bytes, so the SHA-256 of the text, the image ID, says whether anything changed.

Specification: platform.md, "exporter" / Outputs; what the Go lifecycle does beside it: GO-30 to GO-33.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pybuild.errors import InvalidInput
from pybuild.oci import model
from pybuild.spec.api import ApiVersion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# A constant, so that images are reproducible; one second after 1980 is the oldest time every tool can read.
CREATED = "1980-01-01T00:00:01Z"
PROCESS_DIR = "/cnb/process"
LIFECYCLE_DIR = "/cnb/lifecycle"
LAUNCHER_PATH = "/cnb/lifecycle/launcher"
_HISTORY_KEPT = ApiVersion(0, 12)  # older platforms get a history of times only


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigChanges:
    """What the exporter sets. `created`: RFC 3339. `created_by`: one text per new layer, in order."""

    created: str
    created_by: Sequence[str]
    layers_dir: str
    app_dir: str
    platform_api: ApiVersion
    entrypoint: str
    labels: Sequence[tuple[str, str]] = ()

    def with_labels(self, labels: Sequence[tuple[str, str]]) -> ConfigChanges:
        """The same with `labels`, which can be known only once the layers are."""
        return replace(self, labels=labels)


def created_time(epoch: int | None) -> str:
    """`epoch` (seconds since 1970, UTC) as RFC 3339; the constant for None. Years 0 to 9999 can be written."""
    if epoch is None:
        return CREATED
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=epoch)
    except OverflowError as exc:
        raise InvalidInput(
            f"the creation time {epoch} is out of range: expected seconds since 1970, up to year 9999"
        ) from exc
    return f"{moment:%Y}".zfill(4) + f"{moment:-%m-%dT%H:%M:%SZ}"


def app_config(base: Mapping[str, Any], diff_ids: Sequence[str], changes: ConfigChanges) -> bytes:
    """The configuration file's bytes. `base`: the run image's configuration; `diff_ids`: of all layers."""
    config = dict(base.get("config") or {})
    config.pop("Cmd", None)
    config["Env"] = _environ(config.get("Env") or [], changes)
    config["Labels"] = {**(config.get("Labels") or {}), **dict(changes.labels)}
    config["WorkingDir"] = changes.app_dir
    config["Entrypoint"] = [changes.entrypoint]
    old = len(diff_ids) - len(changes.created_by)
    image = {
        **base,
        "container": "",
        "created": changes.created,
        "config": config,
        "history": [*_base_history(base, old, changes), *_new_history(changes)],
        "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
    }
    return model.encode_config(image)


def _environ(old: Sequence[str], changes: ConfigChanges) -> list[str]:
    # Go reads the old value by splitting at every "=", so a PATH with one in it counts as absent.
    path = next((v for k, e, v in (x.partition("=") for x in old) if k == "PATH" and e and "=" not in v), "")
    new = {
        "CNB_LAYERS_DIR": changes.layers_dir,
        "CNB_APP_DIR": changes.app_dir,
        "CNB_PLATFORM_API": str(changes.platform_api),
        "CNB_DEPRECATION_MODE": "quiet",
        "PATH": f"{PROCESS_DIR}:{LIFECYCLE_DIR}:{path}",
    }
    environ = [f"{name}={new.pop(name)}" if (name := item.partition("=")[0]) in new else item for item in old]
    return [*environ, *(f"{name}={value}" for name, value in new.items())]


def _base_history(base: Mapping[str, Any], layers: int, changes: ConfigChanges) -> list[dict[str, Any]]:
    history = [item for item in base.get("history") or [] if not item.get("empty_layer")]
    if len(history) != layers or changes.platform_api < _HISTORY_KEPT:
        return [{"created": changes.created}] * layers
    kept = ("author", "created_by", "comment")
    return [
        {"created": changes.created, **{key: item[key] for key in kept if item.get(key)}} for item in history
    ]


def _new_history(changes: ConfigChanges) -> list[dict[str, Any]]:
    if changes.platform_api < _HISTORY_KEPT:
        return [{"created": changes.created} for _ in changes.created_by]
    return [{"created": changes.created, "created_by": text} for text in changes.created_by]
