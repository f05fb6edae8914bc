"""Where the app's web files are: the folder nginx serves, and the script that answers for everything else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from php import errors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# public: Laravel, Symfony; web: Drupal, Yii; htdocs, www: by habit; webroot: CakePHP; pub: Magento.
CANDIDATES = ("public", "web", "htdocs", "www", "webroot", "pub")
FRONT_CONTROLLER = "index.php"


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRoot:
    """`folder`: relative to the app, empty for the app itself. `front_controller`: empty for none. `why`: for logs."""

    folder: str
    front_controller: str
    why: str

    def below(self, app: Path) -> Path:
        """The folder as a path."""
        return app / self.folder if self.folder else app


def find(app: Path, settings: Mapping[str, str]) -> DocumentRoot | None:
    """The document root as set, else the first known folder with an index.php, else the app; None without web files."""
    asked = settings.get("BP_PHP_WEB_DIR", "").strip()
    if asked:
        folder, why = _asked(app, asked), "BP_PHP_WEB_DIR"
    else:
        found = next((name for name in CANDIDATES if (app / name / FRONT_CONTROLLER).is_file()), None)
        if found is None and not _has_web_files(app):
            return None
        folder, why = (
            found or "",
            "has index.php" if found or (app / FRONT_CONTROLLER).is_file() else "has web files",
        )
    return DocumentRoot(folder=folder, front_controller=_front(app / folder, settings), why=why)


def _asked(app: Path, asked: str) -> str:
    path = (app / asked).resolve()
    if not path.is_relative_to(app.resolve()) or not path.is_dir():
        raise errors.no_such_document_root(asked)
    relative = str(path.relative_to(app.resolve()))
    return "" if relative == "." else relative


def _front(folder: Path, settings: Mapping[str, str]) -> str:
    asked = settings.get("BP_PHP_FRONT_CONTROLLER")
    if asked is None:
        return FRONT_CONTROLLER if (folder / FRONT_CONTROLLER).is_file() else ""
    name = asked.strip().lstrip("/")
    if name and not (folder / name).is_file():
        raise errors.no_such_front_controller(name)
    return name


def _has_web_files(app: Path) -> bool:
    return any(app.glob("*.php")) or (app / "index.html").is_file()
