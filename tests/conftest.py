"""Hypothesis profiles: the default, and `--hypothesis-profile=thorough` for a long run."""

from hypothesis import settings

settings.register_profile("gomap", deadline=None, print_blob=True)
settings.register_profile("thorough", deadline=None, print_blob=True, max_examples=2000, stateful_step_count=100)
settings.load_profile("gomap")
