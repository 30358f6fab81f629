"""Reads the log of a running server: when its books broke, how what is missing grows, and what a log cannot tell."""

from __future__ import annotations

from reports.logs.result import Result, examine

__all__ = ["Result", "examine"]
