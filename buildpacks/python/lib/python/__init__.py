"""The Python buildpack: CPython, the packages that the app locks or asks for, and a server in front of it."""
