"""A campaign's processes, in this one: each case is played when its result is asked for, and no further ahead."""

from __future__ import annotations

from types import SimpleNamespace


class InProcess:
    def __init__(self, jobs):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def submit(self, do, *given):
        return SimpleNamespace(do=do, given=given, future=SimpleNamespace(done=lambda: True))

    def result(self, task):
        return task.do(*task.given)
