"""`build --report` and `compare --html`: the pages of real builds, in a real browser, on a phone and a desk, light and dark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.browser import Browser
    from support.cli import Lab

pytestmark = pytest.mark.docker

SAYS = "<script>document.title=1</script>"
BUILD = f"""\
mkdir -p "$1/dep"
echo '{{"components": [{{"name": "left-pad", "version": "1", "purl": "pkg:npm/left-pad@1"}}]}}' > "$1/dep.sbom.cdx.json"
cp "$PWD/file.txt" "$1/dep/{"long-" * 30}name"
printf '[types]\\nlaunch = true\\n' > "$1/dep.toml"
cat > "$1/launch.toml" <<'TOML'
[[processes]]
type = "web"
command = ["echo", "{SAYS}", "{"word" * 60}"]
default = true
TOML"""


def check(browser: Browser, page: Path, said: list[str]) -> None:
    """It fits, it can be read, it is dark where that is wished for, it asks for nothing, and it shows these words."""
    browser.asked.clear()
    for width in (390, 1280):
        backgrounds = {}
        for scheme in ("light", "dark"):
            picture = page.with_name(f"{page.stem}-{scheme}-{width}.png")
            found = browser.look(page, width=width, scheme=scheme, picture=picture)
            assert found["width"] <= width, f"{picture}: {found['width']} pixels wide"
            assert found["contrast"] >= 4.5, picture  # WCAG 2.2, 1.4.3
            assert [word for word in said if word not in found["text"]] == []
            backgrounds[scheme] = found["background"]
        assert backgrounds["dark"] < 0.05 < 0.8 < backgrounds["light"]
    assert {url for url in browser.asked if url != "about:blank"} == {page.as_uri()}


def test_a_build_and_a_comparison_are_pages_to_hand_on(lab: Lab, browser: Browser, tmp_path: Path) -> None:
    buildpack = lab.buildpack(build=BUILD)
    descriptor = Path(buildpack, "buildpack.toml")
    formats = '[buildpack]\nsbom-formats = ["application/vnd.cyclonedx+json"]\n'
    descriptor.write_text(descriptor.read_text().replace("[buildpack]\n", formats))
    report, differences = tmp_path / "report.html", tmp_path / "differences.html"

    built = lab.build("--buildpack", buildpack, "--report", str(report), name="one")
    (lab.app / "file.txt").write_text("another\n")
    assert lab.build("--buildpack", buildpack, name="two").code == 0
    words = ("compare", lab.name("one"), lab.name("two"), "--all-layers", "--html", str(differences))
    compared = lab.run(*words)

    assert built.code == 0, built.text()
    check(
        browser,
        report,
        [f"{lab.name('one')}:latest", "– acme/bp@1", SAYS, "exporting", "added", "docker run", "1 npm"],
    )
    assert compared.code == 1, compared.text()
    check(
        browser,
        differences,
        ["They differ: ", "acme/bp:dep", "~ changed", "/workspace/file.txt", lab.name("two")],
    )


@pytest.mark.parametrize("words", [("build", "acme/app", "--report"), ("compare", "a", "b", "--html")])
def test_a_page_that_cannot_be_written_is_told_before_anything_is_done(
    words_lab: Lab, words: tuple[str, ...]
) -> None:
    missing = words_lab.run(*words, "nowhere/page.html")

    missing.failed(3, words[-1], "nowhere/page.html", "is not the name of a file in a folder")
