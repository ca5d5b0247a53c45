import pytest

from facekit.generation.storyboard_yaml import read_yaml, write_yaml


def test_aspects_timecodes_and_words_stay_text():
    data = read_yaml("a: [16:9, 9:16]\nt: 01:00:00:00\nw: [no, yes, on, off]\nd: 2026-11-21").data
    assert data == {
        "a": ["16:9", "9:16"],
        "t": "01:00:00:00",
        "w": ["no", "yes", "on", "off"],
        "d": "2026-11-21",
    }


def test_numbers_are_those_of_yaml_1_2():
    data = read_yaml("[1e-3, 010, -2, .5, 3., true, ~, null]").data
    assert data == [0.001, 10, -2, 0.5, 3.0, True, None, None]
    assert isinstance(data[1], int)


def test_every_key_and_item_has_its_line():
    found = read_yaml("a: 1\nb:\n  - {x: 1}\n  - y: 2\n    z: 3\n")
    assert found.lines["a",] == 1
    assert found.lines["b", 1] == 4
    assert found.lines["b", 1, "z"] == 5
    assert found.line(("b", 1, "missing", 3)) == 4


def test_a_key_said_twice_is_told_with_both_lines():
    found = read_yaml("a: 1\nb: 2\na: 3")
    assert found.data == {"a": 1, "b": 2}
    (mistake,) = found.mistakes
    assert mistake.line == 3
    assert "first in line 1" in mistake.text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [1\nb: 2", 2),
        ("a: 1\n---\nb: 2", 2),
        ("x: 1\ny: &y [*y]", 2),
        ("x: !!python/object/apply:os.getcwd []", 1),
        ("? [1, 2]\n: 3", 1),
        ("\0", 1),
        ("[" * 500, 1),
        ("a: &a [x, x, x, x, x, x, x, x]\n" + "b: &b [*a, *a, *a, *a, *a, *a, *a, *a]\n"
         + "c: &c [*b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c]\n"
         + "e: &e [*d, *d, *d, *d, *d, *d, *d, *d]\nf: [*e, *e, *e, *e, *e, *e, *e, *e]", 1),
    ],
)  # fmt: skip
def test_what_is_no_plain_data_is_refused(text, line):
    found = read_yaml(text)
    assert found.data is None
    assert found.mistakes[0].line == line


def test_what_is_written_comes_back():
    data = {
        "a": "16:9",
        "b": ["no", "010", "1e3", "1e-3", "~", "", "0x10", "1.5", "null"],
        "c": {"n": 1e-7, "f": 10.0, "i": 3, "t": True, "e": None},
        "text": "one: two\nthree # four",
        "letters": "Zürich 東京",
    }
    assert read_yaml(write_yaml(data)).data == data


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\nb:\n\tc: 2", 3, "a line begins with a tab, expected spaces"),
        ("a: 1\naction: @mira talking", 2, "expected quotes around it"),
    ],
)
def test_tabs_and_names_without_quotes_are_told_in_words(text, line, said):
    (mistake,) = read_yaml(text).mistakes
    assert mistake.line == line
    assert said in mistake.text
