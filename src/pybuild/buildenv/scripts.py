"""The POSIX sh texts that a build container is sent, and what comes back from them, as pure functions.

They ask of the builder image: `env`, `cat`, `head`, `tail`, `stat`, `find`, `mkdir` and `rm`.
Names starting with an underscore only: k, w and s belong to the loop that evaluates these texts.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, overload

from pybuild.buildenv.api import Completed, Entry, Listing, Refused
from pybuild.errors import BuildError, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from pybuild.buildenv.api import Command

OUTPUT_LIMIT = 1 << 20
RESULT_LIMIT = 1 << 20
AT_ONCE = 64 << 10
_RECORDS_AT_ONCE = 4096
_END_OF_TREE = bytes(3)
OWN = ("HOME", "LC_ALL", "LD_LIBRARY_PATH", "OLDPWD", "PATH", "PWD", "SHLVL", "_")
"""All that the environment of the container's shell can have: `container_spec` starts it with four, and shells add four."""
# For what shells themselves go by, or make; and what the program `env` would go by, which comes between.
_OF_SHELLS = re.compile(
    r"PATH|IFS|PWD|OLDPWD|SHLVL|_|LANG|LANGUAGE|LC_.*|LD_.*|BASH.*|COMP_.*|E?UID|PPID|GROUPS|SHELLOPTS|S?RANDOM|SECONDS"
    r"|LINENO|FUNCNAME|DIRSTACK|HISTCMD|EPOCH.*|OPTIND|PIPESTATUS|POSIXLY_CORRECT"
)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BLOCK = 512  # what POSIX's ulimit counts in


def encode(text: str) -> bytes:
    """`text` as the bytes it stands for."""
    return text.encode("utf-8", "surrogateescape")


def decode(data: bytes) -> str:
    """The text for a path or link that may be any bytes."""
    return data.decode("utf-8", "surrogateescape")


def quote(text: str) -> str:
    """`text` as one word of sh, whatever it holds but NUL."""
    if "\0" in text:
        raise InvalidInput(f"{text[:80]!r} holds a NUL byte, which no file name, variable or argument can")
    return "'" + text.replace("'", "'\\''") + "'"


def is_for_shells(name: str) -> bool:
    """Whether a shell can give a variable of this name to a program: any other one has to be the program's argument."""
    return _IDENTIFIER.fullmatch(name) is not None and _OF_SHELLS.fullmatch(name) is None


def run(command: Command, *, most: int = 0) -> str:
    """Run one program with nothing but its own environment, its two outputs in one.

    `most`: bytes that a file may get that it writes, its output among them; 0 for no limit.
    """
    if "=" in command.argv[0]:
        raise InvalidInput(
            f"the program {command.argv[0]!r} has an = in its path, which env takes for a variable"
        )
    # What a program is started with, everybody on the machine may read. What it has in its environment, only its user.
    kept = {name: value for name, value in command.environ.items() if is_for_shells(name)}
    exports = "".join(f"export {name}={quote(value)}\n" for name, value in kept.items())
    words = ["exec", "env", *(f"-u {name}" for name in OWN if name not in command.environ)]
    words += [quote(f"{name}={value}") for name, value in command.environ.items() if not is_for_shells(name)]
    words += [quote(word) for word in command.argv]
    # Opened anew, the pipe has its own flags: a program that makes its output non-blocking, as Node.js
    # does, would else do so to everyone who writes to it later.
    limit = f"ulimit -f {-(-most // _BLOCK)} 2>/dev/null || :\n" if most else ""
    return (
        "({ command exec >/proc/self/fd/1; } 2>/dev/null || :\n"
        f"{limit}exec 2>&1\ncd {quote(command.cwd)} || exit 127\n{exports}{' '.join(words)})"
    )


