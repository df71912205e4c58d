"""Text files that others wrote (JSON, JSON lines, CSV, YAML): read within limits, checked by a schema.

Everything that may come from a stranger is read here and nowhere else. A file is UTF-8, with or without a byte
order mark, and lines may end as on any system. What does not fit is one error on one line: file, place, what,
remedy.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NoReturn

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from meshgait.errors import DataError, MeshGaitError
from meshgait.text import shown
from meshgait.textfiles.json_text import parse_json
from meshgait.textfiles.words import BREAKING
from meshgait.textfiles.yaml_text import parse_yaml, yaml_problem

CHUNK = 1 << 16
MOST_BYTES = 64 << 20
MOST_JSON_BYTES = 16 << 20  # as Python objects it takes up to twenty times as much
MOST_YAML_BYTES = 1 << 18  # which PyYAML reads in seconds


class Schema(BaseModel):
    """Base of the schemas: types as they are written, no guessing; what a schema does not name is kept."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


def _one_line(text: str) -> str:
    if BREAKING.search(text):
        raise ValueError("it must be text on one line, without control characters")
    return text


Line = Annotated[str, AfterValidator(_one_line), Field(max_length=10_000)]
"""Text that can be printed on one line."""


@dataclass(frozen=True)
class TextFile:
    """A text file to read.

    Args:
        path: of the file.
        remedy: what to do if it cannot be used.
        kind: what it should be, such as "figures of a run".
        error: raised then.
    """

    path: Path | str
    remedy: str = "repair or replace it"
    kind: str = ""
    error: type[MeshGaitError] = DataError

    def text(self, most: int = MOST_BYTES) -> str:
        """The whole content, without a byte order mark; line ends as they are.

        Raises:
            MeshGaitError: the file is missing, no UTF-8, or has more than ``most`` bytes.
        """
        try:
            data = bytearray()
            with Path(self.path).open("rb") as file:
                while len(data) <= most and (chunk := file.read(CHUNK)):  # which may be a pipe without end
                    data += chunk
        except FileNotFoundError:
            raise self.error(f"{self.path} does not exist", f"{self.remedy}") from None
        except (OSError, ValueError) as error:  # ValueError: a name that no file can have
            reason = getattr(error, "strerror", None) or error
            raise self.error(f"{self.path} cannot be read ({reason})", "check the path and its rights") from error
        if len(data) > most:
            self.refuse("", f"it has more than {most >> 10} KB")
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            self.refuse(f"line {line}", f"byte {error.start} is no UTF-8; save the file as UTF-8")

    def json(self, schema: Any = None) -> Any:  # noqa: ANN401
        """Content of a JSON file.

        Args:
            schema: type that pydantic knows, such as a `Schema`; None: any content.

        Raises:
            MeshGaitError: it is no JSON, or not of the schema.
        """
        return self._checked(schema, self._json(self.text(MOST_JSON_BYTES)))

    def json_lines(self, schema: Any) -> list[Any]:  # noqa: ANN401
        """Values of a file with one JSON value a line.

        A last line that is cut off, as a killed program leaves it, is left out.

        Raises:
            MeshGaitError: a line is no JSON, or not of the schema.
        """
        lines, values = self.text().split("\n"), []
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                values.append(self._checked(schema, self._json(line, f"line {number}"), f"line {number}"))
            except MeshGaitError:
                if number < len(lines):
                    raise
        return values

    def csv(self) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
        """Names of the columns, and number in the file and cells by column of each row.

        Raises:
            MeshGaitError: it is no CSV, a column comes twice, or a row has too many or too few cells.
        """
        reader = csv.reader(io.StringIO(self.text(), newline=""), skipinitialspace=True, strict=True)
        rows = []
        try:
            columns = [cell.strip() for cell in next(reader, [])]
            while columns and not columns[-1]:  # a comma at the end
                columns.pop()
            if twice := sorted({name for name in columns if columns.count(name) > 1}):
                self.refuse("line 1", f"the column {twice[0]} comes twice")
            for row in reader:
                number, cells = reader.line_num, [cell.strip() for cell in row]
                while len(cells) > len(columns) and not cells[-1]:
                    cells.pop()
                if not cells or (len(columns) > 1 and cells == [""]):
                    continue
                if len(cells) != len(columns):
                    self.refuse(f"line {number}", f"it has {len(cells)} cells for {len(columns)} columns")
                rows.append((number, dict(zip(columns, cells, strict=True))))
        except csv.Error as error:
            self.refuse(f"line {reader.line_num}", f"it cannot be read as csv ({error})")
        return columns, rows

    def yaml(self, schema: Any = None) -> Any:  # noqa: ANN401
        """Content of a YAML file; ``schema`` as in `json`.

        Raises:
            MeshGaitError: it is no YAML, has a key twice, or is not of the schema.
        """
        text = self.text(MOST_YAML_BYTES)
        try:
            content = parse_yaml(text)
        except yaml.YAMLError as error:
            self.refuse(*yaml_problem(error))
        return self._checked(schema, content)

    def refuse(self, place: str, what: str) -> NoReturn:
        """Raise the error of the file.

        Args:
            place: in the file, or "".
            what: is wrong there.
        """
        if self.kind:
            inner = ": ".join(part for part in (place, shown(what)) if part)
            raise self.error(f"{self.path} holds no {self.kind} ({inner})", f"{self.remedy}") from None
        where = ", ".join(part for part in (str(self.path), place) if part)
        raise self.error(f"{where}: {shown(what)}", f"{self.remedy}") from None

    def _json(self, text: str, place: str = "") -> Any:  # noqa: ANN401
        try:
            return parse_json(text)
        except json.JSONDecodeError as error:
            place = f"{place or f'line {error.lineno}'}, column {error.colno}"
            self.refuse(place, f"it cannot be read as JSON ({error.msg})")
        except ValueError as error:
            self.refuse(place, str(error))

    def _checked(self, schema: Any, content: Any, place: str = "") -> Any:  # noqa: ANN401
        if schema is None:
            return content
        try:
            return _adapter(schema).validate_python(content, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            inner = ".".join(shown(part) for part in first["loc"])
            what = first["msg"].lower().removeprefix("value error, ")
            what = what.replace("dictionary", "mapping of names to values")
            self.refuse(", ".join(part for part in (place, inner) if part), what)


@cache
def _adapter(schema: Any) -> TypeAdapter:  # noqa: ANN401
    return TypeAdapter(schema)
