"""Chapter 3: the scheduler."""
