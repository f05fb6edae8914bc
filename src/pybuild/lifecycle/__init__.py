"""The phases of the lifecycle: values in, values out, over a build environment and an image store.

In running order (`create` is all of them on one page):

| phase | module | takes | gives |
|---|---|---|---|
| analyze | `analyze` | image store, names | previous image, run image, target |
| detect | `detect`; `order`, `resolve`, `buildpacks`, `detect_programs`, `detect_trail`, `os_release` | order, app | group, plan, trail |
| confirm | `confirm` | order, group, plan of strangers | whether detection can have made them |
| generate | `generate`; `dockerfiles` | extensions of the group | Dockerfiles, plan without what they met |
| restore | `restore`; `cache`, `elsewhere` | group, previous image, cache index | layers in place, metadata files |
| restore | `cached_layers`, `cached_tar` | group, previous image, a cache of tars | layers unpacked, metadata files |
| extend | `extensions`; `extend`, `extended`, `layer_store`; `in_place`, `copied`, `file_system`, `users` | Dockerfiles | build and run image with more layers; by the engine, or in place |
| build | `build`; `outputs`, `contributions`, `layers_dir`, `sbom`, `env_dirs`, `scripts` | group, plan | processes, layers, SBOMs |
| build, failed | `resumable` | what buildpacks left | tools' own caches, for the next cache index |
| export | `export`; `exportable`, `image_layers`, `layers`, `slices`, `content`, `reframe`, `image_config`, `sparse`, `meddling` | what was built | the app image, the next cache index |
| rebase | `rebase`; `rebase_checks` | app image, new run image | the app image on it |
| launch | `launch` | layers on this machine | the app, running |

What Dockerfiles say: `dockerfile_words`, `dockerignore`. Why a layer was taken over or not: `decisions`, `reasons`.

For phases that run as programs: `inputs` (flags, variables, defaults; `go_flags` their grammar), `privileges`, and
`built_files`, which reads back what a builder left.
"""
