"""Whole runs drawn from one seed: configurations, operations, what happens in them, and how they are made smaller."""
