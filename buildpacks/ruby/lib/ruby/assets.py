"""Assets of Rails: compiled where the app has a pipeline for them, with the pipeline's own cache kept between builds."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

from pybuild.libcnb import command, output
from pybuild.libcnb.layers import Types

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pybuild.libcnb.context import BuildContext
    from ruby.layers.runtime import Runtime
    from ruby.lock import Bundle

PIPELINES = ("sprockets-rails", "propshaft")
CACHE = "tmp/cache/assets"
# What a pipeline leaves behind when it is done: whoever commits that has compiled already.
DONE = (
    "public/assets/.sprockets-manifest-*.json",
    "public/assets/.manifest.json",
    "public/assets/manifest-*.json",
)


def compile_assets(
    context: BuildContext, bundle: Bundle, runtime: Runtime, environ: Mapping[str, str]
) -> None:
    """Run `assets:precompile` for a Rails app that needs it. Raises a `Problem`."""
    if not (bundle.has("railties") and bundle.has(*PIPELINES)) or context.dev:
        return
    output.section("Assets")
    if any(any(context.app.glob(pattern)) for pattern in DONE):
        output.step("They are compiled already: public/assets has a manifest")
        return
    kept = context.layers.kept_layer("assets-cache", Types(cache=True))
    _copy(kept.path / "assets", context.app / CACHE)
    words = [str(runtime.ruby), str(runtime.bundle), "exec", "rake", "assets:precompile"]
    # Rails wants a secret before it says anything, and none may be in the image.
    secrets = {"SECRET_KEY_BASE_DUMMY": "1"}
    if not context.setting("SECRET_KEY_BASE"):
        secrets["SECRET_KEY_BASE"] = "only-while-assets-are-compiled"
    try:
        with output.timed("assets:precompile"):
            command.run(words, cwd=context.app, environ={**environ, **secrets})
    except command.ToolFailed as exc:
        raise command.explained(
            command.ToolFailed(str(exc)),
            "The assets could not be compiled",
            steps=(
                "Run `RAILS_ENV=production SECRET_KEY_BASE_DUMMY=1 bundle exec rake assets:precompile` on your machine.",
                "The app must start without its database and secrets for this; look at its initializers.",
            ),
        ) from exc
    shutil.rmtree(kept.path / "assets", ignore_errors=True)
    _copy(context.app / CACHE, kept.path / "assets")
    shutil.rmtree(context.app / CACHE, ignore_errors=True)
    name_manifests(context.app / "public/assets")


def name_manifests(folder: Path) -> None:
    """Name Sprockets' manifests after their content: a name by chance would make another image at every build."""
    for file in folder.glob(".sprockets-manifest-*.json"):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()[:32]
        file.rename(file.with_name(f".sprockets-manifest-{digest}.json"))


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
