"""All that this buildpack tells a user whose app it cannot build."""

from __future__ import annotations

from pybuild.libcnb.problem import Paste, Problem


def no_such_document_root(asked: str) -> Problem:
    """`BP_PHP_WEB_DIR` is no folder of the app."""
    return Problem(
        "The document root does not exist",
        f"BP_PHP_WEB_DIR is {asked!r}, which is no folder inside the app.",
        steps=(
            "Set BP_PHP_WEB_DIR to a folder, relative to the root of the app, such as public.",
            "Or unset it: public/, web/, htdocs/, www/, webroot/ and pub/ are found by themselves.",
        ),
    )


def no_such_front_controller(name: str) -> Problem:
    """`BP_PHP_FRONT_CONTROLLER` is no file of the document root."""
    return Problem(
        "The front controller does not exist",
        f"BP_PHP_FRONT_CONTROLLER is {name!r}, which is no file in the document root.",
        steps=(
            "Set it to a script, relative to the document root, such as index.php.",
            "Or set it to an empty text, so that unknown addresses get status 404.",
        ),
    )


def unknown_server(server: str, known: tuple[str, ...]) -> Problem:
    """`BP_PHP_SERVER` has a value we do not know."""
    return Problem(
        "The web server is not known",
        f"BP_PHP_SERVER is {server!r}; it can be {' or '.join(known)}.",
        steps=("Unset BP_PHP_SERVER to serve the app with nginx.",),
    )


def forbidden_variable(name: str) -> Problem:
    """A variable that would put files where the app does not find them."""
    return Problem(
        f"{name} must not be set for a build",
        f"{name} would change where PHP or Composer look for files, and the image would not work.",
        steps=(f"Remove {name} from the build's environment.",),
    )


def bad_json(file: str, reason: str) -> Problem:
    """composer.json or composer.lock cannot be read."""
    steps = ("Run `composer validate` and correct what it reports.",)
    if file == "composer.lock":
        steps = (
            "Run `composer update --lock` and commit composer.lock; if it has conflict marks, resolve them first.",
        )
    return Problem(f"{file} cannot be read", reason, steps=steps)


def no_php() -> Problem:
    """The package sources have no PHP at all."""
    return Problem(
        "The package sources have no PHP",
        "None of the sources in the build image's /etc/apt has a package phpX.Y-fpm.",
        steps=("Use a builder whose build image is Debian 12 or newer with its usual package sources.",),
    )


def no_such_version(wanted: str, place: str, available: tuple[str, ...]) -> Problem:
    """No PHP that satisfies the constraint."""
    newest = available[0].rsplit(".", 1)[0]
    paste = None
    if place != "BP_PHP_VERSION":
        paste = Paste(
            file="composer.json", text=f'"require": {{\n    "php": ">={newest}"\n}}', action="For example, in"
        )
    return Problem(
        "The requested PHP version is not available",
        f'{place} asks for PHP "{wanted}"; this builder\'s package sources have {", ".join(available)}.',
        steps=(
            f"Ask for one of these in {place}, and run `composer update --lock` if you changed composer.json."
            if place != "BP_PHP_VERSION"
            else "Ask for one of these, or unset BP_PHP_VERSION.",
            "Or use a builder of another Debian release: 12 has PHP 8.2, 13 has PHP 8.4.",
        ),
        paste=paste,
    )


def bad_constraint(constraint: str, place: str) -> Problem:
    """A version constraint that is none."""
    return Problem(
        "The PHP version cannot be understood",
        f"{place} asks for PHP {constraint!r}, which is no version constraint.",
        steps=('Write it like "8.2", "8.2.*", "^8.1" or ">=8.1 <8.4".',),
    )


def unknown_extension(name: str, place: str, series: str, similar: tuple[str, ...]) -> Problem:
    """An extension for which there is no package."""
    guess = f" Similar names: {', '.join(similar)}." if similar else ""
    return Problem(
        f"The PHP extension {name} is not available",
        f"{place} asks for it, and the package sources have no php{series}-{name}.{guess}",
        steps=(
            f"Correct the name in {place}."
            if similar
            else f"Remove ext-{name} from {place} if the app does not need it.",
            f"If a Composer package can replace it, require one that provides ext-{name}.",
        ),
    )


def no_lock(packages: tuple[str, ...]) -> Problem:
    """composer.json asks for packages, and nothing says which versions."""
    shown = ", ".join(packages[:5]) + (" …" if len(packages) > 5 else "")
    return Problem(
        "No Composer lock file found",
        "A composer.lock was not found in the app, but composer.json requires packages: "
        f"{shown}.\n\nWithout the lock file every build could get other versions than the ones you tested.",
        steps=(
            "Remove composer.lock from .gitignore, if it is there.",
            "Run `composer install` on your machine, which writes composer.lock.",
            "Run `git add composer.lock` and commit it.",
        ),
    )


def bad_auth(binding: str) -> Problem:
    """A binding of type composer without the file that makes it one."""
    return Problem(
        "A Composer binding has no auth.json",
        f"The binding {binding!r} has the type composer, but no file auth.json.",
        steps=("Put Composer's auth.json into the binding, under this very name.",),
    )
