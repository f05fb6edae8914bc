"""The ca-certificates buildpack: bound CA certificates are trusted by the build and by the app."""
