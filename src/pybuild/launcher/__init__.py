"""What starts the app inside its image, where there may be no Python."""
