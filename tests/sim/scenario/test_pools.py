"""The keys of the windowed pool and of the states: what they spell, their defaults, and the memory they ask for."""

import pytest

from sim.config import MambaConfig, SwaConfig
from sim.scenario.sizes import memory_needed

REST = "workload: [{request: r, prompt: 4, output: 2}]\n"


def config(scenario, pool, **more):
    lines = "".join(f"{key}: {value}\n" for key, value in more.items())
    (variant,) = scenario(f"name: x\n{lines}pool: {{{pool}}}\n{REST}").variants.values()
    return variant.config


def test_a_plain_pool_has_neither(scenario):
    pool = config(scenario, "tokens: 1000").pool
    assert (pool.swa, pool.mamba, pool.names, pool.sizes) == (None, None, ("full",), {"full": 1000})


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("", SwaConfig(tokens=800, window=128)),
        ("ratio: 0.5", SwaConfig(tokens=500, window=128)),
        ("tokens: 640, window: 16", SwaConfig(tokens=640, window=16)),
        ("eviction_multiplier: 0.5", SwaConfig(tokens=800, window=128, eviction_multiplier=0.5)),
    ],
)
def test_a_windowed_pool(scenario, keys, expected):
    pool = config(scenario, f"tokens: 1000, swa: {{{keys}}}").pool
    assert pool.swa == expected
    assert pool.names == ("full", "swa")


def test_a_ratio_gives_whole_pages(scenario):
    """0.8 of 1008 tokens are 806: 50 pages of 16."""
    assert config(scenario, "tokens: 1008, page_size: 16, swa: {ratio: 0.8}").pool.swa.tokens == 800


def test_the_window_is_the_models(scenario):
    pool = config(scenario, "tokens: 1000, swa: {}", model="gpt-oss-20b").pool
    assert (pool.swa.window, pool.swa.tokens) == (128, 800)


@pytest.mark.parametrize(
    ("keys", "page", "expected"),
    [
        ("slots: 24", 1, MambaConfig(slots=24)),
        ("slots: 24, strategy: extra_buffer", 1, MambaConfig(slots=24, strategy="extra_buffer")),
        ("slots: 24, strategy: extra_buffer", 128, MambaConfig(slots=24, strategy="extra_buffer", chunk=128)),
        (
            "slots: 9, strategy: extra_buffer, track_interval: 32, chunk: 16", 16,
            MambaConfig(slots=9, strategy="extra_buffer", track_interval=32, chunk=16),
        ),
    ],
)  # fmt: skip
def test_states(scenario, keys, page, expected):
    pool = config(scenario, f"tokens: 1024, page_size: {page}, mamba: {{{keys}}}").pool
    assert pool.mamba == expected
    assert pool.sizes == {"full": 1024, "mamba": expected.slots}


@pytest.mark.parametrize(
    ("keys", "knobs", "overlap", "running"),
    [
        ("slots: 24", "{}", False, 8),
        ("slots: 24", "{radix: false}", True, 24),
        ("slots: 24, strategy: extra_buffer", "{}", True, 4),
        ("slots: 24, strategy: extra_buffer", "{overlap: false}", False, 6),
        ("slots: 2", "{}", False, 1),
        ("slots: 900", "{}", False, 64),
        ("slots: 24", "{max_running: 20}", False, 20),
    ],
)
def test_how_many_run_and_whether_they_overlap_is_as_the_release_reckons(scenario, keys, knobs, overlap, running):
    scheduler = config(scenario, f"tokens: 1000, mamba: {{{keys}}}", scheduler=knobs).scheduler
    assert (scheduler.overlap, scheduler.max_running) == (overlap, running)


