"""`--device cuda` from the command line."""

import json
from pathlib import Path

import torch

from sim.cli import main

ROOT = Path(__file__).parents[2]
FEW = ROOT / "scenarios" / "founding" / "pr22862-next-turn.yaml"
LARGE = """
model: llama-3-8b
pool: {tokens: %d, rows: 8}
scheduler: {max_running: 8}
workload:
  - session: a
    turns: [{prompt: 20, output: 12}]
"""


def run(tmp_path, device, capsys):
    """The exit status, and each log by its name."""
    status = main(["run", str(FEW), "--device", device, "--out", str(tmp_path / device)])
    capsys.readouterr()
    logs = sorted((tmp_path / device).rglob("events.jsonl"))
    return status, {log.relative_to(tmp_path / device): log.read_bytes() for log in logs}


def test_a_scenario_leaves_the_same_log(tmp_path, capsys):
    there, here = run(tmp_path, "cuda", capsys), run(tmp_path, "cpu", capsys)
    assert there == here
    assert there[0] == 0
    meta = next((tmp_path / "cuda").rglob("meta.json"))
    assert json.loads(meta.read_text())["device"] == "cuda"


def test_a_pool_that_does_not_fit_is_one_line(tmp_path, capsys):
    """As large as the card, to the last token: the card has other things to hold as well."""
    tokens = torch.cuda.get_device_properties(0).total_memory // 131_072 - 64
    path = tmp_path / "large.yaml"
    path.write_text(LARGE % tokens)
    assert main(["run", str(path), "--device", "cuda", "--out", str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
