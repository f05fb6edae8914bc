"""One module for each layer of the Java buildpack."""
