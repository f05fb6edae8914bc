"""How the app is started: by the server that it has among its gems, listening at $PORT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.libcnb import start
from pybuild.libcnb.launch import Process
from ruby import errors

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.layers import Layer
    from ruby.lock import Bundle

# In the order in which they are taken; what each needs to listen where it should.
SERVERS = {
    "puma": 'bundle exec puma -b "tcp://0.0.0.0:$PORT"',
    "falcon": 'bundle exec falcon serve -b "http://0.0.0.0:$PORT"',
    "unicorn": 'bundle exec unicorn -l "0.0.0.0:$PORT"',
    "thin": 'bundle exec thin start -a 0.0.0.0 -p "$PORT"',
    "rackup": 'bundle exec rackup -o 0.0.0.0 -p "$PORT"',
    "webrick": 'bundle exec rackup -o 0.0.0.0 -p "$PORT"',
}
# Rails' own configuration of Unicorn is a file that it does not read by itself.
CONFIGURED = {"unicorn": "config/unicorn.rb"}
SCRIPTS = ("app.rb", "main.rb", "server.rb")
WORKERS = {
    "sidekiq": "bundle exec sidekiq",
    "solid_queue": "bundle exec rake solid_queue:start",
    "good_job": "bundle exec good_job start",
    "delayed_job": "bundle exec rake jobs:work",
}


def find(context: BuildContext, bundle: Bundle, layer: Layer) -> tuple[Process, ...]:
    """`web`, `worker`, `release` and `test` as the app has them, beside those of a Procfile. Raises a `Problem`."""
    named = start.procfile_types(context.app)
    found = []
    if "web" not in named and (line := web(context.app, bundle, required=not named)):
        found.append(Process(type="web", command=start.shell(layer, line), default=True))
    if worker := bundle.has(*WORKERS):
        found.append(Process(type="worker", command=start.shell(layer, WORKERS[worker])))
    if bundle.has("railties") and bundle.has("activerecord"):
        found.append(Process(type="release", command=start.shell(layer, "bundle exec rake db:migrate")))
    if line := test(context.app, bundle):
        default = context.exec_env == "test" and not found
        found.append(
            Process(type="test", command=start.shell(layer, line), default=default, exec_envs=("test",))
        )
    return start.beside_procfile(context, found)


def web(app: Path, bundle: Bundle, *, required: bool) -> str:
    """The line that serves the app; empty when there is none and none is required. Raises a `Problem`."""
    if (app / "config.ru").is_file() or bundle.has("railties"):
        server = bundle.has(*SERVERS)
        if not server:
            raise errors.no_server("Rails" if bundle.has("railties") else "config.ru")
        configuration = CONFIGURED.get(server, "")
        return SERVERS[server] + (
            f" -c {configuration}" if configuration and (app / configuration).is_file() else ""
        )
    script = next((name for name in SCRIPTS if (app / name).is_file()), "")
    if script:
        # Sinatra reads these itself when its script is started.
        arguments = ' -o 0.0.0.0 -p "$PORT"' if bundle.has("sinatra") else ""
        return f"bundle exec ruby {script}{arguments}"
    if required:
        raise errors.nothing_to_start()
    return ""


def test(app: Path, bundle: Bundle) -> str:
    """The line that runs the app's tests; empty when it has none."""
    if bundle.has("rspec-core") and (app / "spec").is_dir():
        return "bundle exec rspec"
    if (app / "test").is_dir():
        if bundle.has("railties"):
            return "bundle exec rails test"
        if bundle.has("rake") and (app / "Rakefile").is_file():
            return "bundle exec rake test"
    return ""
