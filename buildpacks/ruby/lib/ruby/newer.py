"""Gems that Debian's packages bring, in versions that Gemfile.lock does not have yet: their fixes change them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.libcnb import command, output
from ruby.lock import Bundle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pybuild.libcnb.context import BuildContext
    from ruby.layers.runtime import Runtime


def bring(context: BuildContext, bundle: Bundle, runtime: Runtime, environ: Mapping[str, str]) -> Bundle:
    """Bring the image's copy of the lock file to Debian's versions, within what the Gemfile accepts; the new content.

    Where that does not work the lock file stays, and the gems come from their source.
    """
    moved = {
        name: (bundle.gems[name], version)
        for name, version in sorted(runtime.debian_gems.items())
        if bundle.gems.get(name, version) != version
    }
    if not moved:
        return bundle
    file = context.app / "Gemfile.lock"
    before = file.read_bytes()
    words = [str(runtime.ruby), str(runtime.bundle), "lock", "--local", "--update", *moved]
    done = command.capture(words, cwd=context.app, environ={**environ, "BUNDLE_FROZEN": "false"})
    if done.code:
        file.write_bytes(before)
        return bundle
    output.section("Gemfile.lock is brought to the versions that Debian's packages have")
    output.steps([f"{name} {old} → {new}" for name, (old, new) in moved.items()])
    return Bundle.read(context.app)
