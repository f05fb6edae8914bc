"""Layer `gems`: what Gemfile.lock lists, installed by Bundler, kept while the lock file and Ruby stay as they are."""

from __future__ import annotations

import re
import shutil
import tempfile
from typing import TYPE_CHECKING

from pybuild.libcnb import command, output, purl
from pybuild.libcnb.layers import Empty, Types, differences, write_file
from pybuild.libcnb.sbom import Component
from ruby.layers import runtime as ruby_layer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.layers import Key, Layer
    from ruby.layers.runtime import Runtime
    from ruby.lock import Bundle

LAYER = "gems"
# Settings of Bundler that a developer's .bundle/config may have, and that are ours to say.
MANAGED = (
    "BUNDLE_PATH",
    "BUNDLE_FROZEN",
    "BUNDLE_DEPLOYMENT",
    "BUNDLE_WITHOUT",
    "BUNDLE_ONLY",
    "BUNDLE_BIN",
    "BUNDLE_GEMFILE",
)

_SPEC = re.compile(r"(?P<name>.+?)-(?P<version>\d[\w.]*)(?:-(?P<platform>[\w.-]+))?")


def install(context: BuildContext, bundle: Bundle, runtime: Runtime, compilers: Mapping[str, str]) -> Layer:
    """The layer, with what is missing installed. `compilers`: variables by which gems are compiled. Raises a `Problem`."""
    key: Key = {
        "buildpack": context.version,
        "ruby": runtime.version,
        "arch": context.target.arch,
        "distro": f"{context.target.distro} {context.target.distro_version}".strip(),
        "lock": bundle.digest,
        "without": without(context),
        "debian": tuple(
            f"{name}={version}"
            for name, version in sorted(runtime.debian_gems.items())
            if name in bundle.gems
        ),
    }
    types = Types(launch=True, build=True, cache=True)
    answer = context.layers.cached_layer(LAYER, types, key=key)
    layer = answer.layer
    output.section(f"Gems, by Bundler {runtime.bundler}")
    if isinstance(answer, Empty):
        for cause in (differences(answer.old, key) if answer.old else ()) or answer.causes:
            output.step(f"Layer gems is made: {cause}")
        _bundle_install(context, runtime, layer, compilers)
        _trim(layer.path)
    else:
        output.step("Layer gems is reused: Gemfile.lock and Ruby are the same")
    for name, value in settings(context, runtime).items():
        layer.env(name, value)
    layer.search_path("PATH", layer.path / "bin")
    context.sbom(layer, components(layer))
    return layer


def settings(context: BuildContext, runtime: Runtime) -> dict[str, str]:
    """Bundler's and RubyGems' variables, for this build and for the app."""
    home = context.layers.path / LAYER
    own = {
        "BUNDLE_GEMFILE": str(context.app / "Gemfile"),
        "BUNDLE_APP_CONFIG": str(home / "bundle-config"),
        "BUNDLE_FROZEN": "true",
        # The Bundler that Debian keeps patched, not the one that wrote the lock file, which would have to be fetched.
        "BUNDLER_VERSION": runtime.bundler,
        "GEM_HOME": str(home),
        "GEM_PATH": ":".join(map(str, [home, *ruby_layer.gem_paths(runtime.layer, runtime.series)])),
    }
    return {**own, **({"BUNDLE_WITHOUT": without(context)} if without(context) else {})}


def variables(context: BuildContext, runtime: Runtime) -> dict[str, str]:
    """All that makes Ruby and Bundler work while this build is not over; later ones get it from the layers."""
    layer = runtime.layer
    return {
        "LD_LIBRARY_PATH": (layer.path / "env/LD_LIBRARY_PATH.prepend").read_text(),
        "RUBYLIB": (layer.path / "env/RUBYLIB.override").read_text(),
        "LANG": "C.UTF-8",
        "PATH": f"{layer.path}/usr/bin:{context.environ.get('PATH', '')}",
        **settings(context, runtime),
    }


def without(context: BuildContext) -> str:
    """The groups that are left out: all of them are for the developer."""
    return {"production": "development:test", "test": "development"}.get(context.exec_env, "")


def components(layer: Layer) -> list[Component]:
    """The installed gems."""
    found = []
    for file in sorted((layer.path / "specifications").glob("*.gemspec")):
        text = file.read_text(errors="replace")
        if named := _SPEC.fullmatch(file.stem):
            platform = named["platform"] or ""
            found.append(
                Component(
                    name=named["name"],
                    version=named["version"],
                    purl=purl.gem(named["name"], named["version"], platform=platform),
                    licences=tuple(_words(text, "licenses")),
                    homepage=next(iter(_words(text, "homepage")), ""),
                    description=next(iter(_words(text, "summary")), ""),
                    where=f"specifications/{file.name}",
                )
            )
    return found


