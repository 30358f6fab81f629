"""What goes wrong when a report is asked for."""


ADVICE = "run the scenario again with --out"


class ReportError(Exception):
    """A folder is no run, or a file in it is damaged; the text is the one line to show."""