def run_all(commands: Sequence[Command], folder: str, mark: str, *, most: int = 0) -> str:
    """Run the commands side by side, outputs in files of `folder`; then tell all ends, for `read_completed`.

    `most`: see `run`; a program that goes beyond it ends with SIGXFSZ.
    """
    results = [quote(command.result) for command in commands if command.result]
    lines = [f"if mkdir -m 700 {folder}" + "".join(f" && (set -C; umask 077; : >{path})" for path in results)]
    lines.append("then")
    for number, command in enumerate(commands):
        lines += [f"{run(command, most=most)} >{folder}/{number} &", f"_p{number}=$!"]
    lines += [f"wait $_p{number}; _s{number}=$?" for number in range(len(commands))]
    lines.append("kill -9 -1 2>/dev/null")
    for number, command in enumerate(commands):
        output = f"{folder}/{number}"
        lines.append(f"printf %s{mark} $_s{number}")
        lines.append(f"[ ! -s {output} ] || tail -c {OUTPUT_LIMIT} {output}")
        lines.append(f"printf {mark}")
        if command.result:
            path = quote(command.result)
            lines.append(f"if [ -f {path} ] && [ ! -h {path} ]; then printf f")
            lines.append(f"[ ! -s {path} ] || head -c {RESULT_LIMIT + 1} {path}; fi")
        lines.append(f"printf {mark}")
    lines += [f"rm -rf {folder} {' '.join(results)}; :", "else false; fi"]
    return "\n".join(lines)


def read_completed(data: bytes, count: int, mark: str) -> list[Completed]:
    """What the output of `run_all` says of its `count` commands."""
    fields = data.split(mark.encode())
    if len(fields) != 3 * count + 1:
        raise BuildError(f"expected {3 * count + 1} fields from the build container, found {len(fields)}")
    found = []
    for status, output, result in zip(fields[0::3], fields[1::3], fields[2::3], strict=False):
        content = result[1:] if result[:1] == b"f" and len(result) <= RESULT_LIMIT + 1 else None
        with _expecting("how programs ended"):
            found.append(Completed(status=int(status), output=output, result=content))
    return found


@contextmanager
def _expecting(what: str) -> Generator[None, None, None]:
    """Whatever a strange `sh`, `find` or `stat` of a builder says instead is a `BuildError`."""
    try:
        yield
    except (ValueError, LookupError) as exc:
        raise BuildError(
            f"the build container did not tell {what} as it should: {type(exc).__name__}: {str(exc)[:200]}",
            hint="its sh, find and stat are those of the builder: take another builder",
        ) from exc


def list_files(patterns: Sequence[str]) -> str:
    """Tell of every path that a pattern names what it is, and the sizes of those that can be read.

    Their contents follow at once when they are few bytes together: for a second message is a second round trip.
    """
    words = " ".join(glob_word(pattern) for pattern in patterns)
    return f"""(set -- {words}
for _f do
  shift
  if [ -h "$_f" ]; then printf 'l%s\\0' "$_f"
  elif [ -d "$_f" ] || [ ! -e "$_f" ]; then :
  elif [ ! -f "$_f" ]; then printf 'o%s\\0' "$_f"
  elif [ ! -r "$_f" ]; then printf 'x%s\\0' "$_f"
  else printf 'r%s\\0' "$_f"; set -- "$@" "$_f"
  fi
done
printf '\\0'
[ $# != 0 ] || exit 0
_z=$(stat -c %s -- "$@") || exit 1
printf '%s\\0' "$_z"
_t=0
for _n in $_z; do _t=$((_t + _n)); done
[ $_t -gt {AT_ONCE} ] || exec cat -- "$@")"""


_REFUSALS = {b"l": "symlink", b"o": "not a regular file", b"x": "permission denied"}


def read_list(data: bytes, limit: int) -> tuple[dict[str, Refused], dict[str, int], dict[str, bytes]]:
    """What the output of `list_files` says: paths that will not be read, sizes of the others, contents if they came."""
    with _expecting("what its files are"):
        return _read_list(data, limit)


