"""The apt buildpack: Debian packages that an app asks for by name, in layers."""
