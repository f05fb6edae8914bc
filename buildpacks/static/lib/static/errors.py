"""All that this buildpack tells a user whose site it cannot serve."""

from __future__ import annotations

from pybuild.libcnb.problem import Paste, Problem

_REDIRECTS = "/old        /new         301\n/blog/*     /posts/:splat\n/app/*      /index.html  200"
_HEADERS = "/*\n  X-Frame-Options: DENY\n/fonts/*\n  Cache-Control: public, max-age=31536000"


def no_site(candidates: tuple[str, ...]) -> Problem:
    """Nothing to serve was found, although somebody said there would be."""
    return Problem(
        "There is no site to serve",
        f"No index.html was found in {', '.join(f'{name}/' for name in candidates)} or the root of the app.",
        steps=(
            "If the site is built by a buildpack before this one, see above what its build wrote, and where.",
            "Set BP_WEB_SERVER_ROOT to the folder with the files, relative to the root of the app.",
        ),
    )


def no_such_root(asked: str, place: str) -> Problem:
    """The folder that is asked for is none of the app."""
    return Problem(
        "The folder to serve does not exist",
        f"{place} asks for {asked!r}, which is no folder inside the app.",
        steps=(
            f"Set {place} to a folder, relative to the root of the app, such as public.",
            "If a build step makes it, see above whether that step ran and where it wrote.",
        ),
    )


def no_flag(variable: str, text: str) -> Problem:
    """A setting that is neither yes nor no."""
    return Problem(
        "A setting cannot be understood",
        f"{variable} is {text!r}; it can be true or false.",
        steps=(f"Set {variable} to true, or unset it.",),
    )


def bad_error_page(text: str) -> Problem:
    """An error page that is no status with an address."""
    return Problem(
        "An error page cannot be understood",
        f"Expected a status from 400 to 599 and a file of the site, found {text!r}.",
        steps=("Set BP_STATIC_ERROR_PAGES like 404=/404.html,410=/gone.html.",),
    )


def no_such_error_page(status: int, address: str, folder: str) -> Problem:
    """An error page that the site does not have."""
    return Problem(
        "An error page does not exist",
        f"Status {status} is to be answered with {address}, which is no file in {folder or 'the root of the app'}.",
        steps=("Add the file, or correct its address in BP_STATIC_ERROR_PAGES or the Staticfile.",),
    )


def bad_staticfile(number: int, line: str) -> Problem:
    """A line of the Staticfile that is no `key: value`."""
    return Problem(
        "The Staticfile has a line that cannot be read",
        f"Staticfile:{number}: expected `key: value`, found {line[:200]!r}.",
        paste=Paste(file="Staticfile", text="root: public\npushstate: enabled", action="For example, in"),
    )


def unknown_key(number: int, key: str, known: tuple[str, ...]) -> Problem:
    """A key of the Staticfile that means nothing here."""
    return Problem(
        "The Staticfile has a key that is not known",
        f"Staticfile:{number}: {key!r} is none of {', '.join(known)}.",
        steps=(
            "Remove the line, if the site does not need it.",
            "Headers stand in a file _headers, redirects in a file _redirects; more of nginx in .nginx.conf.d/*-server.conf.",
        ),
    )


def bad_redirect(number: int, line: str, expected: str) -> Problem:
    """A line of `_redirects` that cannot be followed."""
    return Problem(
        "The file _redirects has a line that cannot be followed",
        f"_redirects:{number}: expected {expected}\n\n{number:4} | {line.strip()[:200]}",
        paste=Paste(file="_redirects", text=_REDIRECTS, action="Lines that work, for"),
    )


def bad_header(number: int, line: str, expected: str) -> Problem:
    """A line of `_headers` that cannot be followed."""
    return Problem(
        "The file _headers has a line that cannot be followed",
        f"_headers:{number}: expected {expected}\n\n{number:4} | {line.rstrip()[:200]}",
        paste=Paste(file="_headers", text=_HEADERS, action="Lines that work, for"),
    )


def bad_location(path: str) -> Problem:
    """A path that a site cannot be at."""
    return Problem(
        "BP_WEB_SERVER_LOCATION_PATH is no path that a site can be at",
        f"It is {path!r}; expected is one such as /docs or /team/docs, of letters, digits, dots, and the marks _ ~ -, no part of it "
        "hidden.",
        steps=("Set it to the path under which visitors find the site, without host and query.",),
    )


def too_large(name: str, reason: str) -> Problem:
    """A file of settings that is no file of settings."""
    return Problem(
        f"The file {name} is too large",
        reason,
        steps=("Write patterns, such as /blog/*, instead of a line for every address.",),
    )


def bad_configuration(said: str) -> Problem:
    """nginx does not take what it would be started with."""
    return Problem(
        "The web server's configuration is not valid",
        said,
        steps=(
            "Correct the files of the app in .nginx.conf.d/, or nginx.conf.tmpl, that are named above.",
            "If none of yours is named, please report this as a bug.",
        ),
    )
