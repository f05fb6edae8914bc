"""All that this buildpack tells a user whose app it cannot build."""

from __future__ import annotations

from pybuild.libcnb.problem import Paste, Problem


def forbidden_variable(name: str) -> Problem:
    """A variable that would put files where the app does not find them."""
    return Problem(
        f"{name} must not be set for a build",
        f"{name} would change where Python or its tools look for files, and the image would not work.",
        steps=(f"Remove {name} from the build's environment.",),
    )


def unknown_server(name: str, known: tuple[str, ...]) -> Problem:
    """`BP_PYTHON_SERVER` has a value we do not know."""
    return Problem(
        "The server is not known",
        f"BP_PYTHON_SERVER is {name!r}; it can be {', '.join(known[:-1])} or {known[-1]}.",
        steps=("Unset BP_PYTHON_SERVER to have it chosen by the app's framework.",),
    )


def bad_reference(text: str) -> Problem:
    """`BP_PYTHON_APP` names no object of a module."""
    return Problem(
        "The app's object cannot be understood",
        f"BP_PYTHON_APP is {text!r}, which is no module:name.",
        steps=(
            "Write it like shop.wsgi:application, or like shop:create_app() for a function that makes it.",
        ),
    )


def unreadable(file: str, reason: str) -> Problem:
    """A file of the app that is damaged."""
    steps = (f"Correct {file}; if it has conflict marks, resolve them first.",)
    return Problem(f"{file} cannot be read", reason, steps=steps)


def no_such_requirements(name: str) -> Problem:
    """`BP_PIP_REQUIREMENT` names a file that is not there."""
    return Problem(
        "The requirements file does not exist",
        f"BP_PIP_REQUIREMENT names {name!r}, which is no file in the app.",
        steps=(
            "Correct the name; it is relative to the root of the app.",
            "Or unset it to use requirements.txt.",
        ),
    )


def several_locks(names: tuple[str, ...]) -> Problem:
    """More than one tool claims to know the packages."""
    return Problem(
        "There are several lock files",
        f"The app has {' and '.join(names)}. They can disagree, and only one can decide which packages are installed.",
        steps=(
            "Keep the lock file of the tool that you use.",
            f"Delete the other: `git rm {names[-1]}`, for example.",
        ),
    )


def lock_alone(lock: str, manifest: str) -> Problem:
    """A lock file without the file that it locks."""
    return Problem(
        f"{lock} has no {manifest} beside it",
        f"{lock} only says in which versions the packages of {manifest} are installed.",
        steps=(f"Commit {manifest} too, in the same folder.", f"Or delete {lock}, if it is left over."),
    )


def pipfile_without_lock() -> Problem:
    """A Pipfile that nobody has locked."""
    return Problem(
        "No Pipfile.lock found",
        "The app has a Pipfile, which names packages but not their versions and hashes.",
        steps=("Run `pipenv lock` on your machine.", "Run `git add Pipfile.lock` and commit it."),
    )


def misspelt(name: str) -> Problem:
    """A requirements file under a name that no tool reads."""
    return Problem(
        "The requirements file has another name",
        f"The app has {name}, and no requirements.txt.",
        steps=(f"Rename it: `git mv {name} requirements.txt`.",),
    )


def conda() -> Problem:
    """Packages in conda's format only."""
    return Problem(
        "Conda environments are not supported",
        "The app has an environment.yml, and neither requirements.txt nor pyproject.toml.",
        steps=("Write the packages that the app needs from PyPI into requirements.txt.",),
        paste=Paste(file="requirements.txt", text="flask>=3\nnumpy>=2", action="For example, write this to"),
    )


def bad_lock(file: str, reason: str) -> Problem:
    """A lock file of another shape than its tool writes."""
    return Problem(
        f"{file} cannot be understood", f"{reason}.", steps=("Let its tool write it again, and commit it.",)
    )


def old_pdm_lock() -> Problem:
    """A pdm.lock that does not say which group wants a package."""
    return Problem(
        "pdm.lock does not say which package is for what",
        "Its packages have no `groups`, so those for development cannot be told from the others.",
        steps=("Run `pdm lock --update-reuse --strategy inherit_metadata` and commit pdm.lock.",),
    )


def lock_outdated(file: str, name: str, fix: str) -> Problem:
    """A lock file that knows nothing of a package that is asked for."""
    return Problem(
        f"{file} is out of date",
        f"pyproject.toml asks for {name}, which {file} does not have.",
        steps=(f"Run `{fix}` on your machine, and commit {file}.",),
    )


