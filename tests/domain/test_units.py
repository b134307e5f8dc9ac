"""Signals, sizes, durations, times."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedock.domain import units
from kubedock.errors import InvalidParameter

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "name", "number"),
    [
        ("TERM", "TERM", 15),
        ("SIGTERM", "TERM", 15),
        ("sigterm", "TERM", 15),
        ("15", "TERM", 15),
        ("9", "KILL", 9),
        ("INT", "INT", 2),
        ("SIGCLD", "CHLD", 17),
        ("RTMIN", "RTMIN", 34),
        ("SIGRTMIN+3", "RTMIN+3", 37),
        ("RTMIN+15", "RTMIN+15", 49),
        ("RTMAX-14", "RTMAX-14", 50),
        ("rtmax", "RTMAX", 64),
        ("WINCH", "WINCH", 28),
    ],
)
def test_a_signal_in_any_spelling(text, name, number):
    """Names with and without SIG, numbers, real-time signals."""
    assert (units.signal_name(text), units.signal_number(text)) == (name, number)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "invalid signal: "),
        ("0", "invalid signal: 0"),
        ("NOSUCH", "invalid signal: NOSUCH"),
        ("SIGSIGTERM", "invalid signal: SIGSIGTERM"),
        ("65", "the linux daemon does not support signal 65"),
        ("33", "the linux daemon does not support signal 33"),
        ("-1", "the linux daemon does not support signal -1"),
        ("1_5", "invalid signal: 1_5"),
        ("\uff19", "invalid signal: \uff19"),
        ("1" * 5000, "invalid signal: " + "1" * 5000),
    ],
)
def test_what_is_no_signal(text, sentence):
    """Docker's sentence names what was sent."""
    with pytest.raises(InvalidParameter) as refusal:
        units.signal_name(text)

    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1048576", 2**20),
        ("512m", 2**29),
        ("1.5g", 3 * 2**29),
        ("64KiB", 2**16),
        ("64 kb", 2**16),
        ("3B", 3),
        ("1T", 2**40),
    ],
)
def test_sizes_are_binary(text, size):
    """k is 1024, as in Docker."""
    assert units.parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "m", "-1", "1.5.5g", "1x", "10%", "0x10"])
def test_what_is_no_size(text):
    """The sentence shows it."""
    with pytest.raises(InvalidParameter, match=r"^invalid size: '"):
        units.parse_memory(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("1h30m", 5400),
        ("1.5s", 1.5),
        ("300ms", 0.3),
        ("-2s", -2),
        ("+2s", 2),
        ("1m.5s", 60.5),
        ("5us", 5e-6),
        ("5µs", 5e-6),
    ],
)
def test_go_durations(text, seconds):
    """As Go's time.ParseDuration."""
    assert units.parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "1d", "1 s", "5S", "9999999999999h", "1" * 400 + "s", "."])
