"""What is wrong with the input, in one line."""

from __future__ import annotations


class InputError(Exception):
    """Something that a user can mend; `str()` is exactly one line, with what to write instead."""
