"""The real SGLang, one release per process, driven without a GPU."""
