"""Tables, the page, and results that are kept and read again."""

from pathlib import Path

import pytest

from bench.figures import Row
from bench.report import Results, aims, as_text, figures, limits, load, reasons, targets, verdict
from bench.report.page import BEGIN, END, section
from bench.report.tables import as_markdown
from bench.report.words import number


@pytest.fixture
def results() -> Results:
    found = Results("2026-01-01 00:00 UTC", "2 cores", False, 2, {"kwire": "1.0", "kafka": "4.4.0"})
    found.add_rows([Row("start", "start to first answer", "ms"), Row("topics", "1,000 topics", "ms")])
    for round_number, (ours, theirs) in enumerate([(150.0, 3000.0), (170.0, 3400.0)]):
        found.add(round_number, "kwire", "start", ours)
        found.add(round_number, "kafka", "start", theirs)
    found.add(1, "kwire", "topics", 90.0)
    found.lack("kafka", "topics", "said no | twice")
    found.lack("kafka", "topics", "a later reason")
    return found


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (0.2534, "0.253"),
        (0.0004, "0.0004"),
        (4.312, "4.31"),
        (87.25, "87.2"),
        (999.4, "999"),
        (1234.5, "1,230"),
        (2_187_000, "2,190,000"),
    ],
)
def test_numbers_have_three_digits_that_count(value: float, expected: str) -> None:
    assert number(value) == expected


def test_figures_have_medians_spreads_and_the_ratio_to_kafka(results: Results) -> None:
    assert figures(results) == [
        ["figure", "unit", "kwire", "kafka", "kwire / kafka"],
        ["start to first answer", "ms", "160 ±6%", "3,200 ±6%", "0.05x"],
        ["1,000 topics", "ms", "90 ±0% (1 of 2)", "-", "-"],
    ]


def test_the_first_reason_for_a_missing_figure_is_told(results: Results) -> None:
    assert reasons(results)[1:] == [["kafka", "1,000 topics", "said no | twice"]]


def test_a_reason_is_not_told_where_another_round_gave_a_value(results: Results) -> None:
    results.add(0, "kafka", "topics", 2000.0)
    assert reasons(results)[1:] == []


def test_only_targets_that_the_run_can_judge_are_told(results: Results) -> None:
    assert [line[0] for line in targets(results)[1:]] == ["start to first answer", "1,000 topics created"]
    assert [line[3] for line in targets(results)[1:]] == ["held", "held"]
    assert verdict(results) == "2 of 2 targets hold as given."


def test_a_target_is_judged_as_given_and_as_the_ratio_to_kafka_that_it_was_set_at(results: Results) -> None:
    ours, topics = targets(results)[1:]
    assert ours[1:] == ["≤ 250 ms", "160 ms", "held", "≤ 0.0893x kafka", "0.05x", "held"]
    assert topics[4:] == ["≤ 0.125x kafka", "-", "unknown"]


def test_a_slow_machine_misses_the_absolute_and_holds_the_ratio(results: Results) -> None:
    for round_number in range(2):
        results.add(round_number, "kwire", "start", 600.0)
        results.add(round_number, "kafka", "start", 8000.0)
    assert [targets(results)[1][3], targets(results)[1][6]] == ["not held", "held"]
    assert verdict(results) == (
        "1 of 2 targets hold as given. "
        "Held beside Kafka only, at the ratio they were set at: start to first answer."
    )


def test_aims_are_judged_likewise(results: Results) -> None:
    assert aims(results)[1][1:] == ["≤ 150 ms", "160 ms", "not held", "≤ 0.0536x kafka", "0.05x", "held"]


def test_a_figure_stands_beside_the_machines_limit(results: Results) -> None:
    results.add_rows([Row("produce/franz/1024/none", "produce", "MB/s", more_is_better=True)])
    results.add(0, "kwire", "produce/franz/1024/none", 500.0)
    results.limits = {"socket_bytes_per_second": 2e9}
    assert limits(results)[1:] == [["produce", "500", "one socket", "2,000", "MB/s", "25%"]]


def test_a_latency_is_told_beside_that_of_one_byte(results: Results) -> None:
    results.add_rows([Row("roundtrips/1/p99", "one-record produce, p99", "ms")])
    results.add(0, "kwire", "roundtrips/1/p99", 0.8)
    results.limits = {"round_trip_p99_seconds": 0.0002}
    assert limits(results)[1:] == [
        ["one-record produce, p99", "0.8", "one byte there and back, p99", "0.2", "ms", "25%"]
    ]


def test_results_are_read_as_they_were_kept(results: Results, tmp_path: Path) -> None:
    results.save(tmp_path / "folder" / "run.json")
    assert load(tmp_path / "folder" / "run.json") == results


def test_a_value_of_an_unknown_row_is_refused(results: Results) -> None:
    with pytest.raises(KeyError):
        results.add(0, "kwire", "no-such-row", 1.0)


def test_columns_of_text_are_padded_and_pipes_in_markdown_escaped() -> None:
    assert as_text([["a", "bb"], ["ccc", "d"]]) == "a    bb\nccc   d"
    assert as_markdown([["a", "b"], ["x|y", "z"]]) == "| a | b |\n| --- | ---: |\n| x\\|y | z |"


def test_the_written_part_of_the_page_has_targets_figures_and_plots(results: Results, tmp_path: Path) -> None:
    text = section(results, [tmp_path / "performance" / "ready.svg"], tmp_path)
    assert "![ready](performance/ready.svg)" in text
    assert "| start to first answer | ≤ 250 ms | 160 ms | held |" in text
    assert BEGIN not in text
    assert END not in text
