"""The Procfile buildpack: process types from a file that many platforms read."""
