"""What is here needs a GPU; where there is none it is skipped, and says so."""

import pytest
import torch


@pytest.fixture(autouse=True)
def gpu():
    """A GPU that works."""
    if not torch.cuda.is_available():
        pytest.skip("there is no usable GPU here")
