"""Releases as sets of decisions, with single changes taken out or put in."""

import pytest

from policies.fixes import FIXES
from policies.releases import DEFAULT_RELEASE, POOL_OF, RELEASES, UnknownChoice, compose, variants

NEW = "sglang-0.5.11"
OLD = "sglang-0.5.10"
SESSION = (
    "held", "history", "preabort", "abort", "flags", "tail", "overshoot", "closing", "reserve", "revert", "leftover",
)  # fmt: skip
DECISIONS_OF = {
    OLD: ["all", "at-create", "restore", "save", "unmarked", "kept", "kept", "immediate", "late", "always", "lost"],
    NEW: [
        "rows",
        "at-finish",
        "detach",
        "nuke",
        "marked",
        "freed-at-resume",
        "capped",
        "deferred",
        "preclaimed",
        "ordinary",
        "freed",
    ],
}


def names(release):
    return {decision: getattr(release, decision).name for decision in SESSION}


def changed(release, base):
    """What differs from the plain release."""
    plain = dict(zip(SESSION, DECISIONS_OF[base], strict=True))
    return {k: v for k, v in names(release).items() if v != plain[k]}


@pytest.mark.parametrize("release", [OLD, NEW])
def test_the_decisions_of_a_release(release):
    made = compose(release)
    assert list(names(made).values()) == DECISIONS_OF[release]
    assert (made.name, made.reverted, made.added) == (release, (), ())


@pytest.mark.parametrize(
    ("number", "difference"),
    [
        (21875, {"closing": "immediate"}),
        (22273, {"preabort": "restore"}),
        (22651, {"reserve": "late"}),
        (22753, {"held": "all"}),
        (22790, {"history": "at-create", "preabort": "skip", "abort": "transient", "flags": "unmarked"}),
        (22862, {"tail": "trimmed-at-release"}),
        (22897, {"overshoot": "kept"}),
        (22900, {"overshoot": "trimmed"}),
        (21404, {"revert": "never"}),
        (23327, {"revert": "always"}),
        (23496, {"leftover": "lost"}),
    ],
)
def test_what_each_change_taken_out_of_0_5_11_brings_back(number, difference):
    assert changed(compose(NEW, revert=[number]), NEW) == difference


@pytest.mark.parametrize(
    ("number", "difference"),
    [
        (21875, {"closing": "deferred", "tail": "trimmed-at-release"}),
        (22213, {"held": "flag"}),
        (22273, {"preabort": "skip", "abort": "transient"}),
        (22651, {"reserve": "preclaimed"}),
        (22753, {"held": "rows"}),
        (22862, {"tail": "freed-at-resume"}),
        (22897, {"overshoot": "trimmed"}),
        (22900, {}),
        (23327, {"revert": "ordinary"}),
        (23496, {"leftover": "freed"}),
    ],
)
def test_what_each_change_put_into_0_5_10_brings(number, difference):
    assert changed(compose(OLD, add=[number]), OLD) == difference


def test_the_cap_of_22900_needs_the_cut_of_22897():
    assert compose(OLD, add=[22897, 22900]).overshoot.name == "capped"


@pytest.mark.parametrize("release", [OLD, NEW])
def test_both_releases_measure_the_window_from_the_text_each_by_its_own_formula(release):
    made = compose(release)
    assert (made.clock.name, made.window.name) == ("text", made.base)


def test_all_changes_taken_out_of_0_5_11_leave_the_session_decisions_of_0_5_10():
    made = compose(NEW, revert=sorted(RELEASES[NEW].fixes - RELEASES[OLD].fixes))
    assert list(names(made).values()) == DECISIONS_OF[OLD]
    assert made.admission.name == "0.5.11"


def test_the_flag_of_22213_needs_22753_taken_out():
    made = compose(NEW, revert=[22753], add=[22213])
    assert made.held.name == "flag"
    assert (made.reverted, made.added) == ((22753,), (22213,))


def test_what_was_composed_is_noted_in_order():
    made = compose(NEW, revert=[22897, 21875])
    assert made.reverted == (21875, 22897)
    assert made.fixes == RELEASES[NEW].fixes - {21875, 22897}


@pytest.mark.parametrize(
    ("decision", "variant"), [(d, v) for d, known in sorted(variants().items()) for v in sorted(known)]
)
def test_a_decision_can_be_named_and_changes_nothing_else(decision, variant):
    made, plain = compose(NEW, decide={decision: variant}), compose(NEW)
    assert getattr(made, decision).name == variant
    assert {d: n for d, n in names(made).items() if d != decision} == {
        d: n for d, n in names(plain).items() if d != decision
    }


def test_four_decisions_are_about_a_pool_that_not_every_model_has():
    assert POOL_OF == {"clock": "swa", "leftover": "mamba", "revert": "mamba", "window": "swa"}
    assert set(POOL_OF) < set(variants())


def test_the_variants_that_can_be_named():
    assert {decision: sorted(known) for decision, known in variants().items()} == {
        "abort": ["nuke", "save", "transient"],
        "admission": ["0.5.10", "0.5.11"],
        "checks": ["0.5.10", "0.5.11"],
        "clock": ["committed", "reserved", "text"],
        "closing": ["deferred", "immediate"],
        "flags": ["marked", "unmarked"],
        "held": ["all", "flag", "rows"],
        "history": ["at-create", "at-finish"],
        "leftover": ["freed", "lost"],
        "overshoot": ["capped", "kept", "trimmed"],
        "preabort": ["detach", "restore", "skip"],
        "reserve": ["late", "preclaimed"],
        "revert": ["always", "never", "ordinary"],
        "tail": ["freed-at-resume", "kept", "trimmed-at-release"],
        "window": ["0.5.10", "0.5.11"],
    }


@pytest.mark.parametrize(
    ("release", "choices", "message"),
    [
        ("sglang-0.5.1", {}, "unknown release 'sglang-0.5.1'; write 'sglang-0.5.1"),
        ("vllm", {}, "unknown release 'vllm'; write one of sglang-0.5.10, sglang-0.5.11"),
        (NEW, {"revert": [22754]}, "unknown fix 22754; write '22753'"),
        (NEW, {"revert": [7]}, "unknown fix 7; write one of 21404, 21875, "),
        (NEW, {"add": [1]}, "unknown fix 1; write one of 21404, 21875, "),
        (
            NEW,
            {"revert": [22213]},
            "fix 22213 is not in sglang-0.5.11; 22753 replaced it: revert 22753 and add 22213",
        ),
        (OLD, {"revert": [22753]}, "fix 22753 is not in sglang-0.5.10; nothing is to be reverted"),
        (NEW, {"add": [22753]}, "fix 22753 is in sglang-0.5.11 already; leave it out of `add`"),
        (NEW, {"add": [22213]}, "fix 22213 has no effect beside 22753, which replaced it; revert 22753 too"),
        (NEW, {"decide": {"heldd": "all"}}, "unknown decision 'heldd'; write 'held'"),
        (NEW, {"decide": {"held": "row"}}, "unknown variant 'row' of decision 'held'; write 'rows'"),
        (
            NEW,
            {"decide": {"held": "zzz"}},
            "unknown variant 'zzz' of decision 'held'; write one of all, flag, rows",
        ),
    ],
)
def test_a_choice_that_does_not_exist_is_one_line_with_advice(release, choices, message):
    with pytest.raises(UnknownChoice) as error:
        compose(release, **choices)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_the_default_is_a_release_and_no_release_names_an_unknown_change():
    assert DEFAULT_RELEASE in RELEASES
    assert set().union(*(info.fixes for info in RELEASES.values())) <= set(FIXES)
