"""A recorded run played once more, to look inside: who owned each slot, what each request did, the rows around a cause.

A run writes down what is said and done, not what lies in its memory: that would cost more than the run. But the same
operations give the same events (INV-10), so that whatever is asked afterwards can be looked up by playing them again.
"""

from sim.retrace.again import looked_inside, retrace

__all__ = ["looked_inside", "retrace"]
