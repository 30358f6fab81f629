"""Where there is no GPU, what needs one is skipped, and says so."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_the_tests_of_a_gpu_say_that_there_is_none():
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "tests/gpu/test_recount_there.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "2 skipped" in done.stdout
    assert "there is no usable GPU here" in done.stdout