def test_what_is_no_duration(text):
    """Go's sentence."""
    with pytest.raises(InvalidParameter) as refusal:
        units.parse_duration(text)

    assert str(refusal.value) == f'time: invalid duration "{text}"'


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("", None),
        ("0", None),
        ("0.0", None),
        ("0.000000000", None),
        ("1", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
        ("1700000000.123456789", datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC)),
        ("1700000000.5", datetime(2023, 11, 14, 22, 13, 20, 500000, tzinfo=UTC)),
        ("253402300799", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("253402300800", units.LATEST),
        ("9" * 29, units.LATEST),
        ("-1", datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("-" + "9" * 29, units.EARLIEST),
        ("2026-01-02T03:04:05Z", NOW),
        ("2026-01-02T03:04:05.25Z", NOW + timedelta(milliseconds=250)),
        ("2026-01-02T05:04:05.123456789+02:00", NOW + timedelta(microseconds=123456)),
        ("2026-01-02T03:04:05", NOW),
        ("2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
        ("2026-01-02T03:04", datetime(2026, 1, 2, 3, 4, tzinfo=UTC)),
        ("10m", NOW - timedelta(minutes=10)),
        ("-10m", NOW + timedelta(minutes=10)),
        ("2540400h", NOW - timedelta(hours=2540400)),
    ],
)
def test_since_and_until(text, moment):
    """Unix seconds, RFC 3339, durations back from now; year 9999 does not overflow (.NET sends it)."""
    assert units.parse_timestamp(text, NOW) == moment


def test_an_instant_has_nanoseconds():
    """A client asks for what follows a log line by the line's time and one nanosecond."""
    assert units.parse_instant("1700000000.123456789", NOW) == 1_700_000_000_123_456_789
    assert units.parse_instant("2023-11-14T22:13:20.123456790Z", NOW) == 1_700_000_000_123_456_790
    assert units.parse_instant("0", NOW) is None


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "2026-01-02T25:00", "1.2.3", "0x10", "0001-01-01T00:00:00+10:00", "٣"])
def test_what_is_no_time(text):
    """Docker's sentence names what was sent."""
    with pytest.raises(InvalidParameter) as refusal:
        units.parse_timestamp(text, NOW)

    assert str(refusal.value) == f'failed to parse value as time or duration: "{text}"'


def test_a_duration_beyond_the_calendar():
    """It ends at the first or the last moment that there is."""
    assert units.parse_timestamp("2540400h", units.EARLIEST) == units.EARLIEST
    assert units.parse_timestamp("-2540400h", units.LATEST) == units.LATEST


@given(st.text(max_size=30))
def test_reading_a_time_is_total(text):
    """Any text is a time, none, or a refusal."""
    try:
        moment = units.parse_timestamp(text, NOW)
    except InvalidParameter:
        return

    assert moment is None or moment.tzinfo is not None


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (None, "0001-01-01T00:00:00Z"),
        (NOW, "2026-01-02T03:04:05Z"),
        (NOW + timedelta(microseconds=120), "2026-01-02T03:04:05.00012Z"),
        (NOW.astimezone(timezone(timedelta(hours=2))), "2026-01-02T03:04:05Z"),
        (units.EARLIEST, "0001-01-01T00:00:00Z"),
    ],
)
def test_times_as_go_writes_them(moment, text):
    """No trailing zeros; None is the zero time."""
    assert units.rfc3339(moment) == text


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1000, 1, 1)))
def test_times_round_trip(moment):
    """What is written reads back, and nanoseconds are exact."""
    assert units.parse_timestamp(units.rfc3339(moment), NOW) == moment
    assert units.EPOCH + timedelta(microseconds=units.nanoseconds(moment) // 1000) == moment


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "Less than a second"),
        (0.9, "Less than a second"),
        (1, "1 second"),
        (3, "3 seconds"),
        (59.9, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (3599, "59 minutes"),
        (3600, "About an hour"),
        (5399, "About an hour"),
        (5400, "2 hours"),
        (47.4 * 3600, "47 hours"),
        (48 * 3600, "2 days"),
        (13.9 * 86400, "13 days"),
        (14 * 86400, "2 weeks"),
        (60 * 86400, "2 months"),
        (729 * 86400, "24 months"),
        (730 * 86400, "2 years"),
    ],
)
def test_ages_in_words(seconds, words):
    """The words of docker ps."""
    assert units.human_duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0000005, "500ns"),
        (0.0015, "1.5ms"),
        (0.0000015, "1.5µs"),
        (0.05, "50ms"),
        (1, "1s"),
        (1.5, "1.5s"),
        (30, "30s"),
        (60, "1m0s"),
        (90.25, "1m30.25s"),
        (3600, "1h0m0s"),
        (90061.001, "25h1m1.001s"),
    ],
)
def test_durations_as_go_writes_them(seconds: float, text: str) -> None:
    """And as they are read again."""
    assert units.go_duration(seconds) == text
    assert units.parse_duration(text) == pytest.approx(seconds)
