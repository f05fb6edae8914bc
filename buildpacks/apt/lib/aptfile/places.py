"""Where programs look for their own files, and the variable that leads them to a layer instead of `/usr`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.libcnb.layers import write_file

if TYPE_CHECKING:
    from pybuild.libcnb.layers import Layer

# The variable, and patterns of folders or files; of the first that is there the newest counts.
_SINGLE = (
    ("MAGICK_CODER_MODULE_PATH", "usr/lib/*/ImageMagick-*/modules-*/coders"),
    ("MAGICK_CODER_FILTER_PATH", "usr/lib/*/ImageMagick-*/modules-*/filters"),
    ("MAGICK_CONFIGURE_PATH", "etc/ImageMagick-*"),
    ("TESSDATA_PREFIX", "usr/share/tesseract-ocr/*/tessdata"),
    ("GIT_EXEC_PATH", "usr/lib/git-core"),
    ("GIT_TEMPLATE_DIR", "usr/share/git-core/templates"),
    ("MAGIC", "usr/lib/file/magic.mgc"),
    ("GST_PLUGIN_SYSTEM_PATH", "usr/lib/*/gstreamer-1.0"),
)
# Search paths that go in front of what is there.
_SEARCHED = (
    (
        "PERL5LIB",
        ("usr/share/perl5", "usr/lib/*/perl5/5.*", "usr/share/perl/5.*", "usr/lib/*/perl/5.*"),
    ),
    ("GS_LIB", ("usr/share/ghostscript/*/Resource/Init", "usr/share/ghostscript/*/lib")),
)
_FONTS = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">{root}/etc/fonts/fonts.conf</include>
  <dir>{root}/usr/share/fonts</dir>
  <cachedir>/tmp/fontconfig</cachedir>
</fontconfig>
"""


def lead_to(layer: Layer) -> None:
    """Write the variables for what this layer has."""
    root = layer.path
    for variable, pattern in _SINGLE:
        if found := sorted(root.glob(pattern)):
            layer.env(variable, str(found[-1]))
    for variable, patterns in _SEARCHED:
        if folders := [folder for pattern in patterns for folder in sorted(root.glob(pattern))]:
            layer.search_path(variable, *folders)
    if (root / "etc/fonts/fonts.conf").is_file():
        file = root / "etc/fonts/pybuild.conf"
        write_file(file, _FONTS.format(root=root))
        layer.env("FONTCONFIG_FILE", str(file))
