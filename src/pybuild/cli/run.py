"""`pybuild run IMAGE [PROCESS]`: start an app here, show where it is, stop it with Ctrl-C."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pybuild.cli.build_options import limit_options
from pybuild.cli.show.display import Display, output_options
from pybuild.cli.signals import Stopped

if TYPE_CHECKING:
    import docker

    from pybuild.platform.images.run import RunRequest


_LAST_WORDS_SECONDS = 5


@click.command(
    "run",
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "allow_interspersed_args": True,
    },
    epilog="Examples:  pybuild run myapp   |   pybuild run myapp worker --env QUEUE=mail"
    "   |   pybuild run myapp --port 3000:8080 --binding db=./binding",
)
@click.argument("image")
@click.argument("process", required=False, default="")
@click.argument("args", nargs=-1, metavar="[-- ARGS…]")
@click.option(
    "-p",
    "--port",
    "ports",
    multiple=True,
    metavar="[[HOST:]PORT:]PORT",
    help="Where the app is reached; default: its web port, from this machine only, at a number that is free.",
)
@click.option("-e", "--env", "env", multiple=True, metavar="NAME[=VALUE]", help="Variable for the app.")
@click.option(
    "--env-file",
    "env_files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="File of NAME=value lines.",
)
@click.option(
    "--binding",
    "bindings",
    multiple=True,
    metavar="NAME=FOLDER",
    help="Service binding for the app, at /bindings/NAME, read-only.",
)
@click.option("--network", metavar="NAME", help="Network of the container.")
@click.option(
    "--volume",
    "volumes",
    multiple=True,
    metavar="HOST:PATH[:ro|rw]",
    help="Mount a folder or volume; read-only unless :rw.",
)
@limit_options
@output_options
def command(
    image: str,
    process: str,
    args: tuple[str, ...],
    *,
    ports: tuple[str, ...],
    env: tuple[str, ...],
    env_files: tuple[Path, ...],
    bindings: tuple[str, ...],
    network: str | None,
    volumes: tuple[str, ...],
    memory: str | None,
    cpus: float | None,
    pids_limit: int | None,
    display: Display,
) -> int:
    """Run IMAGE here: its default process, or PROCESS. Ctrl-C stops it, and its container is removed.

    What the app writes goes to standard output and error as it comes. The exit code is the app's.
    """
    with display.console():
        from pybuild import engine
        from pybuild.oci.reference import Reference
        from pybuild.platform.confided import binding_folder
        from pybuild.platform.environment import user_environ
        from pybuild.platform.images.run import RunRequest, read_port
        from pybuild.platform.limits import read_limits
        from pybuild.platform.request import checked_volume

        request = RunRequest(
            image=Reference.parse(image),
            process=process,
            args=args,
            ports=tuple(map(read_port, ports)),
            env=user_environ(project={}, files=env_files, words=env, caller=os.environ),
            bindings=tuple(map(binding_folder, bindings)),
            volumes=tuple(map(checked_volume, volumes)),
            network=network or "",
            limits=read_limits(memory=memory, cpus=cpus, processes=pids_limit),
        )
        with engine.connect() as client:
            return _run(client, request)


def _run(client: docker.APIClient, request: RunRequest) -> int:
    from pybuild import events
    from pybuild.cli.terminal import pass_on
    from pybuild.platform.images.run import running

    with running(client, request) as app:
        for port in app.ports:
            events.info(f"{request.image.familiar} is at {port.url} (Ctrl-C stops it)")
        app.tell_when_it_answers()
        # In a thread, so that Ctrl-C does not tear what the app says at its end.
        showing = threading.Thread(target=pass_on, args=(app.output,), daemon=True)
        showing.start()
        try:
            showing.join()
            return app.wait()
        except (Stopped, KeyboardInterrupt) as exc:
            events.info("Stopping…")
            app.stop()
            showing.join(timeout=_LAST_WORDS_SECONDS)
            return exc.exit_code if isinstance(exc, Stopped) else 130
