"""Random runs until the books break: found on the model or on a real release, made small, handed over as a scenario."""
