"""Where frames are generated."""
