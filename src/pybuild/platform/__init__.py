"""What a user asks for: everything around the phases of the lifecycle.

| module | what it answers |
|---|---|
| **a build** | |
| `request`; `choices`, `limits`, `image_words`, `created`, `cache_choice`, `outputs`, `report_dir` | what was asked for, every word checked |
| `build`; `plan`, `failed` | the build itself; what it would do; its container after a failure |
| `prepare`, `ready`; `builder_launcher` | what it needs before the first phase: the builder's container, filled; which launcher it has |
| `source`, `source_folder`, `source_zip`, `source_entry`, `selection`, `ignore_files` | which files of the app are sent, and how |
| `source_notes`, `lookalikes` | what in the source, or in the choice of its folder, will surprise its owner |
| `environment`, `certificates`, `known_trust`, `confided`, `typed_path` | variables, CA certificates, secrets and bindings of a build |
| `order`; `locator`, `fetch`, `fetch_archive`, `modules` | which buildpacks are tried; one that the user names, as files to install |
| `remote`, `download`, `registry_index`, `registering` | those that are elsewhere: images, URLs, buildpack registries |
| `volumes`, `caches`, `elsewhere`, `ownership` | where layers are kept between builds, and who made what on the engine |
| `extensions`, `engine_builds`, `extended_images` | image extensions, applied by the engine |
| `run_image`, `pull`, `pulled` | which run image and mirror; images into the engine, as often as the policy says |
| `publish`; `attest`, `provenance`, `sbom_merge`, `signatures`, `keys`, `policy` | where the image goes, what comes along with it, who signed it |
| `sbom_dir` | the build's bills of materials, copied out |
| `lock`, `verify` | the same again: what is pinned, whether two builds are the same |
| **an app image** | |
| `run` | it runs here |
| `rebase`, `rebase_places` | it moves to a newer run image |
| `inspect`, `sbom`, `size`, `file_classes` | what it says of itself, what is in it, what makes it large |
| `compare`, `differences`, `image_facts`, `entry_changes`, `sbom_changes` | what differs between two, as values |
| `compare_stored`, `compare_build` | finding the two, or building them with pybuild and with pack |
| `manifest_lists` | indexes that a user puts together |
| **builders and buildpacks** | |
| `builder`, `builder_inspect`, `two_places`, `known_builders` | reading a builder image; which there are |
| `builder_create`, `builder_image`, `lifecycle_archive`, `lifecycle_program` | making one, with its lifecycle |
| `bootstrap`; `bases`, `debian`, `recipe` | the default builder, made on first use, and the Debian images it stands on |
| `package`, `package_inspect`, `made` | packages; where they and builders go, for which targets |
| `scaffold`, `buildpack_tests`, `fixture_checks`, `lint` | what authors of buildpacks have |
| `shipped` | buildpacks and recipes that come with pybuild |
| **this machine** | |
| `config`, `trust`, `doctor` | the user's settings, the builders that are trusted, whether builds can work here |

Specification: platform.md, "Platform".
"""
