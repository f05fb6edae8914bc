"""For writing buildpacks in Python: the Buildpack API's files as values, cached layers, Debian packages, clear errors.

A buildpack's `bin/detect` and `bin/build` hand one function each to `main.detect` and `main.build`. Needs Python 3.11
and nothing else; a packaged buildpack carries its own copy.

| To … | Use |
|---|---|
| know the app, settings, bindings, target | `context.DetectContext`, `context.BuildContext` (`setting`, `flag`, `dev`) |
| take the newest version, or with `--locked` the same again, and show what moved | `context.resolved.choose(name, newest)` |
| keep a layer as long as its key stays | `context.layers.cached_layer` |
| write a layer's bill of materials, in three formats | `context.sbom(layer, components)`, `sbom.Component`, `purl` |
| download with a digest, ask a registry | `fetch.opened(context)`: `.file(url, digest=…)`, `.read(url)` |
| unpack a tar or zip | `archive.unpack` |
| compare versions | `version` |
| install Debian packages | `apt.opened`, `debs.deb_layer` |
| start the app so that signals arrive, PORT is set, workers fit | `start.supervised`, `start.shell`, `start.web` |
| leave to a Procfile what it names | `start.procfile_types`, `start.beside_procfile` |
| wire a bound database | `connections` |
| run a tool | `command.run`, `command.read` |
| tell what is wrong and what to do | `problem.Problem` |
| show what happens | `output` |

A buildpack.toml whose buildpack writes bills of materials declares all of `sbom.FORMATS` as its `sbom-formats`.
"""
