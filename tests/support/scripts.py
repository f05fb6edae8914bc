"""The programs of scripts/, as modules."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

SCRIPTS = Path(__file__).parents[2] / "scripts"


def script_of(name: str) -> ModuleType:
    """The module of a script; those that it imports must have been asked for before."""
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Where dataclasses look their module up, and imports of other scripts.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