def bad_specifier(specifier: str, place: str) -> Problem:
    """A version specifier that is none."""
    return Problem(
        "The Python version cannot be understood",
        f"{place} asks for Python {specifier!r}, which is no version.",
        steps=("Write it like 3.11, ==3.11.*, >=3.10,<4 or ^3.11.",),
        paste=Paste(file=".python-version", text="3.11", action="For example, write this to"),
    )


def no_python() -> Problem:
    """The package sources have no Python at all, and nobody else has either."""
    return Problem(
        "The package sources have no Python",
        "None of the sources in the build image's /etc/apt has a package python3.X-minimal.",
        steps=("Use a builder whose build image is Debian 12 or newer with its usual package sources.",),
    )


def no_such_version(wanted: str, place: str, packaged: tuple[str, ...], managed: tuple[str, ...]) -> Problem:
    """No Python that satisfies the specifier."""
    newest = (packaged or managed or ("3.11",))[0]
    series = ".".join(newest.split(".")[:2])
    others = f", and uv knows {managed[-1]} to {managed[0]}" if managed else ""
    return Problem(
        "The requested Python version is not available",
        f'{place} asks for Python "{wanted}"; this builder\'s package sources have {", ".join(packaged) or "none"}{others}.',
        steps=(
            f"Ask for one of these in {place.split(' ')[0]}."
            if place != "BP_CPYTHON_VERSION"
            else "Ask for one of these, or unset BP_CPYTHON_VERSION.",
            "Or use a builder of another Debian release: 12 has Python 3.11, 13 has Python 3.13.",
        ),
        paste=Paste(file=".python-version", text=series, action="For example, write this to")
        if place != "BP_CPYTHON_VERSION"
        else None,
    )


def managed_python_unreachable(version: str, place: str, packaged: tuple[str, ...], said: str) -> Problem:
    """A Python that only uv's builds have, which cannot be downloaded."""
    return Problem(
        f"Python {version} could not be downloaded",
        f"{place} asks for it; this builder's package sources have {', '.join(packaged) or 'none'}, so uv was to bring "
        f"one of its own builds.\n\nIt said:\n\n{said}",
        steps=(
            "Check that the build can reach where uv keeps them, through a proxy if it needs one.",
            "Use a mirror inside your network: set UV_PYTHON_INSTALL_MIRROR.",
            f"Or ask for a Python of the package sources in {place.split(' ')[0]}.",
        ),
    )


def no_entry() -> Problem:
    """Nothing in the app says how to start it."""
    return Problem(
        "Nothing was found that starts the app",
        "There is no Procfile, no Django project, no object of a web framework (Flask, FastAPI, …) in the usual "
        "modules, and no main.py or app.py.",
        steps=(
            "Add a Procfile that says how to start it.",
            "Or name the object that a server is to call: set BP_PYTHON_APP=module:name.",
        ),
        paste=Paste(file="Procfile", text="web: python -m yourapp", action="For example, write this to"),
    )


def server_refused(kind: str, asked: str) -> Problem:
    """`BP_PYTHON_SERVER` names a server that cannot call the app."""
    return Problem(
        f"{asked} cannot serve this app",
        f"BP_PYTHON_SERVER is {asked!r}, but the app is written for {kind.upper()}, which {asked} does not speak.",
        steps=("Unset BP_PYTHON_SERVER to have the right one chosen.",),
    )


def collectstatic_failed(said: str) -> Problem:
    """Django's collectstatic ended with an error."""
    steps = [
        "Run `python manage.py collectstatic --noinput` on your machine, with no more variables set than the build has.",
        "Or skip it: set BP_DJANGO_COLLECTSTATIC=false for the build.",
    ]
    if "KeyError" in said or "ImproperlyConfigured" in said:
        steps.insert(
            0,
            "If the settings need a variable that only the running app has, give it a default, or set it for the build.",
        )
    return Problem("Django could not collect the static files", f"It said:\n\n{said}", steps=tuple(steps))


def unknown_architecture(arch: str, known: tuple[str, ...]) -> Problem:
    """An architecture for which no installer is known."""
    return Problem(
        "Python apps cannot be built for this architecture",
        f"The image is for {arch}; the installer is known for {' and '.join(known)}.",
        steps=("Build for one of these, with --platform.",),
    )


def no_installer(page: str, name: str) -> Problem:
    """The user's package index has not the installer."""
    return Problem(
        "The package index has no uv",
        f"{page} does not list {name}, with which the packages are installed.",
        steps=(
            "Have the index mirror the project uv from PyPI.",
            "Or unset UV_DEFAULT_INDEX and PIP_INDEX_URL, and name your index in UV_INDEX: then it is asked first, and PyPI for the rest.",
        ),
    )
