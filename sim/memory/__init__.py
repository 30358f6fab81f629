"""Pools as tensors, allocators, rows and prefix trees. Knows nothing of requests."""
