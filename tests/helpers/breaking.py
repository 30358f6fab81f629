"""Policies of a user's that break the model itself, each in another way."""

from __future__ import annotations

import sys

from policies.held import ActiveRows
from policies.tail import FreedAtResume


class Raises(FreedAtResume):
    """It raises."""

    def released(self, cache, slot):
        raise ValueError("no")


class Leaves(FreedAtResume):
    """It ends the program."""

    def released(self, cache, slot):
        sys.exit("enough")


class Breaks(FreedAtResume):
    """It says nothing where a number is wanted: the model raises."""

    def prefix(self, committed, key_len, protected):
        return None


class Disagrees(ActiveRows):
    """Another book than the first one is counted wrongly: incremental books and recount differ."""

    first = None

    def tokens(self, book, active_rows):
        self.first = self.first or book
        return super().tokens(book, active_rows) + (book is not self.first)
