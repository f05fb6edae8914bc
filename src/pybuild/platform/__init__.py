"""What a user asks for: everything around the phases of the lifecycle.

| module | what it answers |
|---|---|
| `source`, `source_folder`, `source_zip`, `source_entry`, `selection` | which files of the app are sent, and how |
| `environment`, `certificates`, `known_trust` | variables and CA certificates of a build |
| `locator`, `fetch`, `fetch_archive`, `modules` | a buildpack that the user names, as files to install |
| `remote`, `download`, `registry_index`, `registering` | those that are elsewhere: images, URLs, buildpack registries |
| `builder`, `builder_inspect`, `two_places` | reading a builder image |
| `builder_create`, `builder_image`, `lifecycle_archive`, `lifecycle_program` | making one, with its lifecycle |
| `package`, `package_inspect`, `made` | packages; where they and builders go, for which targets |
| `scaffold`, `buildpack_tests`, `fixture_checks`, `lint` | what authors of buildpacks have |
| `bootstrap` | the default builder, made on first use |
| `bases`, `debian`, `recipe` | the Debian images it stands on |
| `run_image` | which run image and mirror, and pulling images |
| `shipped` | buildpacks and recipes that come with pybuild |
| `config`, `trust`, `choices` | the user's settings, and the further words of a build |
| `pull`, `pulled` | images into the engine, as often as the policy says |
| `inspect`, `manifest_lists` | what an app image says of itself; indexes that a user puts together |
| `compare`, `image_facts`, `entry_changes`, `sbom_changes` | what differs between two images, as values |
| `compare_stored`, `compare_build` | finding the two images, or building them with pybuild and with pack |

Specification: platform.md, "Platform".
"""
