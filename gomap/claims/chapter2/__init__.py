"""Chapter 2: how the map works."""
