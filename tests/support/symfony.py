"""A Symfony app for tests: the framework and Doctrine's DBAL from Debian's packages, each a Composer package of the app.

Packagist is not needed: what Debian ships are the same sources, unpacked at test time and required by a `path` repository.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.debian_php import fetch

if TYPE_CHECKING:
    import docker

SKELETON = Path(__file__).parent / "symfony_app"
VERSION = "5.4.0"
"""What the packages say of themselves; the kernel knows the true one."""

_COMPONENTS = (
    *("Cache", "Config", "Console", "DependencyInjection", "ErrorHandler", "EventDispatcher", "Filesystem"),
    *("Finder", "HttpFoundation", "HttpKernel", "Messenger", "Routing", "String", "VarDumper", "VarExporter"),
)


def _dashed(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


# Composer's name → the folder below /usr/share/php, and the namespace that it holds.
PACKAGES = {
    "symfony/framework-bundle": ("Symfony/Bundle/FrameworkBundle", "Symfony\\Bundle\\FrameworkBundle\\"),
    "symfony/contracts": ("Symfony/Contracts", "Symfony\\Contracts\\"),
    **{
        f"symfony/{_dashed(name)}": (f"Symfony/Component/{name}", f"Symfony\\Component\\{name}\\")
        for name in _COMPONENTS
    },
    "psr/all": ("Psr", "Psr\\"),
    "doctrine/dbal": ("Doctrine/DBAL", "Doctrine\\DBAL\\"),
    "doctrine/common": ("Doctrine/Common", "Doctrine\\Common\\"),
    "doctrine/persistence": ("Doctrine/Persistence", "Doctrine\\Persistence\\"),
    "doctrine/deprecations": ("Doctrine/Deprecations", "Doctrine\\Deprecations\\"),
}
_FUNCTIONS = {
    "symfony/contracts": ["Deprecation/function.php"],
    "symfony/string": ["Resources/functions.php"],
}

_FETCH = r"""set -e
cd /tmp
apt-get -qq update
apt-get -qq install --download-only -y --no-install-recommends \
    php-symfony-framework-bundle php-symfony-console php-symfony-messenger php-doctrine-dbal php-doctrine-persistence
mkdir /found
for file in /var/cache/apt/archives/php-symfony-*.deb /var/cache/apt/archives/php-psr-*.deb /var/cache/apt/archives/php-doctrine-*.deb; do
    dpkg-deb -x "$file" /found
done
"""


def write_app(folder: Path, client: docker.APIClient) -> None:
    """Write the app with its packages into a folder. Needs the default builder's build image and Debian's archive."""
    shutil.copytree(SKELETON, folder)
    with tempfile.TemporaryDirectory(prefix="symfony-") as scratch:
        found = fetch(client, _FETCH, (), Path(scratch), found="/found/usr/share/php")
        locked = [_package(folder, found, name) for name in PACKAGES]
    manifest = {
        "name": "tests/notes",
        "repositories": [{"type": "path", "url": "packages/*/*"}, {"packagist.org": False}],
        "require": {"ext-pdo_pgsql": "*", **dict.fromkeys(PACKAGES, VERSION)},
        "autoload": {"psr-4": {"App\\": "src/"}},
    }
    lock = {"content-hash": "of the tests", "packages": locked, "packages-dev": []}
    (folder / "composer.json").write_text(json.dumps(manifest))
    (folder / "composer.lock").write_text(json.dumps(lock))


def _package(app: Path, found: Path, name: str) -> dict[str, Any]:
    """Put one package into the app; its entry of composer.lock."""
    folder, namespace = PACKAGES[name]
    target = app / "packages" / name
    shutil.copytree(found / folder, target)
    about = {
        "name": name,
        "version": VERSION,
        "type": "library",
        "autoload": {"psr-4": {namespace: ""}, "files": _FUNCTIONS.get(name, [])},
    }
    (target / "composer.json").write_text(json.dumps(about))
    return {
        **about,
        "dist": {"type": "path", "url": f"packages/{name}", "reference": "1"},
        "transport-options": {"relative": True},
    }
