"""What can be driven: one protocol, an engine for each implementation."""
