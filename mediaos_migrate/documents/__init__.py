"""One JSON file of an app: read in a stream, refused when damaged, written by patching."""
