"""Query parameters and bodies."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedock.dockerapi import query
from kubedock.errors import InvalidParameter

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("args", "value"),
    [({}, False)]
    + [({"x": text}, False) for text in ("", "0", "no", "No", "false", "False", "NONE", " 0 ")]
    + [({"x": text}, True) for text in ("1", "true", "True", "yes", "2", "off")],
)
def test_booleans(args, value):
    """What Docker takes for false, all else is true."""
    assert query.boolean(args, "x") is value


def test_a_default_counts_only_when_absent():
    """An empty parameter is false."""
    assert query.boolean({}, "x", default=True) is True
    assert query.boolean({"x": ""}, "x", default=True) is False


def test_numbers():
    """Absent and empty are none; anything else must be a number."""
    assert [query.integer({"t": text}, "t") for text in ("", "0", "-1", "+10")] == [None, 0, -1, 10]
    assert query.integer({}, "t") is None
    for text in ("x", "1.5", "1_0", " 1", "9" * 19, "\u0663"):
        with pytest.raises(InvalidParameter) as refusal:
            query.integer({"t": text}, "t")
        assert str(refusal.value) == f'invalid value "{text}" for t: invalid syntax'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", 'invalid resize height "": invalid syntax'),
        ("-1", 'invalid resize height "-1": invalid syntax'),
        ("x", 'invalid resize height "x": invalid syntax'),
        ("65536", 'invalid resize height "65536": value out of range'),
        ("9" * 5000, 'invalid resize height "' + "9" * 5000 + '": value out of range'),
    ],
)
def test_sizes_of_a_terminal(text, sentence):
    """Docker's sentences."""
    with pytest.raises(InvalidParameter) as refusal:
        query.natural({"h": text}, "h", "resize height")

    assert str(refusal.value) == sentence
    assert query.natural({"h": "40"}, "h", "resize height") == 40


def test_text():
    """Absent and empty are none; a required one must be there."""
    assert (query.text({}, "a"), query.text({"a": ""}, "a"), query.text({"a": "b"}, "a")) == (None, None, "b")
    assert query.required({"a": "b"}, "a") == "b"
    with pytest.raises(InvalidParameter, match=r'^missing required parameter "a"$'):
        query.required({"a": ""}, "a")


def test_signals_and_times():
    """Names as domain words; the sentence of a bad time names the parameter."""
    assert (query.signal({"signal": "SIGINT"}), query.signal({}), query.signal({"signal": ""})) == ("INT", None, None)
    assert query.timestamp({"since": "1767323045"}, "since", NOW) == NOW
    assert (query.timestamp({}, "since", NOW), query.timestamp({"since": "0"}, "since", NOW)) == (None, None)
    assert query.instant({"since": "1.000000001"}, "since", NOW) == 1_000_000_001
    with pytest.raises(InvalidParameter) as refusal:
        query.timestamp({"since": "x"}, "since", NOW)
    assert str(refusal.value) == 'invalid value for "since": failed to parse value as time or duration: "x"'


@pytest.mark.parametrize(
    ("text", "lines"), [("", None), ("all", None), ("-1", None), ("x", None), ("9" * 30, None), ("0", 0), ("100", 100)]
)
def test_tail(text, lines):
    """Everything that is no number means all."""
    assert query.tail({"tail": text}) == lines
    assert query.tail({}) is None


@pytest.mark.parametrize(
    ("source", "parsed"),
    [
        ("", {}),
        ("{}", {}),
        ("null", {}),
        ('{"label":{"a=b":true,"c":true}}', {"label": ("a=b", "c")}),
        ('{"label":["a=b","c","c"]}', {"label": ("a=b", "c")}),
        ('{"dangling":{"false":false},"name":[]}', {"dangling": ("false",), "name": ()}),
        ('{"name":null}', {"name": ()}),
    ],
)
def test_filters(source, parsed):
    """Go's form and everybody else's."""
    assert query.filters({"filters": source}) == parsed
    assert query.filters({}) == {}


@pytest.mark.parametrize(
    "source",
    ["x", "[]", "1", '"a"', '{"a":1}', '{"a":"b"}', '{"a":[1]}', '{"a":{"b":1}}', '{"a":NaN}', "[" * 100000, '{"a":1e999}'],
)
def test_what_are_no_filters(source):
    """Docker's sentence."""
    with pytest.raises(InvalidParameter, match=r"^invalid filter$"):
        query.filters({"filters": source})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON | st.dictionaries(st.text(), st.lists(st.text())))
def test_reading_filters_is_total(value):
    """Any JSON is filters or a refusal."""
    try:
        parsed = query.filters({"filters": json.dumps(value)})
    except InvalidParameter:
        return

    assert all(isinstance(item, str) for items in parsed.values() for item in items)


def test_bodies():
    """JSON with its unusable parts taken out."""
    assert query.body(b'\xef\xbb\xbf{"a": [1, null, "\\ud800x"]}') == {"a": [1, None, "\ufffdx"]}
    assert (query.optional_body(b""), query.optional_body(b" null "), query.optional_body(b'{"a":1}')) == ({}, {}, {"a": 1})


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"{}{}",
        b"NaN",
        b'{"a": Infinity}',
        b"[" * 200000,
        b'{"a":' * 70 + b"1" + b"}" * 70,
        b"9" * 5000,
        b'"\xff',
        b"99999999999999999999",
        b"1e999",
    ],
)
def test_malformed_bodies(raw):
    """A refusal, never anything else."""
    with pytest.raises(InvalidParameter, match=r"^invalid JSON: "):
        query.body(raw)


def test_an_empty_body():
    """Docker's sentence; an object is expected where one is needed."""
    with pytest.raises(InvalidParameter, match=r"^invalid JSON: got EOF while reading request body$"):
        query.body(b" \n")
    with pytest.raises(InvalidParameter, match=r"^invalid JSON: an object is expected$"):
        query.optional_body(b"[]")


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_reading_a_body_is_total(raw):
    """Any bytes are JSON that can be encoded again, or a refusal."""
    try:
        value = query.body(raw)
    except InvalidParameter:
        return

    json.dumps(value, ensure_ascii=False).encode()
