"""What a file is for, told by its path alone: what an app runs on, and what it could mostly do without (pure)."""

from __future__ import annotations

import re

SPARE = ("documentation", "translations", "tests", "for compiling", "source maps", "caches", "history")
"""Classes that an image seldom needs."""

# The first that fits counts: a program's path says more than its ending does.
_RULES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        ("history", r"(^|/)\.(git|hg|svn)/"),
        ("caches", r"(^|/)(var/cache|var/lib/apt/lists|__pycache__/\.cache|\.cache|\.npm/_cacache)/"),
        ("documentation", r"(^|/)usr/(local/)?share/(doc|man|info|doc-base|lintian|gtk-doc|help)/"),
        ("translations", r"(^|/)usr/(local/)?share/(locale|i18n)/|\.(mo|po|pot)$"),
        ("for compiling", r"(^|/)(usr/(local/)?include|pkgconfig)/|\.(a|la|h|hh|hpp|o|pc)$"),
        ("source maps", r"\.(js|css|mjs|cjs)\.map$"),
        ("tests", r"(^|/)(tests?|__tests__|specs?|testing|fixtures)/"),
        ("libraries", r"\.(so(\.[0-9.]+)?|dll|dylib|node|pyd)$"),
        ("programs", r"(^|/)s?bin/[^/]+$"),
        ("compiled code", r"\.(pyc|class|jar|war|wasm|elc|beam|phar)$"),
        (
            "source code",
            r"\.(py|php|rb|js|mjs|cjs|ts|tsx|jsx|go|java|kt|scala|rs|c|cc|cpp|cs|pl|pm|sh|lua|ex|exs|erl|inc|phtml|vue|twig)$",
        ),
        (
            "documentation",
            r"\.(md|rst|adoc|txt|chm)(\.gz)?$|(^|/)(licen[sc]e|copying|changelog|readme|authors)[^/]*$",
        ),
        ("web pages and styles", r"\.(html?|css|scss|sass|less|xhtml)$"),
        (
            "pictures, fonts, media",
            r"\.(png|jpe?g|gif|webp|svg|ico|avif|woff2?|ttf|otf|eot|mp[34]|webm|ogg|pdf)$",
        ),
        ("archives", r"\.(zip|tar|t?gz|t?bz2|t?xz|zst|whl|gem|deb)$"),
        (
            "data and settings",
            r"\.(json5?|ya?ml|toml|xml|ini|conf|cnf|csv|tsv|lock|properties|sqlite3?|db|dat|bin|mgc|sql|cfg|proto)$",
        ),
    )
)
OTHER = "other"


def file_class(path: str) -> str:
    """The class of a file by its path in the image, without a leading slash."""
    return next((name for name, pattern in _RULES if pattern.search(path)), OTHER)
