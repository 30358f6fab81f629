"""Requests, sessions, batches, admission, retract, speculation and the loop."""
