"""What a slow tool answered last time, kept in a cache layer for as long as everything it looks at stays the same."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

MAX_BYTES = 16 << 20


class Answers:
    """Answers by question. Only those asked for since it was opened are kept by `save`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._old = _read(file)
        self._used: dict[str, str] = {}

    def get(self, question: Iterable[bytes], ask: Callable[[], str]) -> str:
        """The remembered answer to `question`, which must hold all that matters, else what `ask` returns."""
        key = _digest(question)
        answer = self._old.get(key)
        if answer is None:
            answer = ask()
        self._used[key] = answer
        return answer

    def save(self) -> None:
        """Write what was asked for, unless the file says so already."""
        if self._used != self._old:
            self._file.write_text(json.dumps(self._used, sort_keys=True))


def _read(file: Path) -> dict[str, str]:
    if not file.is_file() or file.stat().st_size > MAX_BYTES:
        return {}
    try:
        value = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        return {}
    if not isinstance(value, dict):
        return {}
    return {key: text for key, text in value.items() if isinstance(text, str)}


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
