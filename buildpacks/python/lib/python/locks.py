"""Lock files of Poetry, PDM and Pipenv as requirements with hashes, which uv installs without resolving anything.

Formats: Poetry's lock-version 1.0 to 2.1, PDM's 4.4 to 4.5, Pipenv's Pipfile.lock 6. What they leave out for a platform,
they leave out by an environment marker (PEP 508), which is passed on; only who needs whom is worked out here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from python import errors
from python.project import normal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from python.project import Manifest

# More ways to a package than these are not told apart: it is then wanted whatever the platform.
MOST_WAYS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """`lines`: requirements, pinned, with hashes where there are any. `local`: folders of the app to install from.

    `indexes`: more places where packages may be.
    """

    lines: tuple[str, ...]
    local: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()


def pipenv(lock: Mapping[str, Any], *, dev: bool) -> Lock:
    """Pipfile.lock. Raises a `Problem`."""
    lines, local = [], []
    for section in ("default", *(("develop",) if dev else ())):
        for name, entry in sorted(_map(lock, section).items()):
            if not isinstance(entry, dict):
                raise errors.bad_lock("Pipfile.lock", f"{section}.{name} is no table")
            if path := entry.get("path") or entry.get("file"):
                local.append(str(path))
                continue
            source = f"git+{entry['git']}@{entry.get('ref', 'HEAD')}" if entry.get("git") else ""
            lines.append(
                _line(
                    name,
                    str(entry.get("version", "")).removeprefix("=="),
                    extras=_texts(entry, "extras"),
                    source=source,
                    markers=str(entry.get("markers", "")),
                    hashes=_texts(entry, "hashes"),
                )
            )
    sources = _tables(_map(lock, "_meta").get("sources"))
    return Lock(
        lines=tuple(dict.fromkeys(lines)), local=tuple(dict.fromkeys(local)), indexes=_other_indexes(sources)
    )


def pdm(lock: Mapping[str, Any], *, dev: bool) -> Lock:
    """pdm.lock. Raises a `Problem`."""
    lines, local = [], []
    groups = {"default"} | ({*_texts(_map(lock, "metadata"), "groups")} if dev else set())
    for package in _tables(lock.get("package")):
        if "groups" not in package:
            raise errors.old_pdm_lock()
        if not groups & {*_texts(package, "groups")}:
            continue
        if path := package.get("path"):
            local.append(str(path))
            continue
        lines.append(
            _line(
                str(package.get("name", "")),
                str(package.get("version", "")),
                source=_git(package) or str(package.get("url", "")),
                markers=str(package.get("marker", "")),
                extras=_texts(package, "extras"),
                hashes=_hashes(package),
            )
        )
    return Lock(lines=tuple(lines), local=tuple(local))


def poetry(lock: Mapping[str, Any], manifest: Manifest, *, dev: bool) -> Lock:
    """poetry.lock, with pyproject.toml for who needs what where the lock does not say. Raises a `Problem`."""
    packages = _tables(lock.get("package"))
    if all("groups" in package for package in packages):
        chosen = [
            (package, _poetry_marker(package, dev=dev))
            for package in packages
            if _in_groups(package, dev=dev)
        ]
    else:
        ways = _reached(packages, _poetry_roots(manifest, dev=dev))
        chosen = [(package, ways[name]) for package in packages if (name := _name(package)) in ways]
    known = {_name(package) for package in packages}
    for name in _poetry_roots(manifest, dev=False):
        if name not in known:
            raise errors.lock_outdated("poetry.lock", name, "poetry lock")
    lines, local, indexes = [], [], []
    old_hashes = _map(_map(lock, "metadata"), "files") or _map(_map(lock, "metadata"), "hashes")
    for package, marker in chosen:
        source = _map(package, "source")
        kind = source.get("type", "")
        if kind == "directory":
            local.append(str(source.get("url", "")))
            continue
        if kind == "legacy":
            indexes.append(str(source.get("url", "")))
        lines.append(
            _line(
                str(package.get("name", "")),
                str(package.get("version", "")),
                source=_poetry_source(source),
                markers=marker,
                hashes=_hashes(package) or _hashes({"files": old_hashes.get(str(package.get("name", "")))}),
            )
        )
    return Lock(lines=tuple(lines), local=tuple(local), indexes=tuple(dict.fromkeys(indexes)))


def _in_groups(package: Mapping[str, Any], *, dev: bool) -> bool:
    return not package.get("optional") and (dev or "main" in _texts(package, "groups"))


def _poetry_marker(package: Mapping[str, Any], *, dev: bool) -> str:
    found = package.get("markers", "")
    if not isinstance(found, dict):
        return str(found)
    wanted = [str(text) for group, text in found.items() if dev or group == "main"]
    # A group without a marker wants the package everywhere.
    bare = [group for group in _texts(package, "groups") if (dev or group == "main") and group not in found]
    return "" if bare else _either(frozenset([text]) for text in wanted)


def _poetry_roots(manifest: Manifest, *, dev: bool) -> dict[str, tuple[str, tuple[str, ...]]]:
    """What the project needs itself: normalised name → marker and extras."""
    tables = [_map(manifest.poetry, "dependencies")]
    if dev:
        tables.append(_map(manifest.poetry, "dev-dependencies"))
        tables += [_map(group, "dependencies") for group in _map(manifest.poetry, "group").values()]
    roots: dict[str, tuple[str, tuple[str, ...]]] = {}
    for table in tables:
        for name, wish in table.items():
            if normal(name) == "python" or (isinstance(wish, dict) and wish.get("optional")):
                continue
            markers = str(wish.get("markers", "")) if isinstance(wish, dict) else ""
            extras = _texts(wish, "extras") if isinstance(wish, dict) else ()
            roots[normal(name)] = (markers, extras)
    for text in manifest.dependencies:
        name, extras, markers = split_requirement(text)
        roots.setdefault(normal(name), (markers, extras))
    return roots


def _reached(
    packages: Sequence[Mapping[str, Any]], roots: Mapping[str, tuple[str, tuple[str, ...]]]
) -> dict[str, str]:
    """Name → marker of every package to which a way leads from the roots; markers along a way must all hold."""
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for package in packages:
        by_name.setdefault(_name(package), []).append(package)
    ways: dict[str, set[frozenset[str]]] = {}
    seen: dict[tuple[str, tuple[str, ...]], set[frozenset[str]]] = {}
    waiting = [
        (name, frozenset([marker]) if marker else frozenset[str](), extras)
        for name, (marker, extras) in roots.items()
    ]
    while waiting:
        name, way, extras = waiting.pop()
        known = seen.setdefault((name, extras), set())
        if any(other <= way for other in known):
            continue
        way = way if len(known) < MOST_WAYS else frozenset()
        known.add(way)
        ways.setdefault(name, set()).add(way)
        for package in by_name.get(name, ()):
            waiting += [
                (needed, way | ({marker} if marker else set()), more)
                for needed, marker, more in _needs(package, extras)
            ]
    return {name: _either(found) for name, found in ways.items() if name in by_name}


def _needs(package: Mapping[str, Any], extras: tuple[str, ...]) -> Iterable[tuple[str, str, tuple[str, ...]]]:
    offered = _map(package, "extras")
    by_extra = {normal(split_requirement(text)[0]) for extra in extras for text in _texts(offered, extra)}
    for name, wish in _map(package, "dependencies").items():
        for one in wish if isinstance(wish, list) else [wish]:
            table = one if isinstance(one, dict) else {}
            if table.get("optional") and normal(name) not in by_extra:
                continue
            marker = str(table.get("markers", ""))
            yield normal(name), "" if "extra ==" in marker else marker, _texts(table, "extras")


def split_requirement(text: str) -> tuple[str, tuple[str, ...], str]:
    """A requirement (PEP 508) as name, extras and marker; Poetry writes its version in parentheses."""
    requirement, _, marker = text.partition(";")
    name = requirement.strip()
    for index, char in enumerate(name):
        if not (char.isalnum() or char in "-_."):
            rest = name[index:].strip()
            name = name[:index]
            extras = rest[1:].partition("]")[0].split(",") if rest.startswith("[") else []
            return name, tuple(extra.strip() for extra in extras), marker.strip()
    return name, (), marker.strip()


def _either(ways: Iterable[frozenset[str]]) -> str:
    known = sorted({tuple(sorted(way)) for way in ways})
    if () in known:
        return ""
    texts = [" and ".join(f"({marker})" if len(way) > 1 else marker for marker in way) for way in known]
    return texts[0] if len(texts) == 1 else " or ".join(f"({text})" for text in texts)


def _line(
    name: str,
    version: str,
    *,
    extras: tuple[str, ...] = (),
    source: str = "",
    markers: str = "",
    hashes: tuple[str, ...] = (),
) -> str:
    wish = name + (f"[{','.join(extras)}]" if extras else "")
    wish += f" @ {source}" if source else f"=={version}" if version and version != "*" else ""
    marker = f" ; {markers}" if markers else ""
    return wish + marker + "".join(f" --hash={digest}" for digest in hashes if not source)


def _poetry_source(source: Mapping[str, Any]) -> str:
    url, reference = str(source.get("url", "")), source.get("resolved_reference") or source.get("reference")
    subfolder = f"#subdirectory={source['subdirectory']}" if source.get("subdirectory") else ""
    if source.get("type") == "git":
        return f"git+{url}@{reference}{subfolder}" if reference else f"git+{url}{subfolder}"
    return url if source.get("type") in ("url", "file") else ""


def _git(package: Mapping[str, Any]) -> str:
    if not package.get("git"):
        return ""
    url = str(package["git"])
    return f"{'' if url.startswith('git+') else 'git+'}{url}@{package.get('revision') or package.get('ref') or 'HEAD'}"


def _hashes(package: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(str(file["hash"]) for file in _tables(package.get("files")) if file.get("hash"))
    )


def _other_indexes(sources: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    urls = [str(source.get("url", "")) for source in sources]
    return tuple(url for url in urls if url and url.rstrip("/") != "https://pypi.org/simple")


def _name(package: Mapping[str, Any]) -> str:
    return normal(str(package.get("name", "")))


def _map(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _texts(value: Mapping[str, Any], key: str) -> tuple[str, ...]:
    found = value.get(key)
    return tuple(item for item in found if isinstance(item, str)) if isinstance(found, list) else ()


def _tables(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
