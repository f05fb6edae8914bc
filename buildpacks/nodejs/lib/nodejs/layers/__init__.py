"""One module for each layer of the Node.js buildpack."""
