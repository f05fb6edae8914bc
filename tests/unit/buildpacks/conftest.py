"""The buildpacks' own packages can be imported as they are in a packaged buildpack: from each one's lib/."""

from __future__ import annotations

import sys
from pathlib import Path

BUILDPACKS = Path(__file__).parents[3] / "buildpacks"

sys.path += [str(BUILDPACKS / name / "lib") for name in ("nginx", "php", "procfile", "python", "static")]
