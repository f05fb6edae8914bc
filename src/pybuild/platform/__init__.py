"""What a user asks for: everything around the phases of the lifecycle.

| module or folder | what it answers |
|---|---|
| **a build** | |
| `request`; `choices`, `limits`, `image_words`, `created`, `cache_choice`, `outputs`, `report_dir` | what was asked for, every word checked |
| `build`; `plan`, `failed` | the build itself; what it would do; its container after a failure |
| `prepare`, `ready` | what it needs before the first phase: the builder's container, filled |
| `app` | which files of the app are sent, and how |
| `order` | which buildpacks are tried |
| `environment`, `certificates`, `known_trust`, `confided`; `typed_path` | variables, CA certificates, secrets and bindings of a build |
| `volumes`, `caches`, `elsewhere`, `ownership` | where layers are kept between builds, and who made what on the engine |
| `extensions`, `engine_builds`, `extended_images` | image extensions, applied by the engine |
| `run_image`, `pull`, `pulled` | which run image and mirror; images into the engine, as often as the policy says |
| `publish`, `sbom_dir` | where the image goes; the build's bills of materials, copied out |
| `lock`, `verify` | the same again: what is pinned, whether two builds are the same |
| **beside builds** | |
| `images` | app images that are there: run, rebased, looked into, compared |
| `buildpacks` | buildpacks: found, fetched, packaged, written, tested |
| `builders` | builders: read and made; the default one, with its base images and our lifecycle |
| `signing` | who signed an image, and what it was made of |
| **this machine** | |
| `config`, `trust`, `doctor` | the user's settings, the builders that are trusted, whether builds can work here |

Specification: platform.md, "Platform".
"""
