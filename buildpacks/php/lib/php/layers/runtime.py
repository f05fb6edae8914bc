"""Layer `php`: PHP itself, php-fpm and the extensions, from Debian's packages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from php import extensions, versions
from php.settings import extension_names
from pybuild.libcnb import debs, output
from pybuild.libcnb.dpkg import upstream
from pybuild.libcnb.layers import Types

if TYPE_CHECKING:
    from pathlib import Path

    from php.project import Project
    from pybuild.libcnb.apt import Apt
    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.layers import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """PHP as installed: `series` 8.2, `version` 8.2.36."""

    layer: Layer
    series: str
    version: str

    @property
    def php(self) -> Path:
        """The interpreter."""
        return self.layer.path / f"usr/bin/php{self.series}"

    @property
    def fpm(self) -> Path:
        """The process manager."""
        return self.layer.path / f"usr/sbin/php-fpm{self.series}"


def install(context: BuildContext, project: Project, apt: Apt) -> Runtime:
    """Choose version and extensions, and have them in a layer. Raises a `Problem`."""
    choice = choose(context, project, apt)
    version = upstream(choice.version)
    output.section(f"PHP {version} ({choice.why}; {release(context)} has {choice.series})")
    asked = {**dict.fromkeys(extension_names(context.environ), "BP_PHP_EXTENSIONS"), **project.extensions}
    if not context.dev:
        # It makes everything slower, and shows what should stay inside.
        for name in [name for name in ("xdebug", "pcov") if name in asked]:
            output.step(
                f"Extension {name} is left out: {asked.pop(name)} asks for it, and it is for development"
            )
    known = apt.names(f"php{choice.series}-")
    selection = extensions.select(choice.series, asked, project.provided, known)
    for name, place in selection.added.items():
        output.step(f"Extension {name} ({place} asks for it)")
    for name in selection.substituted:
        output.step(f"Extension {name} is left to the Composer package that provides it")
    made = debs.deb_layer(context, "php", pinned(choice, selection.packages, apt), all_types(), apt=apt)
    layer = made.layer
    layer.search_path("LD_LIBRARY_PATH", *debs.library_folders(layer))
    find_imagemagick(layer)
    return Runtime(layer=layer, series=choice.series, version=version)


def choose(context: BuildContext, project: Project, apt: Apt) -> versions.Choice:
    """The newest PHP that is asked for, or the one of the build before when locked. Raises a `Problem`."""
    asked = context.setting("BP_PHP_VERSION")
    if context.resolved.locked:
        return versions.locked(
            context.resolved.choose("php", str, accepts=versions.accepts(asked, project.php)[0])
        )
    choice = versions.choose(apt, asked, project.php)
    context.resolved.record("php", upstream(choice.version))
    return choice


def all_types() -> Types:
    """For the app, for Composer and later buildpacks, and for the next build."""
    return Types(launch=True, build=True, cache=True)


def pinned(choice: versions.Choice, packages: tuple[str, ...], apt: Apt) -> tuple[str, ...]:
    """The packages with the chosen version where it is not the newest; extensions of other sources stay as they are."""
    if choice.newest:
        return packages
    return tuple(
        f"{package}={choice.version}" if choice.version in apt.versions(package) else package
        for package in (*packages, f"php{choice.series}-common", f"php{choice.series}-readline")
    )


def find_imagemagick(layer: Layer) -> None:
    """Tell ImageMagick, which imagick brings, where its modules and settings are: it knows only the system's folders."""
    for variable, pattern in (
        ("MAGICK_CODER_MODULE_PATH", "usr/lib/*/ImageMagick-*/modules-*/coders"),
        ("MAGICK_CODER_FILTER_PATH", "usr/lib/*/ImageMagick-*/modules-*/filters"),
        ("MAGICK_CONFIGURE_PATH", "etc/ImageMagick-*"),
    ):
        for folder in layer.path.glob(pattern):
            layer.env(variable, str(folder))


def release(context: BuildContext) -> str:
    """The distribution, for a sentence."""
    target = context.target
    return f"{target.distro.capitalize()} {target.distro_version}".strip() or "this distribution"
