"""pybuild: source in, runnable OCI image out. A Cloud Native Buildpacks platform and lifecycle in Python."""

__version__ = "0.1.0"
