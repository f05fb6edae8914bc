"""A Laravel app for tests: a guestbook with a page, a form, a model, a migration, a queued job and a scheduled command.

The framework is Debian's, from a Composer repository that the test serves; the app is as `laravel new` lays it out.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from support.debian_php import Package, package

if TYPE_CHECKING:
    from support.composer_server import ComposerServer

SKELETON = Path(__file__).parent / "laravel_app"
DEBS = ("php-laravel-framework",)
_WORDS = """<?php

namespace Acme;

class Words
{
    const VERSION = '%s';

    public static function count(string $text): int
    {
        return count(preg_split('/\\s+/u', trim($text)));
    }
}
"""


def words(version: str) -> Package:
    """A library that the app uses."""
    autoload = {"psr-4": {"Acme\\": "src/"}}
    return package("acme/words", version, {"src/Words.php": _WORDS % version}, autoload=autoload)


def write_app(folder: Path, server: ComposerServer) -> None:
    """Write the app into a folder; its packages are those of the server."""
    shutil.copytree(SKELETON, folder)
    manifest = {
        "name": "tests/guestbook",
        "type": "project",
        "repositories": [{"type": "composer", "url": server.url}, {"packagist.org": False}],
        "require": {"php": "^8.1", "acme/words": "^1.0", "laravel/framework": "^8.83"},
        "autoload": {"psr-4": {"App\\": "app/"}},
        "scripts": {
            "post-autoload-dump": [
                "Illuminate\\Foundation\\ComposerScripts::postAutoloadDump",
                "@php artisan package:discover --ansi",
            ]
        },
        "config": {"secure-http": False, "sort-packages": True},
    }
    (folder / "composer.json").write_text(json.dumps(manifest, indent=4))
    (folder / "composer.lock").write_text(server.lock())
