"""Reading of JSON, JSON lines and CSV: what does not matter, and what is refused and where."""

import json

import pytest
from pydantic import Field

from meshgait.errors import ConfigError, DataError
from meshgait.textfiles.reading import Line, Schema, TextFile

MARK = b"\xef\xbb\xbf"


class Person(Schema):
    name: Line
    age: float
    children: list[int] = Field(default=[])


@pytest.fixture
def file(tmp_path):
    def make(data):
        path = tmp_path / "file.txt"
        path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"))
        return TextFile(path, "mend it")

    return make


@pytest.mark.parametrize("mark", [b"", MARK], ids=["plain", "mark"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["unix", "windows"])
def test_marks_and_line_ends_do_not_matter(file, mark, end):
    text = mark + b'{"name": "Zo\xc3\xab",' + end + b'"age": 3}' + end
    assert file(text).json() == {"name": "Zoë", "age": 3}
    assert file(mark + b"a, b " + end + b" 1 ,2" + end + end).csv() == (["a", "b"], [(2, {"a": "1", "b": "2"})])
    assert file(mark + b"a: 1" + end + b"b: x" + end).yaml() == {"a": 1, "b": "x"}
    assert file(mark + b'{"a": 1}' + end + b'{"a": 2}' + end).json_lines(dict) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("{", r"file\.txt, line 1, column 2: "),
        ("", "line 1, column 1: "),
        ('{"a": 1, "a": 2}', "a comes twice"),
        ("[" * 100_000, "64 deep"),
        ("[" * 65 + "]" * 65, "64 deep"),
        ("9" * 5000, "5000 digits"),
        ("1e999", "1e999 is too large"),
        (b"\xff\xfe{\x00}\x00", "line 1: byte 0 is no UTF-8; save the file as UTF-8"),
        (b'{\n"a": "\xb0"}', "line 2: byte 8 is no UTF-8"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(file, text, where):
    with pytest.raises(DataError, match=where) as error:
        file(text).json()
    assert str(error.value).endswith("; mend it") and "\n" not in str(error.value)


def test_json_of_64_levels_is_read_and_nan_is_null(file):
    content = file("[" * 64 + "NaN" + "]" * 64).json()
    for _ in range(64):
        (content,) = content
    assert content is None
    assert file("[NaN, Infinity, -Infinity, 1e308]").json() == [None, None, None, 1e308]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"age": "3"}, "age: input should be a valid number"),
        ({"age": True}, "age: "),
        ({"name": 3}, "name: "),
        ({"name": "a\nb"}, "name: it must be text on one line"),
        ({"name": "a\x1b[31m"}, "name: it must be text on one line"),
        ({"name": "\ud800"}, "name: it must be text"),
        ({"children": [1, 2.5]}, r"children\.1: "),
        ({"children": {}}, "children: "),
    ],
)
def test_what_is_not_of_the_schema_is_named(file, change, where):
    content = {"name": "Anna", "age": 30, "more": 1}
    assert file(json.dumps(content)).json(Person).model_dump() == content | {"children": []}
    with pytest.raises(DataError, match=where):
        file(json.dumps(content | change)).json(Person)


def test_the_error_is_the_one_asked_for_and_says_what_the_file_should_be(tmp_path):
    file = TextFile(tmp_path / "none", "make it", "list of people", ConfigError)
    with pytest.raises(ConfigError, match="none does not exist; make it"):
        file.json()
    (tmp_path / "none").write_text("[]")
    with pytest.raises(ConfigError, match=r"none holds no list of people \(input should be .*\); make it"):
        file.json(Person)
    with pytest.raises(ConfigError, match="cannot be read"):
        TextFile(tmp_path, error=ConfigError).text()


def test_what_is_too_large_is_not_read_whole(file):
    assert file("x" * 2048).text(2048) == "x" * 2048
    with pytest.raises(DataError, match="more than 2 KB"):
        file("x" * 2049).text(2048)
    with pytest.raises(DataError, match="more than 1 KB"):
        TextFile("/dev/zero").text(1024)


def test_a_last_line_alone_may_be_cut(file):
    assert file('{"a": 1}\n\n{"a": 2').json_lines(dict) == [{"a": 1}]
    for text in ('{"a": 1}\n{"a": 2\n', '{"a": \n{"a": 1}\n', '3\n{"a": 1}'):
        with pytest.raises(DataError, match=r"line [12]"):
            file(text).json_lines(dict)


def test_lines_end_where_json_and_csv_say_so(file):
    names = "a\u2028b\x85c\x1cd"
    assert file(json.dumps({"a": names}, ensure_ascii=False) + "\n").json_lines(dict) == [{"a": names}]
    assert file(f'a,b\n{names},"x\ny"\n1,2\n').csv()[1] == [
        (3, {"a": names, "b": "x\ny"}), (4, {"a": "1", "b": "2"})
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a,b\n1\n", "line 2: it has 1 cells for 2 columns"),
        ("a,b\n1,2\n1,2,3\n", "line 3: it has 3 cells for 2 columns"),
        ("a,b,a\n", "the column a comes twice"),
        ('a\n"x\n', "cannot be read as csv"),
        ('a\n"x"y\n', "cannot be read as csv"),
        ("a\n" + "x" * 200_000, "cannot be read as csv"),
    ],
)
def test_what_is_no_csv_is_refused_with_its_place(file, text, where):
    with pytest.raises(DataError, match=where):
        file(text).csv()


def test_csv_with_commas_at_the_end_or_one_column(file):
    assert file("a,b,\n1,2,\n 3 , ,\n").csv() == (
        ["a", "b"],
        [(2, {"a": "1", "b": "2"}), (3, {"a": "3", "b": ""})],
    )
    assert [cells["a"] for _, cells in file('a\nx\n""\ny\n').csv()[1]] == ["x", "", "y"]
    assert file("").csv() == ([], [])
