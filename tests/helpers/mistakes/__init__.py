"""Deliberate mistakes in the model, one at a time: what the comparison with the release must find."""

from helpers.mistakes import in_memory, in_policies, in_pools, in_scheduler

MISTAKES = (*in_policies.MISTAKES, *in_memory.MISTAKES, *in_scheduler.MISTAKES, *in_pools.MISTAKES)
