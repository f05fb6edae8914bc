"""The Ruby buildpack: Ruby from Debian's packages, gems by Bundler, assets of Rails, and the server that the app has."""
