"""For writing buildpacks in Python: the Buildpack API's files as values, cached layers, Debian packages, clear errors.

A buildpack's `bin/detect` and `bin/build` hand one function each to `main.detect` and `main.build`. Needs Python 3.11
and nothing else; a packaged buildpack carries its own copy.
"""