def _read_list(data: bytes, limit: int) -> tuple[dict[str, Refused], dict[str, int], dict[str, bytes]]:
    head, _, tail = (b"\0" + data).partition(b"\0\0")
    stated, _, rest = tail.partition(b"\0")
    sizes = [int(size) for size in stated.split()]
    came = sum(sizes) <= AT_ONCE
    refused, wanted, contents = {}, {}, {}
    at = 0
    for record in filter(None, head.split(b"\0")):
        path = decode(record[1:])
        if record[:1] != b"r":
            refused[path] = Refused(why=_REFUSALS[record[:1]])
            continue
        if not sizes:
            raise BuildError("the build container's list of files is longer than its list of sizes")
        # A path that two patterns name is listed twice, with the same size and content.
        size = sizes.pop(0)
        content, at = rest[at : at + size], at + size
        if size > limit:
            refused[path] = Refused(why="too large")
            continue
        wanted[path] = size
        if came:
            contents[path] = content
    if came and at != len(rest):
        raise BuildError("files in the build container changed while they were read")
    return refused, wanted, contents


def cat(paths: Iterable[str]) -> str:
    """Write the contents of files, one after the other."""
    return f"(exec cat -- {' '.join(quote(path) for path in paths)})"


def cut(data: bytes, sizes: Mapping[str, int]) -> dict[str, bytes]:
    """The output of `cat`, by path."""
    if len(data) != sum(sizes.values()):
        raise BuildError("files in the build container changed while they were read")
    contents = {}
    at = 0
    for path, size in sizes.items():
        contents[path] = data[at : at + size]
        at += size
    return contents


def glob_word(pattern: str) -> str:
    """A glob pattern as one word of sh, in which only `*`, `?` and `[…]` are special."""
    if "\0" in pattern:
        raise InvalidInput(f"the pattern {pattern[:80]!r} holds a NUL byte")
    word = []
    at = 0
    while at < len(pattern):
        letter = pattern[at]
        end = pattern.find("]", at + 3 if pattern[at + 1 : at + 2] in ("!", "^") else at + 2)
        if letter in "*?":
            word.append(letter)
        elif letter == "[" and end > 0:
            word.append(_bracket(pattern[at + 1 : end]))
            at = end
        else:
            word.append(quote(letter))
        at += 1
    return "".join(word).replace("''", "")


def _bracket(inner: str) -> str:
    negated = inner[:1] in ("!", "^")
    members = inner[1:] if negated else inner
    quoted = "".join(letter if letter.isalnum() or letter == "-" else quote(letter) for letter in members)
    return f"[{'!' if negated else ''}{quoted}]"


def scan(roots: Sequence[str]) -> str:
    """List every tree: for each path it, what it is and what it points to; three empty fields after each tree. Needs GNU find."""
    lines = ["(_r=0"]
    for root in roots:
        path = quote(root)
        lines.append(
            f"if [ -e {path} ] || [ -h {path} ]; then find {path}"
            " -printf '%p\\0%y %m %U %G %s %T@ %C@ %i %n\\0%l\\0' || _r=1; fi; printf '\\0\\0\\0'"
        )
    return "\n".join([*lines, "exit $_r)"])


def read_listings(data: bytes, roots: Sequence[str]) -> list[Listing]:
    """The listings that the output of `scan` tells; `data` must be all of it."""
    complete = data.endswith(_END_OF_TREE)
    # One object for each path, and not one for each of its fields. NUL is less than what may be in a path, and so paths decide the order.
    records = re.findall(rb"([^\0]*\0[^\0]*\0[^\0]*)\0", data)
    del data
    ends = [at for at, record in enumerate(records) if record == _END_OF_TREE[1:]]
    if len(ends) != len(roots) or not complete or ends[-1] != len(records) - 1:
        raise BuildError("the build container's list of files was cut short")
    listings = []
    start = 0
    for root, end in zip(roots, ends, strict=True):
        tree = sorted(records[start:end])
        listings.append(Listing(root, _Records(tree), _stamp(tree)))
        start = end + 1
    return listings