def _bundle_install(
    context: BuildContext, runtime: Runtime, layer: Layer, compilers: Mapping[str, str]
) -> None:
    write_file(layer.path / "bundle-config/config", own_config(context.app / ".bundle/config"))
    downloads = context.layers.tool_cache("gem-cache")
    words = [str(runtime.ruby), str(runtime.bundle), "install", "--jobs", "4", "--retry", "3"]
    with tempfile.TemporaryDirectory(prefix="bundler-") as home:
        environ = {
            **variables(context, runtime),
            **compilers,
            "HOME": home,
            "BUNDLE_USER_HOME": home,
            "BUNDLE_GLOBAL_GEM_CACHE": "true",
            "BUNDLE_USER_CACHE": str(downloads.path),
            "MAKEFLAGS": context.setting("MAKEFLAGS", "-j2"),
        }
        if any((context.app / "vendor/cache").glob("*.gem")) or runtime.debian_gems:
            output.step("From vendor/cache and Debian's packages, without asking a registry")
            if _succeeds([*words, "--local"], context, environ):
                return
            output.step("Not all gems are there, so their source is asked")
        try:
            command.run(words, cwd=context.app, environ=environ)
        except command.ToolFailed as exc:
            raise _explained(exc) from exc


def _succeeds(words: Sequence[str], context: BuildContext, environ: Mapping[str, str]) -> bool:
    """Whether a command succeeds that shows something only then."""
    done = command.capture(words, cwd=context.app, environ=environ, timeout=3600)
    if not done.code:
        output.steps([line for line in done.stdout.splitlines() if line.startswith("Bundle ")])
    return not done.code


def own_config(file: Path) -> str:
    """The app's `.bundle/config` without what is ours to say; build options of gems stay."""
    if not file.is_file():
        return "---\n"
    lines = file.read_text(errors="replace").splitlines()
    return "".join(f"{line}\n" for line in lines if line.split(":")[0].strip() not in MANAGED)


def _trim(gems: Path) -> None:
    """Drop what is not needed to run: archives of gems, and logs and objects of compilers, which differ every time."""
    shutil.rmtree(gems / "cache", ignore_errors=True)
    for pattern in (
        "gems/*/ext/**/*.o",
        "gems/*/ext/**/Makefile",
        "gems/*/ext/**/mkmf.log",
        "extensions/**/mkmf.log",
    ):
        for file in gems.glob(pattern):
            file.unlink()
    for file in gems.glob("extensions/**/gem_make.out"):
        file.unlink()


def _words(gemspec: str, field: str) -> Iterator[str]:
    # RubyGems writes specifications in one way only: s.licenses = ["MIT".freeze]
    if line := re.search(rf"^\s*s\.{field} = (.*)$", gemspec, re.MULTILINE):
        yield from re.findall(r'"((?:[^"\\]|\\.)*)"', line[1])


def _explained(exc: command.ToolFailed) -> Exception:
    steps = [
        "Read what Bundler says above; `bundle install` on your machine, with BUNDLE_FROZEN=true, should show the same."
    ]
    if re.search(
        r"your local platform is|for any resolution platforms|on the current platform",
        exc.output,
        re.IGNORECASE,
    ):
        steps.insert(
            0,
            "Run `bundle lock --add-platform x86_64-linux --add-platform aarch64-linux` and commit Gemfile.lock.",
        )
    elif re.search(
        r"Could not (fetch specs|reach host|find .* in (cached|locally))|Network error|timed? ?out",
        exc.output,
    ):
        steps.insert(0, "Check that the build can reach the gems' source, through a proxy if it needs one.")
        steps.insert(1, "Or bring the gems along: `bundle cache --all-platforms`, and commit vendor/cache.")
    elif "Failed to build gem native extension" in exc.output:
        steps.insert(
            0, "Look for the library that is missing, and add the package with its headers by an Aptfile."
        )
    elif re.search(r"deployment mode|frozen", exc.output):
        steps.insert(0, "Gemfile and Gemfile.lock do not fit together: run `bundle install` and commit both.")
    return command.explained(
        command.ToolFailed(str(exc), output=""), "Bundler could not install the gems", steps=tuple(steps)
    )
