"""The Java buildpack: a JDK, Maven or the app's Gradle wrapper, and an image with a small runtime and the app's jars."""
