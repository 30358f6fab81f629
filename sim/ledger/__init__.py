"""What is true: owners, postings, the canary, books, checks and verdicts."""
