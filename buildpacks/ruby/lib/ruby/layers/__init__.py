"""One module for each layer of the Ruby buildpack."""
