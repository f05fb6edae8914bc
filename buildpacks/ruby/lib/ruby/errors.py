"""All that this buildpack tells a user whose app it cannot build."""

from __future__ import annotations

from pybuild.libcnb.problem import Paste, Problem

_GEMFILE = 'source "https://rubygems.org"\n\ngem "rack"\ngem "puma"'


def no_gemfile() -> Problem:
    """A Ruby app without a Gemfile."""
    return Problem(
        "No Gemfile found",
        "The app has Ruby in it (config.ru or Gemfile.lock), but no Gemfile that names its gems.",
        steps=("Write a Gemfile, run `bundle lock`, and commit both Gemfile and Gemfile.lock.",),
        paste=Paste(file="Gemfile", text=_GEMFILE, action="For example, write this to"),
    )


def no_lock() -> Problem:
    """A Gemfile, and nothing that says which versions."""
    return Problem(
        "No Gemfile.lock found",
        "Without the lock file every build could get other versions of the gems than the ones you tested.",
        steps=(
            "Remove Gemfile.lock from .gitignore, if it is there.",
            "Run `bundle lock --add-platform x86_64-linux` on your machine, which writes Gemfile.lock.",
            "Run `git add Gemfile.lock` and commit it.",
        ),
    )


def conflict() -> Problem:
    """A lock file that git could not merge."""
    return Problem(
        "Gemfile.lock has conflict marks",
        "It has lines that begin with <<<<<<<, ======= or >>>>>>>.",
        steps=(
            "Take one side with `git checkout --theirs Gemfile.lock`, run `bundle lock`, and commit the result.",
        ),
    )


def too_large(name: str, reason: str) -> Problem:
    """A file that is far larger than it can be meant."""
    return Problem(f"{name} is too large", reason, steps=("Look at what is in it.",))


def not_mri(text: str, place: str) -> Problem:
    """Another kind of Ruby, such as JRuby."""
    return Problem(
        "This kind of Ruby is not available",
        f"{place} asks for {text[:80]!r}; this builder has Ruby itself (MRI), not JRuby, TruffleRuby or mruby.",
        steps=(f"Name a version of Ruby in {place}, such as 3.1, or delete the file.",),
    )


def no_ruby() -> Problem:
    """The package sources have no Ruby at all."""
    return Problem(
        "The package sources have no Ruby",
        "None of the sources in the build image's /etc/apt has a package rubyX.Y.",
        steps=("Use a builder whose build image is Debian 12 or newer with its usual package sources.",),
    )


def no_such_version(wanted: str, place: str, available: tuple[str, ...]) -> Problem:
    """No Ruby that satisfies the requirement."""
    series = ".".join(available[0].split(".")[:2])
    paste = Paste(file="the Gemfile", text=f'ruby "~> {series}.0"', action="For example, in")
    return Problem(
        "The requested Ruby version is not available",
        f'{place} asks for Ruby "{wanted}"; this builder\'s package sources have {", ".join(available)}.',
        steps=(
            "Ask for one of these, or unset BP_MRI_VERSION."
            if place == "BP_MRI_VERSION"
            else f"Ask for one of these in {place}, and run `bundle lock`.",
            "Or use a builder of another Debian release: 12 has Ruby 3.1, 13 has Ruby 3.3.",
        ),
        paste=None if place == "BP_MRI_VERSION" else paste,
    )


def bad_requirement(requirement: str, place: str) -> Problem:
    """A version requirement that is none."""
    return Problem(
        "The Ruby version cannot be understood",
        f"{place} asks for Ruby {requirement!r}, which is no version requirement.",
        steps=('Write it like "3.1.2", "~> 3.1" or ">= 3.0, < 3.4".',),
    )


def no_server(gems: str) -> Problem:
    """An app with config.ru or Rails, and no gem that serves it."""
    return Problem(
        "The app has no web server",
        f"It is a web app ({gems}), but Gemfile.lock has none of puma, falcon, unicorn, thin, rackup and webrick.",
        steps=(
            "Run `bundle add puma` and commit Gemfile and Gemfile.lock.",
            "Or name the command in a Procfile.",
        ),
        paste=Paste(file="the Gemfile", text='gem "puma"', action="The line in"),
    )


def nothing_to_start() -> Problem:
    """Neither a web app nor a script with a usual name."""
    return Problem(
        "Nothing to start was found",
        "The app has no config.ru, no Rails, no app.rb or main.rb, and no Procfile.",
        steps=("Add a Procfile with the command that starts the app.",),
        paste=Paste(
            file="Procfile", text="web: bundle exec ruby server.rb", action="For example, write this to"
        ),
    )
