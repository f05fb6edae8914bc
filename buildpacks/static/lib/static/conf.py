"""nginx's configuration for a site: what the settings, `_headers`, `_redirects` and the files say, filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from static.text import key, literal, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from static.files import File
    from static.headers import Rule as Header
    from static.redirects import Rule as Redirect
    from static.settings import Settings

IMMUTABLE = "public, max-age=31536000, immutable"
# Kept, and asked for again each time, which the mark answers in a few bytes.
CHECKED = "no-cache"
ERRORS = (403, 404, 410, 500)
SNIFF = "X-Content-Type-Options"

# With the app itself as root, what is there for people and tools is not for visitors.
_PRIVATE = (
    r"/(?:[^/]+\.(?:lock|toml|ya?ml|neon|ini|dist|sql|bak|log|sh|tmpl)|(?:package(?:-lock)?|composer)\.json|"
    r"Staticfile(?:\.auth)?|Procfile|Makefile|Dockerfile)$"
)
# What the single page does not answer for: a script or picture that is missing must not come as HTML.
_ASSET = r"[.](?:m?js|css|map|json|xml|txt|wasm|woff2?|ttf|otf|eot|svg|png|jpe?g|webp|avif|gif|ico|mp[34]|webm|pdf|zip)$"


def render(
    template: str,
    settings: Settings,
    *,
    at_app: bool,
    files: Sequence[File],
    headers: Sequence[Header],
    redirects: Sequence[Redirect],
    pages: Mapping[int, str],
) -> str:
    """The configuration with what the build knows; the rest is filled in at every start. `at_app`: the app is the root.

    All addresses are those of visitors, the settings' `location` in front.
    """
    words = {
        "location": literal(settings.location),
        "maps": _maps(files, headers),
        "headers": _headers(headers, pages),
        "first": _first(settings, redirects),
        "locations": _locations(settings, headers, at_app=at_app),
        "files": "$uri $uri.html ${uri}index.html" + (" $uri/" if settings.listing else ""),
        "otherwise": _otherwise(settings, redirects),
    }
    for word, value in words.items():
        template = template.replace(f"{{{{{word}}}}}", value)
    return template


def _maps(files: Sequence[File], headers: Sequence[Header]) -> str:
    marks = {
        address.lower(): (f'W/"{file.mark}"', file.immutable) for file in files for address in file.addresses
    }
    # nginx does not tell capitals from small letters here; two files that differ in nothing else get no mark.
    names = [address.lower() for file in files for address in file.addresses]
    twice = {name for name, count in _counts(names).items() if count > 1}
    lines = [(name, *value) for name, value in sorted(marks.items()) if name not in twice]
    asked = [(rule.regex(), rule.value) for rule in headers if rule.name.lower() == "cache-control"]
    return "\n".join(
        [
            _map("$uri", "$mark", [(key(name), quoted(mark)) for name, mark, _ in lines]),
            _map(
                "$uri",
                "$usual",
                [(key(name), quoted(IMMUTABLE)) for name, _, fixed in lines if fixed],
                CHECKED,
            ),
            _map("$path", "$caching", [_matching(*rule) for rule in reversed(asked)], "$usual"),
            # Weak marks, since what is sent may be compressed. An error page is never what the visitor has.
            _map(
                '"$missing|$http_if_none_match|$mark"', "$fresh", [(r'"~^\|.*(W/\"[0-9a-f]+\").*\|\1$"', "1")]
            ),
            *(
                _map("$path", f"$header_{place}", [_matching(rule.regex(), rule.value)])
                for place, rule in enumerate(headers)
                if not _is_special(rule)
            ),
        ]
    )


def _map(source: str, variable: str, lines: Iterable[tuple[str, str]], otherwise: str = "") -> str:
    # The address changes while nginx looks for its file, so nothing is remembered.
    body = "".join(f"        {name} {value};\n" for name, value in lines)
    default = otherwise if otherwise.startswith("$") else quoted(otherwise)
    return f"    map {source} {variable} {{\n        volatile;\n        default {default};\n{body}    }}"


def _matching(regex: str, value: str) -> tuple[str, str]:
    return f'"~{regex}"', quoted(value)


def _headers(headers: Sequence[Header], pages: Mapping[int, str]) -> str:
    lines = [
        f"add_header {rule.name} $header_{place} always;"
        for place, rule in enumerate(headers)
        if not _is_special(rule)
    ]
    if SNIFF.lower() not in {rule.name.lower() for rule in headers}:
        lines.append(f"add_header {SNIFF} nosniff always;")
    lines += [f"error_page {status} {address};" for status, address in sorted(pages.items())]
    return _indented(lines, 8)


def _first(settings: Settings, redirects: Sequence[Redirect]) -> str:
    lines = [rule.directive() for rule in redirects if rule.force]
    if settings.force_https:
        lines.insert(0, 'if ($http_x_forwarded_proto = "http") { return 301 "https://$host$request_uri"; }')
    return _indented(lines, 8)


def _locations(settings: Settings, headers: Sequence[Header], *, at_app: bool) -> str:
    location = settings.location
    lines = [f'location ~* "^{literal(location)}{_PRIVATE}" {{ return 404; }}'] if at_app else []
    if location:
        lines.append(f"location = / {{ return 302 {location}/; }}")
    if settings.env_js:
        # Its words are filled in at every start.
        lines.append(
            f'location = {location}/env.js {{ types {{ }} default_type text/javascript; alias "{{{{run}}}}/env.js"; }}'
        )
    lines += [
        f'location ~ "{rule.regex()}" {{ types {{ }} default_type {quoted(rule.value)}; try_files $uri @otherwise; }}'
        for rule in headers
        if rule.name.lower() == "content-type"
    ]
    return _indented(lines, 8)


def _otherwise(settings: Settings, redirects: Sequence[Redirect]) -> str:
    lines = [rule.directive() for rule in redirects if not rule.force]
    if settings.single_page:
        lines.append(f'if ($uri !~* "{_ASSET}") {{ rewrite ^ {settings.location}/index.html last; }}')
    return _indented(lines, 12)


def _is_special(rule: Header) -> bool:
    return rule.name.lower() in ("cache-control", "content-type")


def _indented(lines: Iterable[str], spaces: int) -> str:
    return "\n".join(f"{' ' * spaces}{line}" for line in lines)


def _counts(names: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in names:
        found[name] = found.get(name, 0) + 1
    return found
