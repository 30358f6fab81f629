"""What of a release is executed and what is not, and what is said of a tree that does not fit."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from dataclasses import replace

import pytest

from sim.engines.sglang.boundary import BoundaryError, enter
from sim.engines.sglang.source import Source
from sim.engines.sglang.tables import TABLES
from sim.engines.sglang.tables.known import is_new

VERSIONS = ("0.5.10.post1", "0.5.11", "0.5.12")

# Third-party modules as a well equipped machine has them: the release must not get hold of any.
ENTERED = """
import json, os, sys, types
class Installed(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"): raise AttributeError(name)
        raise SystemExit(f"the release has reached {self.__name__}.{name}")
for name in ("orjson", "psutil", "pydantic", "msgspec", "requests", "zmq", "triton", "transformers", "sgl_kernel"):
    sys.modules[name] = Installed(name)
found = sys.path[:]
modules = enter(source)
import torch
real = [n for n, m in sys.modules.items() if n.startswith("sglang") and type(m) is types.ModuleType]
executed = [n for n in real if getattr(sys.modules[n], "__file__", None)]
table = modules.table
print(json.dumps({
    "table": table.version,
    "old": modules.old,
    "gated": modules.gated,
    "beyond": sorted(set(executed) - set(table.executed)),
    "initialised": "__file__" in vars(sys.modules["sglang"]),
    "outside": [n for n in executed if not sys.modules[n].__file__.startswith(str(source.path))],
    "missing": [ours for ours in table.modules if not hasattr(modules, ours)],
    "environment": [n for n in os.environ if n.startswith("SGLANG_")],
    "cuda": modules.common.torch.cuda.is_available(),
}))
def touched(use):
    try:
        use()
    except StandInTouched as error:
        return [error.name, error.use, error.place]
print(json.dumps(touched(lambda: modules.common.get_last_loc_triton(*[torch.ones(2, dtype=torch.int64)] * 3))))
print(json.dumps(touched(lambda: object.__new__(modules.scheduler.Scheduler).init_pp_loop_state)))
print(json.dumps(touched(lambda: modules.io.uuid.uuid4())))
try:
    enter(source)
except BoundaryError as error:
    print(error)
"""


KERNELS = """
allocators = modules.allocator
def paged(page, pages):
    return allocators.PagedTokenToKVPoolAllocator(pages * page, page, torch.float16, "cpu", None, False)
def of(values): return torch.tensor(values, dtype=torch.int64)
# extend: [3, 9) behind slot 42 of a page of 4, and a new request of 5; then not enough
pool = paged(4, 8)
slots = pool.alloc_extend(of([3, 0]), of([3, 0]), of([9, 5]), of([9, 5]), of([42, -1]), 11)
print(slots.tolist(), pool.available_size())
print(pool.alloc_extend(of([0]), of([0]), of([40]), of([40]), of([-1]), 40), pool.available_size())
# decode: the next slot of a page, and a page of its own; then a pool that is empty
pool = paged(4, 1)
print(pool.alloc_decode(of([4, 5]), of([4, 5]), of([10, 11])).tolist(), pool.available_size())
print(pool.alloc_decode(of([5]), of([5]), of([11])), pool.alloc_decode(of([6]), of([6]), of([4])).tolist())
rows = torch.zeros((3, 8), dtype=torch.int32)
modules.spec_utils.assign_req_to_token_pool_func(of([2, 0]), rows, of([1, 0]), of([3, 2]), of([7, 8, 9, 5]), 2)
print(rows.tolist())
rows.zero_()
nothing = [None] * 6
modules.spec_utils.assign_draft_cache_locs[(2,)](
    of([2, 0]), rows, of([1, 3]), None, None, of([7, 8, 9, 5]), None, None, None, 0, 8, 1, 2, 4, 2, 8)
print(rows.tolist())
def tree():
    modules.spec_utils.assign_draft_cache_locs[(1,)](
        of([2]), rows, of([1]), None, None, of([7]), None, None, None, 0, 8, 2, 1, 4, 2, 8)
print(touched(tree)[:2])
# of 4 drafts 1 and 3 are taken, at 6 and 8 of pages of 4: what shares a page with the taken ones stays
mask = torch.tensor([False, True, True, True, False, False, False, True])
modules.spec_utils.align_evict_mask_to_page_size[(2,)](of([6, 8]), mask, 4, 4, 4)
print(mask.view(2, 4).tolist())
"""
SLOTS = [
    "[43, 4, 5, 6, 7, 8, 12, 13, 14, 15, 16] 16",
    "None 16",
    "[11, 4] 0",
    "None [5]",
    "[[9, 5, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0], [0, 7, 8, 0, 0, 0, 0, 0]]",
    "[[0, 0, 0, 9, 5, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0], [0, 7, 8, 0, 0, 0, 0, 0]]",
    "['sglang.srt.speculative.spec_utils.assign_draft_cache_locs (decorated with triton.jit)', 'indexed']",
    "[[False, False, True, True], [False, False, False, False]]",
]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_core_is_executed_and_nothing_else_and_the_kernels_hand_out_the_same_slots(sglang_source, inside, version):
    lines = inside(sglang_source(version), ENTERED + KERNELS, SGLANG_TEST_RETRACT="1")
    old = version == "0.5.10.post1"
    assert json.loads(lines[0]) == {
        "table": version, "old": old, "gated": old, "beyond": [], "initialised": False, "outside": [], "missing": [],
        "environment": [], "cuda": False,
    }  # fmt: skip
    name, use, place = json.loads(lines[1])
    assert name == "triton.cdiv"
    assert use == "called"
    assert re.fullmatch(r"sglang/srt/mem_cache/common\.py:\d+", place)
    name, use, _ = json.loads(lines[2])
    assert name.endswith(".SchedulerPPMixin")
    assert use == "asked for its attribute init_pp_loop_state"
    assert json.loads(lines[3]) is None
    assert lines[4] == "this process has imported an sglang already; one process holds one version"
    assert lines[5:] == SLOTS


@pytest.fixture
def mutilated(sglang_source, tmp_path):
    """A copy of a release in which files are changed by `change(module, old, new)` or taken away."""
    source = sglang_source("0.5.11")

    def link(origin, target):
        try:
            os.link(origin, target)
        except OSError:
            shutil.copy2(origin, target)

    shutil.copytree(source.path / "sglang", tmp_path / "sglang", copy_function=link)
    copy = replace(source, path=tmp_path, origin="path")

    def change(module, old=None, new=None):
        file = tmp_path / "sglang" / "srt" / f"{module}.py"
        text = file.read_text()
        file.unlink()
        if old is not None:
            assert old in text
            file.write_text(text.replace(old, new))

    return copy, change


SAID = """
try:
    enter(source, reverts={reverts})
except BoundaryError as error:
    print(error)
"""


def test_all_that_does_not_fit_is_named_in_one_line(mutilated, inside):
    source, change = mutilated
    change("mem_cache/chunk_cache")
    change("mem_cache/memory_pool", "class ReqToTokenPool:", "class RequestToTokenPool:")
    change("mem_cache/allocator", "def alloc_extend_naive(", "def alloc_extend_loop(")
    kernel = "def alloc_decode_kernel(\n    seq_lens_ptr,"
    change("mem_cache/allocator", f"{kernel}\n    last_loc_ptr,", kernel)
    change("managers/scheduler", "def get_next_batch_to_run(", "def next_batch_to_run(")
    [said] = inside(source, SAID.format(reverts=()))
    assert said.startswith(f"SGLang 0.5.11 at {source.path} does not fit the table of 0.5.11: ")
    for misfit in (
        "No module named 'sglang.srt.mem_cache.chunk_cache'",
        "module sglang.srt.mem_cache.chunk_cache is missing",
        "sglang.srt.mem_cache.memory_pool has no ReqToTokenPool",
        "sglang.srt.mem_cache.allocator has no alloc_extend_naive",
        "sglang.srt.mem_cache.allocator:alloc_decode_kernel, which is replaced, takes (seq_lens_ptr, free_page_ptr",
        "sglang.srt.managers.scheduler has no Scheduler.get_next_batch_to_run",
    ):
        assert misfit in said


def test_a_module_that_a_change_has_added_is_executed_too(mutilated, inside):
    source, change = mutilated
    new = source.path / "sglang" / "srt" / "mem_cache" / "freeing.py"
    new.write_text("def joined(torch, parts):\n    return torch.cat(parts)\n")
    first = "from __future__ import annotations"
    change("mem_cache/allocator", first, f"{first}\nfrom sglang.srt.mem_cache.freeing import joined")
    said = inside(source, "modules = enter(source)\nprint(modules.allocator.joined.__code__.co_name)")
    assert said == ["joined"]


def test_what_no_release_has_in_these_packages_is_new():
    known = ("mem_cache.radix_cache", "managers", "mem_cache.hybrid_cache", "layers.thing", "session.streaming_session")
    assert not any(is_new(f"sglang.srt.{name}") for name in known)
    assert not is_new("json.decoder")
    assert is_new("sglang.srt.mem_cache.freeing")


def test_a_text_that_cannot_be_parsed_is_the_only_misfit(mutilated, inside):
    source, change = mutilated
    change("mem_cache/allocator", "class TokenToKVPoolAllocator(", "class TokenToKVPoolAllocator((")
    [said] = inside(source, SAID.format(reverts=()))
    place, _, misfits = said.partition("does not fit the table of 0.5.11: ")
    assert place
    assert misfits.startswith(os.path.join("sglang", "srt", "mem_cache", "allocator.py:"))
    assert ";" not in misfits


def test_a_module_that_ends_the_program_is_named(mutilated, inside):
    source, change = mutilated
    change("mem_cache/chunk_cache", "from __future__ import annotations", "raise SystemExit(7)")
    [said] = inside(source, SAID.format(reverts=()))
    assert said.startswith(f"SGLang 0.5.11 at {source.path} does not fit the table of 0.5.11: ")
    assert f"7 (SystemExit at {os.path.join('sglang', 'srt', 'mem_cache', 'chunk_cache.py')}:" in said


def test_a_fix_whose_lines_have_changed_is_named(mutilated, inside):
    source, change = mutilated
    change("speculative/eagle_info_v2", "r.kv_committed_len += 1", "r.claim(1)")
    change("session/streaming_session", "def _trim_overshoot(", "def _cut_overshoot(")
    [said] = inside(source, SAID.format(reverts=(22651, 22897)))
    assert "fix 22651 cannot be taken out: EagleDraftInputV2Mixin.prepare_for_decode does not say 'r.kv_commit" in said
    assert "fix 22897 cannot be taken out: sglang.srt.session.streaming_session has no StreamingSession._trim" in said


def test_the_tables_can_be_read():
    for table in TABLES:
        lines = table.lines()
        assert lines[0] == f"SGLang {table.version}"
        assert len(set(table.executed)) == len(table.executed)
        assert all(entry.reason for entry in (*table.answers, *table.replaced))
        assert not {a.name.rpartition(".")[0] for a in table.answers} & set(table.executed)


@pytest.mark.parametrize(
    ("version", "number", "reason"),
    [
        ("0.5.10.post1", 22862, "this release is older than the fix; those that can: 21404"),
        ("0.5.11", 22213, "no release has it; 22753 replaced it; those that can: 21404, 21875, 22273, 22651"),
        ("0.5.10.post1", 23327, "this release is older than the fix; those that can: 21404"),
        ("0.5.11", 7, "it is no fix of SGLang 0.5.11"),
    ],
)
def test_a_fix_that_cannot_be_taken_out_is_refused_with_the_reason(tmp_path, version, number, reason):
    source = Source(path=tmp_path, version=version, origin="path")
    with pytest.raises(BoundaryError) as caught:
        enter(source, reverts=(number,))
    assert str(caught.value).startswith(f"fix {number} cannot be taken out of SGLang {version}: {reason}")
    assert "sglang" not in sys.modules
