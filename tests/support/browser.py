"""Headless Chromium, spoken to over its DevTools pipe: how a page looks at a width, in light or dark, and what it asks for."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Run as the debugger's, so the page's own policy does not forbid it. Of each text the contrast with the page behind it.
_LOOK = """(() => {
  const rgb = word => word.match(/[0-9.]+/g).map(Number);
  const light = word => { const [r, g, b] = rgb(word).map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = at => { for (; at; at = at.parentElement) { const found = getComputedStyle(at).backgroundColor;
    if (rgb(found)[3] !== 0) return found; } return 'rgb(255, 255, 255)'; };
  const texts = [...document.querySelectorAll('body *')].filter(at => [...at.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
  const contrast = texts.map(at => { const [a, b] = [light(getComputedStyle(at).color), light(behind(at))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05); });
  return { width: document.documentElement.scrollWidth, background: light(behind(document.body)), contrast: Math.min(...contrast),
    text: document.body.innerText };
})()"""


class Browser:
    """One Chromium with one page."""

    def __init__(self, folder: Path) -> None:
        ours, theirs = os.pipe(), os.pipe()
        self._process = subprocess.Popen(
            [
                # It reads commands from 3 and writes to 4, whatever numbers the pipes have here.
                *("bash", "-c", f'exec 3<&{ours[0]} 4>&{theirs[1]} && exec "$@"', "bash"),
                *("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
                *("--remote-debugging-pipe", f"--user-data-dir={folder}/browser", "about:blank"),
            ],
            pass_fds=(ours[0], theirs[1]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(ours[0])
        os.close(theirs[1])
        self._to, self._from = os.fdopen(ours[1], "wb", 0), os.fdopen(theirs[0], "rb")
        self._number = 0
        self.asked: list[str] = []
        """Every address that the page asked for."""
        self._session = ""

    def open(self) -> None:
        """Have its page at hand."""
        (target,) = [
            each["targetId"]
            for each in self._call("Target.getTargets")["targetInfos"]
            if each["type"] == "page"
        ]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._call("Network.enable")
        self._call("Page.enable")

    def look(self, page: Path, *, width: int, scheme: str, picture: Path) -> dict[str, Any]:
        """Open a page: its `width` with all that sticks out, `background` and least `contrast`, and the `text` that shows."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._call("Emulation.setEmulatedMedia", features=features)
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
        )
        self._call("Page.navigate", url=page.as_uri())
        self._await("Page.loadEventFired")
        found = self._call("Runtime.evaluate", expression=_LOOK, returnByValue=True)["result"]["value"]
        shot = self._call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        picture.write_bytes(base64.b64decode(shot))
        assert isinstance(found, dict)
        return found

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self._to.close()
        self._from.close()

    def _call(self, method: str, **words: Any) -> dict[str, Any]:
        self._number += 1
        session = {"sessionId": self._session} if self._session else {}
        message = {"id": self._number, "method": method, "params": words, **session}
        self._to.write(json.dumps(message).encode() + b"\0")
        while True:
            said = self._next()
            if said.get("id") == self._number:
                assert "error" not in said, said
                result: dict[str, Any] = said["result"]
                return result

    def _await(self, event: str) -> None:
        while self._next().get("method") != event:
            pass

    def _next(self) -> dict[str, Any]:
        text = b""
        while not text.endswith(b"\0"):
            piece = self._from.read(1)
            assert piece, "Chromium has ended"
            text += piece
        said: dict[str, Any] = json.loads(text[:-1])
        if said.get("method") == "Network.requestWillBeSent":
            self.asked.append(said["params"]["request"]["url"])
        return said


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """A browser of the test's own; skipped with its reason where there is none."""
    if shutil.which("chromium") is None:
        pytest.skip("no chromium here (apt-get install chromium)")
    made = Browser(tmp_path)
    try:
        made.open()
        yield made
    finally:
        made.close()
