"""The nginx buildpack: provides the web server to whoever requires `nginx` in the build plan."""