def test_a_variant_changes_a_part_of_a_pool_or_takes_it_away(scenario):
    text = (
        "name: x\npool: {tokens: 1000, swa: {tokens: 640, window: 16}, mamba: {slots: 24}}\n" + REST
        + "variants:\n  a: {}\n  b: {pool: {swa: {window: 32}, mamba: {slots: 12}}}\n  c: {pool: {swa: null}}\n"
    )  # fmt: skip
    a, b, c = (v.config.pool for v in scenario(text).variants.values())
    assert a.names == ("full", "swa", "mamba")
    assert (b.swa.tokens, b.swa.window, b.mamba.slots) == (640, 32, 12)
    assert c.names == ("full", "mamba")


@pytest.mark.parametrize(
    ("base", "own", "tokens"),
    [
        ("ratio: 0.5", "tokens: 300", 300), ("tokens: 300", "ratio: 0.5", 500), ("ratio: 0.5", "ratio: 0.4", 400),
        ("ratio: 0.5", "tokens: 300, ratio: null", 300), ("ratio: 0.5", "tokens: null", 500),
        ("ratio: 0.5", "window: 9", 500),
    ],
)  # fmt: skip
def test_a_variant_s_size_of_the_windowed_pool_replaces_the_other_one(scenario, base, own, tokens):
    text = f"pool: {{tokens: 1000, swa: {{{base}}}}}\n{REST}variants: {{b: {{pool: {{swa: {{{own}}}}}}}}}\n"
    assert scenario(text).variants["b"].config.pool.swa.tokens == tokens


@pytest.mark.parametrize(
    "text",
    [
        "revert: [22900]\nvariants: {with: {pool: {swa: {}}}, without: {}}\n",
        "decide: {clock: reserved}\nvariants: {with: {pool: {swa: {}}}, without: {}}\n",
        "variants: {r11: {}, r10: {release: sglang-0.5.10}}\npool: {tokens: 1000, swa: {eviction_multiplier: 0.5}}\n",
        "release: sglang-0.5.10\ndecide: {window: 0.5.11}\npool: {tokens: 1000, swa: {eviction_multiplier: 0.5}}\n",
        "pool: {tokens: 1000, mamba: {slots: 9, strategy: extra_buffer, chunk: 8, track_interval: 8}}\n"
        "variants: {a: {}, b: {pool: {mamba: {strategy: no_buffer}}}}\n",
        "pool: {tokens: 1024, page_size: 16, mamba: {slots: 9, strategy: extra_buffer, chunk: 8}}\n",
    ],
)
def test_what_does_something_in_one_variant_may_stand_for_all(scenario, text):
    pool = "" if "\npool" in text or text.startswith("pool") else "pool: {tokens: 1000}\n"
    assert scenario(f"{pool}{text}{REST}").variants


def test_the_memory_asked_for_counts_every_pool(scenario):
    half, windowed = (
        memory_needed(config(scenario, f"tokens: 1000, swa: {{ratio: {ratio}}}", model="gpt-oss-20b"))
        for ratio in (0.4, 0.8)
    )
    assert windowed - half >= 400 * 24_576
    few, states = (
        memory_needed(config(scenario, f"tokens: 1000, mamba: {{slots: {slots}}}", model="qwen3-next-80b-a3b"))
        for slots in (10, 20)
    )
    assert 10 * 77_266_944 <= states - few <= 12 * 77_266_944


def test_a_point_may_name_figures_of_every_pool(scenario):
    text = (
        "name: x\npool: {tokens: 1000, swa: {window: 8}, mamba: {slots: 9}}\n"
        "workload: [{session: a, turns: [{prompt: 4, output: 2}]}]\n"
        "expect: {default: {verdict: leak, pool: swa, points: [{at: 0, swa: {delta: -4}, mamba: {sum: 9},"
        " sessions: {a: {e: 42, held_swa: -4, states: 1}}}]}}\n"
    )
    (variant,) = scenario(text).variants.values()
    (point,) = variant.expect.points
    assert (point.swa, point.mamba, point.full) == ({"delta": -4}, {"sum": 9}, {})
    assert point.sessions == {"a": {"e": 42, "held_swa": -4, "states": 1}}
    assert variant.expect.verdicts[0].pool == "swa"
