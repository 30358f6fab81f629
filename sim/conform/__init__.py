"""Random operations on the model and on the real release: equal after every one of them, or the case is shrunk."""
