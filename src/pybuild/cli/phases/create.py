"""The creator: analyzer, detector, restorer, builder and exporter in one program, with the same inputs.

Specification: platform.md, "creator".
"""

from __future__ import annotations

import pwd
from dataclasses import replace
from typing import TYPE_CHECKING

from pybuild.cli.phases.analyze import analyze_images, resolved, with_launch_cache
from pybuild.cli.phases.build import build_group
from pybuild.cli.phases.caches import Caches, warn_without_cache
from pybuild.cli.phases.detect import detect_group
from pybuild.cli.phases.export import export_image
from pybuild.cli.phases.restore import restore_layers
from pybuild.errors import DetectError
from pybuild.events import phase
from pybuild.lifecycle.privileges import close_to_others

if TYPE_CHECKING:
    from pybuild.cli.phases.run import PhaseRun


def creator(run: PhaseRun) -> None:
    """The phase."""
    run = resolved(run)
    inputs = run.inputs
    warn_without_cache(run)
    if inputs.layout:
        run.guard_experimental("export to OCI layout format")
    open_store = run.image_store()
    caches = Caches(run, open_store)
    run.drop_privileges(inputs.cache_dir, inputs.launch_cache, inputs.layers)
    if run.store_kind == "registry" or inputs.cache_image:
        close_to_others()
    run = replace(run, environ={**run.environ, **_user_environ(inputs.uid)})
    cache = caches.open()
    store = with_launch_cache(run, open_store())
    env = run.here()
    with phase("ANALYZING"):
        analysis, analyzed = analyze_images(run, store, caches)
    with phase("DETECTING"):
        detected, _, _ = detect_group(run, env, analyzed)
        if detected.group.extensions:
            raise DetectError(
                "detected order contains extensions which is not supported by the creator",
                hint="run the phases one by one, with the extender after the restorer",
            )
    # Since Platform API 0.10 store.toml comes back even when no layer does (CRE-02).
    if not inputs.skip_layers or run.api.minor >= 10:
        with phase("RESTORING"):
            restore_layers(run, env, detected.group, analyzed, cache)
    with phase("BUILDING"):
        built = build_group(run, env, detected.group, detected.plan, analyzed)
    with phase("EXPORTING"):
        export_image(run, env, store, analyzed, analysis, built, cache)


def _user_environ(uid: int) -> dict[str, str]:
    """Buildpacks run at home: root's HOME is not the build user's."""
    try:
        user = pwd.getpwuid(uid)
    except KeyError:
        return {}
    return {"HOME": user.pw_dir, "USER": user.pw_name}
