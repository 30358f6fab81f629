"""A stand-in may be named while a release is imported; what needs a value, and any use later, is refused."""

from __future__ import annotations

import contextlib
import copy
import operator
from typing import Optional

import pytest
import torch

from sim.engines.sglang.definitions import defined, top_level
from sim.engines.sglang.hollow import Hollow
from sim.engines.sglang.standins import StandIn, StandInModule, StandInTouched, World

DEMANDS = {
    "tested for truth": bool,
    "asked for its length": len,
    "iterated over": list,
    "searched": lambda x: 1 in x,
    "used in isinstance": lambda x: isinstance(1, x),
    "used in issubclass": lambda x: issubclass(int, x),
    "used as a number": int,
    "used as text": str,
    "copied": copy.deepcopy,
    "entered": lambda x: x.__enter__(),
}
LATER = {
    "called": lambda x: x(),
    "asked for its attribute size": lambda x: x.size,
    "asked for its class": lambda x: isinstance(x, dict),
    "given the attribute size": lambda x: setattr(x, "size", 1),
    "compared": lambda x: x == 1,
    "calculated with": lambda x: 1 + x,
    "indexed": lambda x: x[0],
    "given to add": lambda x: torch.add(torch.ones(1), x),
}


@pytest.fixture
def world(tmp_path):
    return World(f"{tmp_path}/", {"pkg.mod.answered": 7, "pkg.mod.thing.size": 3})


@pytest.fixture
def module(world):
    return StandInModule("pkg.mod", world, [], lambda name: None)


@pytest.mark.parametrize("use", DEMANDS)
@pytest.mark.parametrize("sealed", [False, True])
def test_what_needs_a_value_is_refused_at_any_time(world, module, use, sealed):
    world.sealed = sealed
    with pytest.raises(StandInTouched, match=rf"pkg\.mod\.limit is only stood in for, and was {use}"):
        DEMANDS[use](module.limit)


@pytest.mark.parametrize("use", LATER)
def test_every_use_is_refused_after_the_import(world, module, use):
    limit = module.limit
    if use != "asked for its class":
        assert world.touched is None
    world.sealed = True
    with pytest.raises(StandInTouched) as caught:
        LATER[use](limit)
    assert caught.value.name == "pkg.mod.limit"
    assert use.split(" ")[0] in caught.value.use
    assert world.touched is caught.value


def test_while_importing_names_calls_and_annotations_make_more_stand_ins(module):
    for made in (module.a.b, module.f(1, x=2), module.T[int], module.limit + 1, 2 * module.limit, module.A | None):
        assert type(made) is StandIn
    assert Optional[module.A] is not None  # noqa: UP045
    assert type(module.limit == 3) is StandIn


def test_a_constant_made_at_import_is_refused_when_it_is_used(world, module):
    derived = module.limit * 2 + 1
    world.sealed = True
    with pytest.raises(StandInTouched, match=r"pkg\.mod\.limit \(derived\) is only stood in for, and was compared"):
        assert derived > 4


def test_the_table_answers_for_names_and_attributes_at_any_time(world, module):
    assert module.answered == 7
    thing = module.thing
    world.sealed = True
    assert thing.size == 3
    with pytest.raises(StandInTouched, match="asked for its attribute width"):
        _ = thing.width


def test_the_message_has_the_line_of_the_release(world, module, tmp_path):
    file = tmp_path / "sglang" / "code.py"
    file.parent.mkdir()
    file.write_text("def ask(limit):\n    return limit > 3\n")
    scope: dict = {}
    exec(compile(file.read_text(), str(file), "exec"), scope)
    limit = module.limit
    world.sealed = True
    with pytest.raises(StandInTouched) as caught:
        scope["ask"](limit)
    assert caught.value.place == "sglang/code.py:2"
    assert str(caught.value) == (
        "pkg.mod.limit is only stood in for, and was compared at sglang/code.py:2; "
        "the import boundary has no answer for it"
    )


def test_an_except_exception_cannot_hide_it(world, module):
    limit = module.limit
    world.sealed = True

    def release_code():
        try:
            return limit()
        except Exception:
            return None

    with pytest.raises(StandInTouched):
        release_code()


def test_a_refusal_that_a_bare_except_hides_is_still_known(world, module):
    limit = module.limit
    with contextlib.suppress(BaseException):
        bool(limit)
    assert [refused.use for refused in world.early] == ["tested for truth"]


def test_what_a_stood_in_decorator_makes_is_a_stand_in_that_knows_its_function(world, module):
    @module.jit
    def kernel(a, b):
        return a

    assert type(kernel) is StandIn
    assert kernel._stand_of.__name__ == "kernel"
    world.sealed = True
    with pytest.raises(StandInTouched, match=r"kernel \(decorated with pkg\.mod\.jit\) is only stood in for"):
        kernel[(1,)](1, 2)


def test_a_stood_in_base_refuses_what_its_source_defines_and_nothing_else(world, module, tmp_path):
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "mod.py").write_text("class Mixin:\n    level = 1\n    def report(self): ...\n")

    class Scheduler(module.Mixin):
        def __init__(self):
            self.size = 1

    assert Scheduler.__mro__[-2] is Hollow
    world.sealed = True
    made = Scheduler()
    assert made.size == 1
    assert getattr(made, "absent", None) is None
    for name in ("report", "level"):
        with pytest.raises(StandInTouched, match=rf"pkg\.mod\.Mixin is only stood in for, .* attribute {name}"):
            getattr(made, name)


def test_a_stood_in_constructor_is_refused(world, module):
    class Event(module.Struct):
        kind: int

    world.sealed = True
    with pytest.raises(StandInTouched, match="initialised"):
        Event(kind=1)


def test_stand_ins_are_equal_to_themselves_while_importing(module):
    a = module.a
    assert operator.eq(a, a) is True
    assert operator.ne(a, module.b) is True


def test_definitions_are_read_as_text(tmp_path):
    (tmp_path / "m.py").write_text(
        "raise SystemExit\nLIMIT = 3\ndef f(): ...\n"
        "class A:\n    def a(self): ...\nclass B(A):\n    x: int = 1\n    y: int\n"
    )
    assert top_level(f"{tmp_path}/m") == {"LIMIT", "f", "A", "B"}
    assert defined(f"{tmp_path}/m", "B") == {"a", "x"}
    assert defined(f"{tmp_path}/none", "B") == frozenset()
