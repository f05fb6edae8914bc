"""The default builder: made when somebody builds for the first time, kept as a local image, made anew when due.

It is due when something that it is made of has changed (buildpacks, recipe, pybuild itself), or when its Debian
packages are a week old. Until then asking for it costs two inspections.
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pybuild
from pybuild.events import info
from pybuild.oci.reference import Reference
from pybuild.platform.builders import bases, builder_image
from pybuild.platform.builders.recipe import Recipe
from pybuild.platform.buildpacks import modules
from pybuild.platform.buildpacks.shipped import libcnb_files, shipped
from pybuild.spec import toml
from pybuild.spec.order import Order, read_order
from pybuild.spec.run_image import RunImageName
from pybuild.stores.daemon import DaemonStore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import docker

    from pybuild.platform.buildpacks.modules import Module
    from pybuild.stores.api import StoredImage

INPUTS_LABEL = "io.pybuild.builder.inputs"
RECIPE = "debian-12"
RUN_STATUS_SOURCE = "/var/lib/dpkg/status"

__all__ = ["default_builder", "shipped"]


def default_builder(
    client: docker.APIClient, *, refresh: bool = False, environ: Mapping[str, str] | None = None
) -> str:
    """The name of the default builder's image, which the engine has when this returns.

    `refresh`: take the newest packages now. `environ` (our own variables if None): PYBUILD_BASE says where
    Debian comes from: "" tries a registry for 3 s, then bootstraps; "bootstrap" does so at once; else an image's
    name. Raises `BuilderUnusable` with a hint when it cannot be made.
    """
    environ = os.environ if environ is None else environ
    plan = _plan(environ.get("PYBUILD_BASE", ""))
    store = DaemonStore(client)
    present = store.find(plan.name)
    if present is not None and not refresh and plan.fits(present) and store.find(plan.run_name):
        return str(plan.name)
    _announce(present, refresh=refresh, plan=plan)
    started = time.monotonic()
    made = bases.bases(
        client, plan.recipe, plan.stage_script, choice=plan.choice, refresh=refresh, environ=environ
    )
    status = store.read_file(made.run, RUN_STATUS_SOURCE) or b""
    definition = builder_image.Definition(
        description=plan.description,
        modules=plan.modules,
        order=plan.order,
        run_images=plan.run_images,
        files={builder_image.RUN_STATUS: status},
        labels={INPUTS_LABEL: plan.inputs},
    )
    builder_image.create(store, made.build, definition, plan.name)
    info(f"The default builder {plan.name} is ready after {time.monotonic() - started:.0f} s")
    return str(plan.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultBuilder:
    """The default builder as the engine has it. `due`: why the next build makes it anew, "" if it does not."""

    name: str
    run_name: str
    image: StoredImage | None
    run_image: StoredImage | None
    released: str
    due: str


def look_up(client: docker.APIClient, *, environ: Mapping[str, str]) -> DefaultBuilder:
    """What is there of the default builder, without making anything; `released`: the date of its packages."""
    plan = _plan(environ.get("PYBUILD_BASE", ""))
    store = DaemonStore(client)
    image, run = store.find(plan.name), store.find(plan.run_name)
    if image is None or run is None:
        due = "it is not there yet"
    elif image.labels.get(INPUTS_LABEL) != plan.inputs:
        due = "what it is made of has changed"
    else:
        due = "its Debian packages are old" if bases.is_old(image) else ""
    return DefaultBuilder(
        name=str(plan.name),
        run_name=str(plan.run_name),
        image=image,
        run_image=run,
        released=image.labels.get(bases.RELEASED_LABEL, "") if image else "",
        due=due,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """The default builder as it should be. `inputs`: a digest of everything that it is made of."""

    name: Reference
    run_name: Reference
    recipe: Recipe
    stage_script: bytes
    choice: str
    description: str
    modules: tuple[Module, ...]
    order: Order
    run_images: tuple[RunImageName, ...]
    inputs: str

    def fits(self, image: StoredImage) -> bool:
        """Whether an image is what the plan says, and young enough."""
        return image.labels.get(INPUTS_LABEL) == self.inputs and not bases.is_old(image)


def _plan(choice: str) -> _Plan:
    folder = shipped("builder")
    recipe_file = folder / "base" / f"{RECIPE}.toml"
    recipe = Recipe.read(recipe_file.read_bytes(), file=str(recipe_file))
    script = (folder / "base" / "stage.sh").read_bytes()
    text = (folder / "builder.toml").read_bytes()
    table = toml.load(text, file=str(folder / "builder.toml"))
    libcnb = {f"lib/{path}": content for path, content in libcnb_files().items()}
    found = tuple(
        modules.from_folder(_beside(folder, entry.needed("uri")), extra=libcnb)
        for entry in table.tables("buildpacks")
    )
    versions = {module.descriptor.id: module.descriptor.version for module in found}
    order = tuple(
        tuple(replace(ref, version=ref.version or versions.get(ref.id, "")) for ref in group)
        for group in read_order(table)
    )
    hashed = hashlib.sha256(f"{pybuild.__version__} {choice} {recipe.digest}".encode() + script + text)
    for module in found:
        for chunk in module.tar():
            hashed.update(chunk)
    return _Plan(
        name=Reference.parse(recipe.image_name("builder")),
        run_name=Reference.parse(recipe.image_name("run")),
        recipe=recipe,
        stage_script=script,
        choice=choice,
        description=table.text("description"),
        modules=found,
        order=order,
        run_images=tuple(RunImageName.read(image) for image in table.table("run").tables("images")),
        inputs=hashed.hexdigest(),
    )


def _beside(folder: Path, uri: str) -> Path:
    """The folder of a buildpack, relative to builder.toml, in a checkout and in an installed package alike."""
    return (folder / uri).resolve()


def _announce(present: StoredImage | None, *, refresh: bool, plan: _Plan) -> None:
    if present is None:
        info(f"Making the default builder {plan.name}; this happens once and takes about a minute")
    elif refresh:
        info(f"Making the default builder {plan.name} with the newest packages")
    elif present.labels.get(INPUTS_LABEL) != plan.inputs:
        info(f"Making the default builder {plan.name} anew, because what it is made of has changed")
    else:
        info(f"Making the default builder {plan.name} anew, for Debian's security updates")
