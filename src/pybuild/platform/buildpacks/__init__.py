"""Buildpacks and extensions: found, fetched, packaged, written, tested.

| module | what it answers |
|---|---|
| `locator`, `fetch`, `fetch_archive`, `modules` | one that the user names, as files to install |
| `remote`, `download`, `registry_index`, `registering` | those that are elsewhere: images, URLs, buildpack registries |
| `package`, `package_inspect` | packages |
| `scaffold`, `buildpack_tests`, `fixture_checks`, `lint` | what authors have |
| `shipped` | buildpacks and recipes that come with pybuild |
"""
