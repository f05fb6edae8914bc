"""Which launcher goes into the image: the builder's own where it has one, else ours; and what it says of itself.

Specification: platform.md, "io.buildpacks.build.metadata" (`launcher`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild import __version__
from pybuild.lifecycle.image_layers import LauncherSource
from pybuild.spec.labels import LauncherIdentity

if TYPE_CHECKING:
    from pybuild.buildenv.api import BuildEnv
    from pybuild.lifecycle.cache import CacheIndex
    from pybuild.spec.builder import Builder

REPOSITORY = "github.com/pybuild/pybuild"
LAUNCHER_PATH = "/cnb/lifecycle/launcher"
_GO_REPOSITORY = "github.com/buildpacks/lifecycle"

# Prints nothing where only our own lifecycle's file holds the place; else what the Go lifecycle says of its version,
# and "linked" if it does not name its commit, but has its repository. It writes both, or one, or none into the image,
# as they were linked in, and tells nobody the second: a text that is linked in stands between two zero bytes.
_SCRIPT = f"""\
[ -f {LAUNCHER_PATH} ] && [ -x {LAUNCHER_PATH} ] || exit 0
! head -c 100 {LAUNCHER_PATH} | grep -aq pybuild-launcher || exit 0
lifecycle=/cnb/lifecycle/lifecycle
version=$($lifecycle -version 2>/dev/null) || :
printf "%s\\n" "$version" | head -n 1
case $version in
*+*) ;;
*) [ ! -f $lifecycle ] || ! tr '\\0' '\\n' <$lifecycle | grep -axqF {_GO_REPOSITORY} || echo linked ;;
esac
"""


def builder_launcher(
    env: BuildEnv, builder: Builder, index: CacheIndex | None
) -> tuple[LauncherSource, LauncherIdentity]:
    """The launcher and its identity; 0.1 s to learn of a builder's own, nothing if the build before did (`index`)."""
    known = index.launchers.get(builder.image_id) if index else None
    if known is not None:
        return LauncherSource(path=LAUNCHER_PATH, key=builder.image_id), known.identity
    shown = env.script(_SCRIPT).decode(errors="replace").splitlines()
    if not shown:
        return LauncherSource(), LauncherIdentity(version=__version__, repository=REPOSITORY, commit="")
    version, _, commit = shown[0].partition("+")
    return LauncherSource(path=LAUNCHER_PATH, key=builder.image_id), LauncherIdentity(
        version=version or builder.lifecycle_version,
        repository=_GO_REPOSITORY if commit or shown[1:] else "",
        commit=commit,
    )
