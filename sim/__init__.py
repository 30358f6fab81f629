"""kvledger: a discrete-event simulation of the memory accounting of an LLM serving scheduler."""

__version__ = "0.1.0"
