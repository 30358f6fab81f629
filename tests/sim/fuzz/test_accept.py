"""Files of known faults."""

from __future__ import annotations

import pytest

from sim.errors import InputError
from sim.fuzz.accept import KnownFault, load_accepted
from sim.fuzz.faults import Fault, Shown

FILE = """\
about: known faults
faults:
  - {verdict: leak, cause: "… belong to nobody"}
  - verdict: alias
    pool: rows
    cause: requests ... and ... both work on row ...
    scenario: scenarios/found/two-turns.yaml
"""


@pytest.fixture
def accepted(tmp_path):
    def read(text):
        path = tmp_path / "known.yaml"
        path.write_text(text, encoding="utf-8")
        return load_accepted([path])

    return read


def test_a_fault_is_known_by_verdict_and_cause(accepted):
    known = accepted(FILE)
    assert Fault("leak", "full", "… belong to nobody") in known
    assert Fault("leak", "swa", "… belong to nobody") in known
    assert Fault("silent", "full", "… belong to nobody") not in known
    assert Fault("leak", "full", "… belong to somebody") not in known


def test_a_pool_that_is_named_must_be_the_same_and_dots_are_dots(accepted):
    known = accepted(FILE)
    assert Fault("alias", "rows", "requests … and … both work on row …") in known
    assert Fault("alias", "full", "requests … and … both work on row …") not in known


def test_what_comes_after_a_fault_that_ends_a_case_is_no_news(accepted):
    one, two, new = (Shown(Fault("leak", "full", cause), None) for cause in ("one", "two", "new"))
    known = accepted("faults: [{verdict: leak, cause: one}, {verdict: leak, cause: two, ends: true}]")
    assert list(known.news([one, new, two, new])) == [new]
    assert list(known.news([two, new])) == []


def test_what_is_known_only_where_something_has_happened(accepted):
    known = accepted("faults: [{verdict: leak, cause: row, where: [concurrent turn, close in flight]}]")
    leak = Fault("leak", "full", "row")
    assert known.entry(leak, {"close in flight", "step"})
    assert known.entry(leak, {"step"}) is None
    assert leak in known, "nobody knows what has happened"


def test_more_faults_wherever_they_show(accepted):
    known = accepted("faults: [{verdict: leak, cause: row, where: [concurrent turn]}]")
    leak = Fault("leak", "full", "row")
    assert known.more([leak]).entry(leak, {"step"})
    assert known.entry(leak, {"step"}) is None


def test_several_files_are_one_list(tmp_path):
    for name, cause in (("a", "one"), ("b", "two")):
        (tmp_path / name).write_text(f"faults: [{{verdict: leak, cause: {cause}}}]")
    known = load_accepted([tmp_path / "a", tmp_path / "b"])
    assert Fault("leak", "full", "one") in known
    assert Fault("leak", "full", "two") in known


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("faults: []", "1:9: "),
        ("faults: [{verdict: lek, cause: x}]", "1:20: "),
        ("faults: [{verdict: leak}]", "1:10: `cause` is missing; "),
        ("faults: [{verdict: leak, cause: x, pol: full}]", "1:36: "),
        ("faults: [{verdict: leak, cause: x, where: [concurent turn]}]", "1:44: `where`: nothing is called "),
        ("fault: []", "1:1: "),
        ("- a", "1:1: "),
        ("faults: [", "2:1: "),
    ],
)
def test_a_wrong_file_earns_one_line(accepted, text, line):
    with pytest.raises(InputError) as caught:
        accepted(text)
    message = str(caught.value)
    assert f"known.yaml:{line}" in message
    assert "; " in message
    assert "\n" not in message


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml:1:1: there is no such file; "):
        load_accepted([tmp_path / "none.yaml"])


def test_what_only_an_observer_words_so_is_not_known_on_the_model():
    entry = KnownFault(verdict="leak", cause="gone", observed=True)
    fault = Fault("leak", "full", "gone")
    assert entry.covers(fault, None)
    assert not entry.covers(fault, {"step": 1})
