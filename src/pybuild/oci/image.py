"""What a build makes of its run image's configuration: pure, from values to the new file's content.

Specification: platform.md, "exporter", "Outputs"; the details (EXP-13 to EXP-17, GO-30 to GO-33) are those of the
Go lifecycle, so that both give the same image the same id.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from pybuild.errors import InvalidInput
from pybuild.gojson import Struct
from pybuild.oci import model
from pybuild.oci.tar import EPOCH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What the new image has that its base lacks.

    `diff_ids`: all layers, the base's first. `created_by`: the history's words for each added layer.
    `created`: RFC 3339, the time of the image and of its whole history. `keep_history`: whether the words of
    history (the base's and the added) are kept, which they are since Platform API 0.12. `environ`: set in this
    order. `entrypoint` () and `working_dir` "" change nothing; `clear_command`: remove the base's Cmd.
    """

    diff_ids: Sequence[str]
    created_by: Sequence[str]
    created: str
    keep_history: bool = True
    environ: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    entrypoint: Sequence[str] = ()
    working_dir: str = ""
    clear_command: bool = True


def derive(base: Mapping[str, object], changes: Changes) -> Struct:
    """The configuration of the image that has `changes` on top of `base`; for `model.encode_config`."""
    made = model.config_file(base)
    made.pop("container", None)
    made["created"] = changes.created
    made["history"] = _history(made, changes)
    made["rootfs"] = Struct(type=made["rootfs"]["type"] or "layers", diff_ids=list(changes.diff_ids))
    config = made["config"]
    if changes.clear_command:
        config.pop("Cmd", None)
    if changes.entrypoint:
        config["Entrypoint"] = list(changes.entrypoint)
    if changes.working_dir:
        config["WorkingDir"] = changes.working_dir
    config["Env"] = set_environ(config.get("Env") or (), changes.environ)
    config["Labels"] = {**config.get("Labels", {}), **changes.labels}
    # Keys were added at the end; this puts them in their places.
    return model.config_file(made)


def created_at(seconds: int = EPOCH, *, zone: timedelta = timedelta()) -> str:
    """A moment in seconds since 1970 as configuration files write it. Years 1 to 9999, else `InvalidInput`."""
    try:
        moment = datetime.fromtimestamp(0, timezone(zone)) + timedelta(seconds=seconds)
    except OverflowError as exc:
        raise InvalidInput(f"{seconds} seconds since 1970 is outside of the years 1 to 9999") from exc
    text = moment.isoformat()
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


def set_environ(environ: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """`KEY=value` texts with `values` set: in place where the key is there, else at the end, in their order."""
    made = list(environ)
    for key, value in values.items():
        names = [text.partition("=")[0] for text in made]
        if key in names:
            made[names.index(key)] = f"{key}={value}"
        else:
            made.append(f"{key}={value}")
    return made


def environ_value(base: Mapping[str, object], key: str) -> str:
    """A variable of a base image, "" if it has none.

    A value with an equals sign in it counts as none: so does the Go lifecycle read it, for the new PATH too.
    """
    for text in model.config_file(base)["config"].get("Env") or ():
        name, _, value = text.partition("=")
        if name == key and "=" not in value:
            return str(value)
    return ""


def layer_history(config: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """One history item for each of `count` layers; blank ones when the file's do not fit the layers."""
    items = [item for item in config.get("history") or () if not item.get("empty_layer")]
    return items if len(items) == count else [{} for _ in range(count)]


def _history(base: Mapping[str, Any], changes: Changes) -> list[Mapping[str, Any]]:
    below = len(changes.diff_ids) - len(changes.created_by)
    added: list[dict[str, Any]] = [{"created_by": text} for text in changes.created_by]
    items = [*layer_history(base, below), *added]
    if not changes.keep_history:
        items = [{} for _ in items]
    return [{**item, "created": changes.created} for item in items]
