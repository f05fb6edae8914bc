"""The buildpacks' own packages can be imported as they are in a packaged buildpack: from each one's lib/."""

from __future__ import annotations

import sys
from pathlib import Path

BUILDPACKS = Path(__file__).parents[3] / "buildpacks"

sys.path += sorted(map(str, BUILDPACKS.glob("*/lib")))
