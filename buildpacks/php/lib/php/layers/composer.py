"""Composer's packages: the tool in a layer, its downloads in a cache, `vendor` in the app and a copy in the cache.

`vendor` stays a real folder of the app: frameworks find the app's root from where it is, so a link into a layer
would lead them astray. A slice makes it a layer of its own in the image.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from php import errors
from pybuild.libcnb import command, debs, output, purl
from pybuild.libcnb.bindings import of_type
from pybuild.libcnb.dpkg import as_installed, upstream
from pybuild.libcnb.layers import Empty, Types
from pybuild.libcnb.sbom import Component

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from php.layers.runtime import Runtime
    from php.project import Project
    from pybuild.libcnb.apt import Apt
    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.layers import Key, Layer

VENDOR = "vendor"


def install(
    context: BuildContext, project: Project, runtime: Runtime, tool: Sequence[str], environ: Mapping[str, str]
) -> bool:
    """Run `composer install`. True when there is a `vendor` folder afterwards. Raises a `Problem`."""
    vendor = context.app / VENDOR
    _remove(vendor)
    cache = None if project.volatile else _cached_vendor(context, project, runtime, vendor)
    words = [
        *tool,
        "install",
        "--no-interaction",
        "--no-progress",
        "--prefer-dist",
        "--optimize-autoloader",
    ]
    words += [] if dev(context) else ["--no-dev"]
    words += context.setting("BP_COMPOSER_INSTALL_OPTIONS").split()
    output.section("Composer packages")
    with tempfile.TemporaryDirectory(prefix="composer-") as home:
        (Path(home) / "config.json").write_text(own_config(project))
        variables = {**environ, **_variables(context, home), **_auth(context)}
        try:
            command.run(words, cwd=context.app, environ=variables)
        except command.ToolFailed as exc:
            raise _explained(exc) from exc
    if not vendor.is_dir():
        return False
    # `vendor` is no layer, so what is in it is told with what else the image has.
    context.sbom("launch", components(vendor / "composer/installed.json"))
    if isinstance(cache, Empty):
        shutil.copytree(vendor, cache.layer.path / VENDOR, symlinks=True)
    return True


def components(installed: Path) -> list[Component]:
    """The packages that Composer says it has installed."""
    if not installed.is_file():
        return []
    packages = json.loads(installed.read_bytes()).get("packages", [])
    return [
        Component(
            name=package["name"],
            version=package["version"].removeprefix("v"),
            purl=purl.composer(package["name"], package["version"].removeprefix("v")),
            licences=tuple(package.get("license", ())),
            description=package.get("description", ""),
            homepage=package.get("homepage", ""),
            where="vendor/composer/installed.json",
        )
        for package in packages
    ]


def own_config(project: Project) -> str:
    """Composer's configuration where the app has none: without this, its autoloader gets another name at every build."""
    digest = hashlib.sha256(project.manifest + (project.lock or b"")).hexdigest()
    return json.dumps({"config": {"autoloader-suffix": digest[:32]}})


def check_lock(project: Project) -> None:
    """Raise a `Problem` when packages are required and nothing says in which versions."""
    if project.lock is None and project.packages:
        raise errors.no_lock(project.packages)


def dev(context: BuildContext) -> bool:
    """Whether packages that are only for tests and development are installed too."""
    return context.exec_env != "production"


def find_tool(context: BuildContext, runtime: Runtime, apt: Apt) -> list[str]:
    """How to start Composer: the app's own composer.phar, else Debian's package in a layer."""
    php = str(runtime.php)
    if (context.app / "composer.phar").is_file():
        output.section("Composer: composer.phar of the app")
        return [php, "-d", "memory_limit=-1", str(context.app / "composer.phar")]
    apt.pretend("".join(as_installed(control) for control in debs.controls(runtime.layer)))
    output.section(f"Composer {upstream(next(iter(apt.versions('composer')), 'unknown'))}")
    made = debs.deb_layer(context, "composer", ("composer",), Types(build=True, cache=True), apt=apt)
    share = made.layer.path / "usr/share/php"
    if made.fresh:
        relocate(share)
    return [
        php,
        "-d",
        "memory_limit=-1",
        "-d",
        f"include_path={share}",
        str(made.layer.path / "usr/bin/composer"),
    ]


def relocate(share: Path) -> None:
    """Lead includes of `/usr/share/php/…`, which newer Debian packages have, to where the packages are unpacked."""
    for file in share.rglob("*.php"):
        text = file.read_bytes()
        moved = re.sub(rb"(['\"])/usr/share/php/", lambda found: found[1] + bytes(share) + b"/", text)
        if moved != text:
            file.write_bytes(moved)


def _cached_vendor(context: BuildContext, project: Project, runtime: Runtime, vendor: Path) -> Empty | Layer:
    key: Key = {
        "buildpack": context.version,
        "php": runtime.series,
        "composer.json": hashlib.sha256(project.manifest).hexdigest(),
        "composer.lock": hashlib.sha256(project.lock or b"").hexdigest(),
        "options": f"{context.setting('BP_COMPOSER_INSTALL_OPTIONS')} dev={dev(context)}".strip(),
    }
    answer = context.layers.cached_layer("vendor", Types(cache=True), key=key)
    if isinstance(answer, Empty):
        return answer
    stored = answer.layer.path / VENDOR
    if stored.is_dir():
        shutil.copytree(stored, vendor, symlinks=True)
    return answer.layer


def _remove(vendor: Path) -> None:
    # A vendor folder that came with the source is a developer's: other PHP, dev packages, perhaps half of it.
    if vendor.is_symlink() or vendor.is_file():
        vendor.unlink()
    elif vendor.is_dir():
        shutil.rmtree(vendor)


def _variables(context: BuildContext, home: str) -> dict[str, str]:
    downloads = context.layers.tool_cache("composer-cache")
    return {
        "COMPOSER_HOME": home,
        "COMPOSER_CACHE_DIR": str(downloads.path),
        "COMPOSER_NO_INTERACTION": "1",
        "COMPOSER_MIRROR_PATH_REPOS": "1",
        "COMPOSER_ALLOW_SUPERUSER": "0",
        "COMPOSER_DISABLE_XDEBUG_WARN": "1",
    }


def _auth(context: BuildContext) -> dict[str, str]:
    if context.setting("COMPOSER_AUTH"):
        return {"COMPOSER_AUTH": context.setting("COMPOSER_AUTH")}
    for binding in of_type(context.bindings, "composer"):
        text = binding.values.get("auth.json", "")
        try:
            json.loads(text)
        except ValueError as exc:
            raise errors.bad_auth(binding.name) from exc
        return {"COMPOSER_AUTH": text}
    return {}


def _explained(exc: command.ToolFailed) -> Exception:
    steps = [
        "Read what Composer says above; `composer install --no-dev` on your machine should show the same."
    ]
    if re.search(r"ext-\w+.*missing|requires ext-", exc.output):
        steps.insert(0, "Add the missing extension to `require` in composer.json, or to BP_PHP_EXTENSIONS.")
    if re.search(r"HTTP (401|403)|required authentication|Could not authenticate", exc.output):
        steps.insert(
            0,
            "Give the build the login: COMPOSER_AUTH as JSON, or a binding of type composer with an auth.json.",
        )
    if re.search(r"curl error|could not be downloaded|Connection|timed? ?out", exc.output, re.IGNORECASE):
        steps.insert(
            0, "Check that the build can reach the package repository, through a proxy if it needs one."
        )
    return command.explained(
        command.ToolFailed(str(exc)), "Composer could not install the packages", steps=tuple(steps)
    )
