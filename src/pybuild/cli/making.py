"""Options that the commands share which make images of modules: builders and packages."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from pybuild.cli.options import insecure_registry_option

if TYPE_CHECKING:
    from pybuild.platform.builders.made import Outcome, Where
    from pybuild.spec.config import IndexRegistry

registry_option = click.option(
    "-r",
    "-R",
    "--buildpack-registry",
    "registry",
    metavar="NAME|URL",
    help="Buildpack registry to find ids in: a configured one, or the URL of an index.",
)


def making_options(function: Any) -> Any:
    """Where the image goes, for which platforms, with which labels."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output."),
        insecure_registry_option,
        click.option(
            "--append-image-name-suffix",
            "suffix",
            is_flag=True,
            help="With --publish and several targets: give each image a tag of its own.",
        ),
        click.option("--tag", "tags", multiple=True, metavar="NAME", help="A further name for the image."),
        click.option(
            "-t",
            "--target",
            "targets",
            multiple=True,
            metavar="OS/ARCH",
            help="Platform to make it for, such as linux/arm64 or linux/amd64:debian@12; several need --publish.",
        ),
        click.option(
            "-l", "--label", "labels", multiple=True, metavar="NAME=VALUE", help="Label of the image."
        ),
        click.option(
            "--pull-policy",
            metavar="WHEN",
            help="When to ask a registry for images: always, if-not-present (default), never, or interval=… as for builds.",
        ),
        click.option(
            "--publish", is_flag=True, help="Write it into the registry that NAME names; needs no engine."
        ),
    ):
        function = option(function)
    return function


def where_of(name: str, making: dict[str, Any]) -> Where:
    """The place that the options of `making_options` name."""
    from pybuild.oci.reference import Reference
    from pybuild.platform import config
    from pybuild.platform.builders.made import Where
    from pybuild.platform.pull import DEFAULT_POLICY, checked_policy, checked_registry

    settings = config.load(os.environ)
    return Where(
        names=tuple(map(Reference.parse, (name, *making["tags"]))),
        publish=making["publish"],
        policy=checked_policy(making["pull_policy"] or settings.pull_policy or DEFAULT_POLICY),
        mirrors=settings.registry_mirrors,
        insecure=tuple(map(checked_registry, making["insecure_registries"])),
        suffix=making["suffix"],
        environ=os.environ,
    )


def chosen_registry(name: str | None) -> IndexRegistry:
    """The buildpack registry of that name or URL; the default one without."""
    from pybuild.platform import config

    return config.chosen_registry(config.load(os.environ), name or "")


def made_data(name: str, outcome: Outcome) -> dict[str, Any]:
    """What was made, as data."""
    return {
        "name": name,
        "index": outcome.index or None,
        "images": [
            {
                "name": each.name,
                "target": str(each.target) or None,
                "image_id": each.image_id,
                "digest": each.digest or None,
                "changed": each.changed,
            }
            for each in outcome.images
        ],
    }
