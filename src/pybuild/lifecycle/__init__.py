"""The phases of the lifecycle: values in, values out, over a build environment and an image store.

In running order (`create` is all of them on one page):

| phase | module | takes | gives |
|---|---|---|---|
| analyze | `analyze` | image store, names | previous image, run image, target |
| detect | `detect`; `order`, `resolve`, `buildpacks`, `detect_programs`, `os_release` | order, app | group, plan, trail |
| generate | `generate`; `dockerfiles` | extensions of the group | Dockerfiles, plan without what they met |
| restore | `restore`; `cache` | group, previous image, cache index | layers in place, metadata files |
| restore | `cached_layers` | group, previous image, a cache of tars | layers unpacked, metadata files |
| build | `build`; `outputs`, `contributions`, `layers_dir`, `sbom`, `env_dirs`, `scripts` | group, plan | processes, layers, SBOMs |
| export | `export`; `exportable`, `image_layers`, `layers`, `slices`, `content`, `reframe`, `image_config` | what was built | the app image, the next cache index |

For phases that run as programs: `inputs` (flags, variables, defaults; `go_flags` their grammar), `privileges`, and
`built_files`, which reads back what a builder left.
"""
