"""`pack build` and `pack rebase`: our commands with what `pack` takes for granted, and its last lines."""

from __future__ import annotations

import os
from contextlib import suppress
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pybuild.cli.pack.arguments import NO_BUILDER
from pybuild.cli.pack.texts import no_builder
from pybuild.cli.pack.words import console_maker
from pybuild.cli.show.display import Display, shown_by
from pybuild.errors import PybuildError
from pybuild.oci.reference import Reference
from pybuild.platform import config as settings
from pybuild.platform.trust import is_trusted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from pybuild.cli.pack.arguments import PackCall
    from pybuild.platform.build import BuildResult
    from pybuild.platform.request import BuildRequest


_ALWAYS = "always"


def build(call: PackCall) -> int:
    """Build as `pack build` would: with a builder that somebody chose, and asking registries each time."""
    from pybuild.cli import build as ours
    from pybuild.platform.build import build as carry_out
    from pybuild.platform.prepare import builder_name

    words = dict(ours.command.make_context("pack build", [*call.rest]).params)
    image = str(words["image"])
    names = typed([image, *words["tags"]])
    words |= _layout(image, words["outputs"])
    with shown_by(console_maker(call, names)), _console(call) as shown:
        request = _request(words)
        builder = builder_name(request)
        if not builder:
            print(no_builder())
            return NO_BUILDER
        shown.by_phase = not (words["trust_builder"] or is_trusted(builder, request.config))
        result = carry_out(request)
        if not call.quiet:
            shown.line("")
            shown.line(f"Successfully built image '{image}'", style="32")
    if call.quiet:
        print(_one_line(image, result))
    return 0


def rebase(call: PackCall) -> int:
    """Rebase as `pack rebase` would."""
    from pybuild.cli.main import cli

    words = [word for word in call.rest if not word.startswith("-")]
    with shown_by(console_maker(call, typed(words))):
        cli.main(args=[*call.words, *call.flags], prog_name="pack", standalone_mode=False)
    return 0


def typed(names: Iterable[str]) -> dict[str, str]:
    """From names as we write them to how the user did, of those that are names."""
    found = {}
    for name in names:
        with suppress(PybuildError):
            found[str(Reference.parse(name))] = name
    return found


def _layout(image: str, outputs: tuple[str, ...]) -> dict[str, Any]:
    """What is asked for with the name `oci:FOLDER[:TAG]`: `pack`'s way to say that the image goes into a layout."""
    kind, _, rest = image.partition(":")
    if kind != "oci" or not rest:
        return {}
    folder, colon, tag = rest.rpartition(":")
    place, tag = (folder, tag) if colon and "/" not in tag else (rest, "latest")
    return {"image": f"{Path(place).name.lower()}:{tag}", "outputs": (*outputs, f"type=oci,dest={place}")}


def _request(words: dict[str, Any]) -> BuildRequest:
    from pybuild.platform.choices import read_choices
    from pybuild.platform.request import build_request

    config = settings.load(os.environ)
    # Options that say how a result is shown are not part of what is asked for.
    known = {**signature(build_request).parameters, **signature(read_choices).parameters}
    asked = {name: value for name, value in words.items() if name in known}
    policy = words["pull_policy"] or config.pull_policy or _ALWAYS
    return build_request(**{**asked, "pull_policy": policy, "config": config, "caller": os.environ})


def _console(call: PackCall) -> Any:
    """What `console_maker` makes; it can tell each phase apart, as `pack` does."""
    display = Display(
        quiet=call.quiet, verbose=call.verbose, no_color=call.no_color, timestamps=call.timestamps
    )
    return display.console()


def _one_line(image: str, result: BuildResult) -> str:
    repository = Reference.parse(image).familiar_repository
    digest = result.digest or f"sha256:{result.image_id.removeprefix('sha256:')}"
    return f"{repository}@{digest}"
