"""Where the files to serve are: the folder that is asked for, or the first known one with an index.html."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from static import errors

if TYPE_CHECKING:
    from pathlib import Path

    from static.settings import Settings

# public: Hugo, GitLab; dist: Vite, Angular; build: CRA, Docusaurus; out: Next.js; _site: Jekyll, Eleventy; site: MkDocs.
CANDIDATES = ("public", "dist", "build", "out", "_site", "site", "www", "htdocs")
INDEX = "index.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """`folder`: relative to the app, empty for the app itself. `why`: for logs."""

    app: Path
    folder: str
    why: str

    @property
    def root(self) -> Path:
        """The folder as a path."""
        return self.app / self.folder if self.folder else self.app

    def has(self, address: str) -> bool:
        """Whether an address such as `/404.html` is a file of the site."""
        path = self.root / address.lstrip("/")
        return path.is_file() and path.resolve().is_relative_to(self.app.resolve())


def find(app: Path, settings: Settings) -> Site:
    """The site as the settings say, else as its files do. Raises a `Problem`."""
    if settings.root:
        folder = inside(app, settings.root)
        if folder is None:
            raise errors.no_such_root(settings.root, settings.root_from)
        return Site(app=app, folder=folder, why=settings.root_from)
    found = guess(app)
    if found is None:
        raise errors.no_site(CANDIDATES)
    return Site(app=app, folder=found, why=f"has {INDEX}")


def guess(app: Path) -> str | None:
    """The first known folder with an index.html, empty for the app itself; None when there is none."""
    return next((name for name in (*CANDIDATES, "") if (app / name / INDEX).is_file()), None)


def inside(app: Path, asked: str) -> str | None:
    """A folder of the app relative to it, empty for the app itself; None for anything else."""
    path = (app / asked.lstrip("/")).resolve()
    if not path.is_relative_to(app.resolve()) or not path.is_dir():
        return None
    relative = str(path.relative_to(app.resolve()))
    return "" if relative == "." else relative
