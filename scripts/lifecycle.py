"""Writes the lifecycle that platforms install: `dist/pybuild-lifecycle.pyz`, one file for all phases, and the
archive `dist/pybuild-lifecycle.tgz`, which `[lifecycle] uri` of a builder.toml takes.
"""

from __future__ import annotations

from pathlib import Path

from pybuild.platform.builders.lifecycle_program import archive, program

ROOT = Path(__file__).parents[1]


def write(folder: Path) -> tuple[Path, Path]:
    """Both files, in `folder`; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    file = program()
    zipapp, tgz = folder / "pybuild-lifecycle.pyz", folder / "pybuild-lifecycle.tgz"
    zipapp.write_bytes(file)
    zipapp.chmod(0o755)
    tgz.write_bytes(archive(file))
    return zipapp, tgz


if __name__ == "__main__":
    for made in write(ROOT / "dist"):
        print(f"{made.relative_to(ROOT)}  {made.stat().st_size / 1e6:.1f} MB")
