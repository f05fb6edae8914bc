"""What a user asks for when they build, as one value: every word checked before anything is started."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pybuild.errors import InvalidInput
from pybuild.oci.reference import Reference
from pybuild.platform.cache_choice import CacheChoice, cache_choice
from pybuild.platform.choices import Choices, read_choices
from pybuild.platform.confided import read_bindings, read_secrets
from pybuild.platform.created import read_creation_time
from pybuild.platform.image_words import read_annotations, read_labels
from pybuild.platform.limits import Limits, read_limits
from pybuild.platform.outputs import Output, read_outputs
from pybuild.platform.pull import DEFAULT_POLICY, PullPolicy, checked_policy, checked_registry
from pybuild.platform.typed_path import typed_path
from pybuild.spec.config import Config
from pybuild.spec.project import RESERVED_FOLDERS, check_workspace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pybuild.platform.confided import Confided

DEFAULT_WORKSPACE = "/workspace"

# Where engines have their sockets: who can see one has this machine.
_SOCKETS = ("/run/docker.sock", "/run/podman/podman.sock", "/run/containerd/containerd.sock")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """One build. `image` is its own name, `tags` further ones. `created`: seconds since 1970, None for the constant.

    `outputs`: where the image goes, () for the engine. `insecure`: registries (`host[:port]`) whose certificate is not
    checked, or that have none. `timeout`: seconds after which everything in the build container ends, 0 for no limit.
    `attest`: published images get their provenance as a referrer. `sign_key`: the key that signs them. `verify_key`: the
    key that must have signed builder and run image. `labels`, `annotations`: for the image. `confided`: secrets and bindings. `ignore_files`: of the app, that count.
    `cache`: where layers are kept. `workspace`: "" to take project.toml's or the default. `config`: the user's
    settings. `caller`: the variables pybuild was started with.
    """

    image: Reference
    path: Path = field(default_factory=Path)
    tags: tuple[Reference, ...] = ()
    builder: str = ""
    run_image: str = ""
    buildpacks: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    env_files: tuple[Path, ...] = ()
    volumes: tuple[str, ...] = ()
    network: str = ""
    descriptor: Path | None = None
    workspace: str = ""
    pull_policy: PullPolicy = DEFAULT_POLICY
    default_process: str = ""
    created: int | None = None
    clear_cache: bool = False
    locked: bool = False
    outputs: tuple[Output, ...] = ()
    insecure: tuple[str, ...] = ()
    cache: CacheChoice = field(default_factory=CacheChoice)
    timeout: float = 0
    attest: bool = True
    sign_key: Path | None = None
    verify_key: Path | None = None
    choices: Choices = field(default_factory=Choices)
    config: Config = field(default_factory=Config)
    limits: Limits = field(default_factory=Limits)
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    confided: tuple[Confided, ...] = ()
    ignore_files: tuple[str, ...] = ()
    caller: Mapping[str, str] = field(default_factory=dict)

    @property
    def places(self) -> tuple[Output, ...]:
        """Where the image goes: at least one place, of which the first counts for what is reused."""
        return self.outputs or (Output(kind="docker", names=(self.image, *self.tags)),)


def build_request(
    image: str,
    *,
    path: Path,
    caller: Mapping[str, str],
    tags: Sequence[str] = (),
    builder: str | None = None,
    run_image: str | None = None,
    buildpacks: Sequence[str] = (),
    env: Sequence[str] = (),
    env_files: Sequence[Path] = (),
    volumes: Sequence[str] = (),
    network: str | None = None,
    descriptor: Path | None = None,
    workspace: str | None = None,
    pull_policy: str | None = None,
    default_process: str = "",
    creation_time: str | None = None,
    clear_cache: bool = False,
    locked: bool = False,
    publish: bool = False,
    outputs: Sequence[str] = (),
    insecure_registries: Sequence[str] = (),
    caches: Sequence[str] = (),
    cache_image: str | None = None,
    timeout: float = 0,
    attest: bool = True,
    sign_key: Path | None = None,
    verify_key: Path | None = None,
    memory: str | None = None,
    cpus: float | None = None,
    pids_limit: int | None = None,
    log_limit: str | None = None,
    labels: Sequence[str] = (),
    annotations: Sequence[str] = (),
    secrets: Sequence[str] = (),
    bindings: Sequence[str] = (),
    use_gitignore: bool = False,
    use_dockerignore: bool = False,
    config: Config | None = None,
    **choices: Any,
) -> BuildRequest:
    """The request that these words make; `choices`: see `read_choices`. Raises `InvalidInput` for the first one that
    means nothing.
    """
    config = config or Config()
    words = (image, *(part for tag in tags for part in tag.split(",") if part))
    names = [Reference.parse(name) for name in words]
    for name, word in zip(names, words, strict=True):
        if name.digest:
            raise InvalidInput(
                f"{word!r} has a digest: a new image is named by a tag", hint="leave out @sha256:…"
            )
    cache = cache_choice(caches, cache_image or "")
    if cache.image in names:
        raise InvalidInput(
            f"the cache image {cache.image} is the image itself", hint=f"--cache-image {names[0]}-cache"
        )
    places = read_outputs(outputs, names, publish=publish)
    if sign_key is not None and not any(place.kind == "registry" for place in places):
        raise InvalidInput(
            "--sign signs an image in a registry, and none is asked for",
            hint="add --publish, or leave out --sign",
        )
    return BuildRequest(
        image=names[0],
        cache=cache,
        tags=tuple(names[1:]),
        path=path,
        builder=builder or "",
        run_image=run_image or "",
        buildpacks=tuple(part for word in buildpacks for part in word.split(",") if part),
        env=tuple(env),
        env_files=tuple(env_files),
        volumes=tuple(map(checked_volume, volumes)),
        network=network or "",
        descriptor=descriptor,
        # `web` means `/web`, as with `pack --workspace`.
        workspace=check_workspace(f"/{workspace.lstrip('/')}", "--workspace") if workspace else "",
        pull_policy=checked_policy(
            pull_policy if pull_policy is not None else config.pull_policy or DEFAULT_POLICY
        ),
        default_process=default_process,
        created=read_creation_time(creation_time, path=path, caller=caller),
        clear_cache=clear_cache,
        locked=locked,
        outputs=places,
        insecure=tuple(map(checked_registry, insecure_registries)),
        timeout=timeout,
        attest=attest,
        sign_key=sign_key,
        verify_key=verify_key,
        choices=read_choices(**{"lifecycle_image": config.lifecycle_image, **_said(choices)}),
        config=config,
        limits=read_limits(memory=memory, cpus=cpus, processes=pids_limit, log=log_limit),
        labels=read_labels(labels),
        annotations=read_annotations(annotations, places),
        confided=(*read_secrets(secrets, caller), *read_bindings(bindings)),
        ignore_files=(
            *([".gitignore"] if use_gitignore else []),
            *([".dockerignore"] if use_dockerignore else []),
        ),
        caller=caller,
    )


def _said(choices: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in choices.items() if value is not None}


def checked_volume(word: str) -> str:
    """`host:path[:ro|rw]` as the engine takes it; read-only unless it says `rw` (S-50)."""
    parts = word.split(":")
    if len(parts) not in {2, 3} or not all(parts) or (len(parts) == 3 and parts[2] not in {"ro", "rw"}):
        raise InvalidInput(f"the volume {word!r} is not HOST:PATH[:ro|rw]", hint="--volume ./data:/data:ro")
    source, target, mode = parts[0], parts[1], parts[2] if len(parts) == 3 else "ro"
    plain = str(PurePosixPath(target))
    if not plain.startswith("/") or ".." in PurePosixPath(target).parts:
        raise InvalidInput(
            f"the volume {word!r} needs an absolute path in the build, found {target!r}",
            hint="--volume ./data:/data:ro",
        )
    reserved = plain == "/" or any(
        plain == taken or plain.startswith(f"{taken}/") for taken in RESERVED_FOLDERS
    )
    # Below /platform buildpacks find what the platform shows them; only variables have their own way there.
    shown = plain.startswith("/platform/") and plain != "/platform/bindings"
    if reserved and not (shown and not f"{plain}/".startswith("/platform/env/") and mode == "ro"):
        raise InvalidInput(
            f"the volume {word!r} would hide {plain}, which the build needs", hint="--volume ./data:/data:ro"
        )
    if "/" in source or source.startswith("."):
        path = typed_path(source, f"the volume {word!r}").resolve()
        if not path.exists():
            raise InvalidInput(f"the volume {word!r}: there is no {path}", hint=f"mkdir -p {path}")
        source = str(path)
        # Read-only does not help: to connect to a socket is not to write to a file.
        if path.is_socket() or any(Path(socket).is_relative_to(path) for socket in _SOCKETS):
            raise InvalidInput(
                f"the volume {word!r} would give buildpacks this machine", hint="mount a folder of data"
            )
    elif not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", source):
        raise InvalidInput(
            f"the volume {word!r}: {source!r} is neither a path nor the name of a volume",
            hint="--volume ./data:/data:ro",
        )
    return f"{source}:{plain}:{mode}"
