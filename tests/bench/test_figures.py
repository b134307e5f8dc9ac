"""What is held to a bound is what the bound is about."""

from tests.bench.ports import cost


def test_what_a_published_port_costs_is_the_difference_of_the_medians() -> None:
    """The lower quartiles' is told beside it, and misses nothing."""
    without = [0.100, 0.110, 0.120, 0.130, 0.140]
    with_one = [0.100, 0.111, 0.131, 0.150, 0.900]

    figures = cost(without, with_one, "here", "load 1.0")

    assert [(figure.row()[0], figure.met, figure.note) for figure in figures] == [
        ("start here", True, "medians of 5; load 1.0"),
        ("start here with a published port", True, ""),
        ("what a published port costs here", False, "lower quartiles: 0.5 ms"),
    ]
    assert round(figures[-1].value, 6) == 11
