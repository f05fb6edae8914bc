"""The specification's files and labels as values: parsed at the edge, written byte for byte.

| module | holds |
|---|---|
| `toml` | reading with types and places; writing exactly |
| `toml_text` | the TOML 1.1 grammar |
| `api` | API versions |
| `names` | ids, versions, layer names, process types |
| `target` | os, architecture, distribution; matching |
| `buildpack` | buildpack.toml, extension.toml |
| `order` | order.toml, system.toml, group.toml |
| `plan` | build plans, plan.toml, a buildpack's plan |
| `layer` | `<layer>.toml` |
| `launch` | launch.toml, build.toml, store.toml, metadata.toml |
| `environ` | env folders and layer paths |
| `labels` | labels of app images |
| `analyzed` | analyzed.toml, run.toml, stack.toml |
| `report` | report.toml |
| `project` | project.toml |
| `builder`, `package` | labels of builder images, and of packages |
| `builder_toml`, `package_toml` | builder.toml, package.toml, as `pack` has them |
| `run_image` | what a run image is called |
| `cache` | what a cache says of its layers |
| `rebase_metadata` | the label of an app image as a rebase changes it |
| `registry_index` | buildpack registries |
| `config` | config.toml of a user |
| `fixture` | expect.toml of a buildpack's test |
| `patterns` | ignore patterns of strangers |
"""
