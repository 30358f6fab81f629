"""What differs between releases, and what a user may replace: one module per decision."""
