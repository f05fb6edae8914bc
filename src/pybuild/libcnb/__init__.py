"""For writing buildpacks in Python: the Buildpack API's files as values, cached layers, Debian packages, clear errors.

A buildpack's `bin/detect` and `bin/build` hand one function each to `main.detect` and `main.build`. Needs Python 3.11
and nothing else; a packaged buildpack carries its own copy.

| To … | Use |
|---|---|
| know the app, settings, bindings, target | `context.DetectContext`, `context.BuildContext` (`setting`, `flag`, `words`, `dev`); `bindings` |
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
| read files of the app, which strangers wrote | `app_files.AppFiles` |
| log in to where private source is | `logins` |
| run a tool | `command.run`, `command.read` |
| run a compiler, and tell what to do about what it says | `build_tool.BuildTool` |
| compile tests into the image, leave the source out of it | `test_runner`, `source` |
| remember what a slow tool answered | `answers` |
| tell what is wrong and what to do | `problem.Problem` |
| show what happens | `output` |

Behind these: `plan`, `layers`, `launch` (the files of the Buildpack API), `resolved`, `moved` (versions), `dpkg`,
`deb_licence`, `licence`, `digest`, and `cyclonedx`, `spdx`, `syft` (bills of materials).

A buildpack.toml whose buildpack writes bills of materials declares all of `sbom.FORMATS` as its `sbom-formats`.
"""
