import sys
from pathlib import Path

root = Path(__file__).resolve().parent.parent
# A packaged buildpack carries pybuild in lib/; in the repository it stands in src/.
sys.path[:0] = [
    str(root / "lib"),
    *([] if (root / "lib/pybuild").is_dir() else [str(root.parents[1] / "src")]),
]

from aptfile.detect import detect  # noqa: E402
from pybuild.libcnb import main  # noqa: E402

main.detect(detect)
