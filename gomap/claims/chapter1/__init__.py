"""Chapter 1: three implicit locks."""
