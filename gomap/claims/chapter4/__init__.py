"""Chapter 4: lock points in production."""