def _stamp(records: Sequence[bytes]) -> str:
    """SHA-256 of all with a NUL between two, made of parts: one text of all would be as large again."""
    digest = hashlib.sha256()
    for at in range(0, len(records), _RECORDS_AT_ONCE):
        part = b"\0".join(records[at : at + _RECORDS_AT_ONCE])
        digest.update(b"\0" + part if at else part)
    return digest.hexdigest()


def can_pack(path: str) -> str:
    """Succeed where `pack` will: GNU tar is there, and no file or folder of the tree is closed to the build user."""
    tree = quote(path)
    return (
        "(tar --sort=name --version >/dev/null 2>&1 || exit 1\n"
        f'[ -e {tree} ] && [ -z "$(find {tree} ! -type l ! -readable -print -quit 2>&1)" ])'
    )


def pack(path: str, *, to: str = "-") -> str:
    """Write a tar of the tree to a path, in the order of its layer, so that nothing has to wait for its turn."""
    folder, _, name = path.rpartition("/")
    return f"(exec tar -C {quote(folder or '/')} -b 256 --sort=name --format=gnu -cf {to} -- {quote(name)})"


def can_unpack(path: str) -> str:
    """Succeed where `unpack` may: GNU tar is there, and the folder is the build user's own."""
    return f"(tar --sort=name --version >/dev/null 2>&1 && [ -d {quote(path)} ] && [ -O {quote(path)} ])"


def unpack(path: str, *, source: str) -> str:
    """Unpack what comes out of the pipe `source` below a path; a line is written once the pipe is open."""
    return f"(exec <{source} && echo open && exec tar -C {quote(path)} --no-same-owner -p -B -xf -)"


class _Records(Sequence[Entry]):
    """Entries made of find's fields only when somebody looks: an unchanged tree is known by its stamp alone.

    Fields or entries, never both: there may be 200,000.
    """

    def __init__(self, records: list[bytes]) -> None:
        self._records = records
        self._length = len(records)
        self._entries: tuple[Entry, ...] | None = None

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._made())

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | Sequence[Entry]:
        return self._made()[index]

    def _made(self) -> tuple[Entry, ...]:
        if self._entries is None:
            numbers = _Numbers()
            entries = []
            # Each record goes when its entry comes: both of all would be the most that a build has in memory.
            records, self._records = self._records, []
            records.reverse()
            with _expecting("its files"):
                while records:
                    entries.append(_entry(records.pop(), numbers))
            self._entries = tuple(entries)
        return self._entries

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(self._length)

    def __repr__(self) -> str:
        return f"<{len(self)} entries>"


class _Numbers:
    """What many files have alike is one object, and not one for each of them: modes, owners, and the time of an app's."""

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, int], int] = {}
        self._last = (b"", 0)

    def of(self, word: bytes, base: int = 10) -> int:
        """A number of which there are few."""
        if (word, base) not in self._known:
            self._known[word, base] = int(word, base)
        return self._known[word, base]

    def time(self, word: bytes) -> int:
        """A time that is often the one before it."""
        if word != self._last[0]:
            self._last = (word, _nanoseconds(word))
        return self._last[1]


def _entry(record: bytes, numbers: _Numbers) -> Entry:
    path, meta, target = record.split(b"\0")
    kind, mode, uid, gid, size, mtime, ctime, inode, links = meta.split()
    return Entry(
        path=decode(path),
        kind=chr(kind[0]),
        mode=numbers.of(mode, 8),
        uid=numbers.of(uid),
        gid=numbers.of(gid),
        size=int(size),
        mtime=numbers.time(mtime),
        ctime=_nanoseconds(ctime),
        inode=int(inode),
        links=int(links),
        target=decode(target) if target else "",
    )


def _nanoseconds(time: bytes) -> int:
    """find prints seconds, a point and ten digits, of which the last is 0; the digits count upwards always."""
    seconds, _, fraction = time.partition(b".")
    return int(seconds) * 1_000_000_000 + int(fraction[:9].ljust(9, b"0"))
