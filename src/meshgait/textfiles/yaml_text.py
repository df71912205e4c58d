"""YAML in plain types, within limits, with each key once in a section."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml

from meshgait.errors import ConfigError
from meshgait.text import shown
from meshgait.textfiles.json_text import DEEPEST, MOST_DIGITS, TOO_DEEP

MOST_BRACKETS = 4 * DEEPEST
MOST_NODES = 200_000
"""Values of a file once its aliases are put in."""


class UnfitYaml(yaml.MarkedYAMLError):
    """YAML that is well formed but misleading or too large: a key that comes twice, aliases without end."""


class _Loader(yaml.SafeLoader):
    """The safe loader, which also refuses keys that come twice and very long numbers."""

    # the stubs of PyYAML take the name of an anchor for a dict

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:  # type: ignore[override]
        """A section, whose keys must differ; they are compared as written, before merges are resolved."""
        node = super().compose_mapping_node(anchor)  # type: ignore[arg-type]
        first: dict[tuple[str, str], yaml.ScalarNode] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                before = first.setdefault((key.tag, key.value), key)
                if before is not key:
                    raise UnfitYaml(
                        problem=f"{key.value} was given before, in line {before.start_mark.line + 1}, and only "
                        "one of the two would count; keep one",
                        problem_mark=key.start_mark,
                    )
        return node

    def compose_scalar_node(self, anchor: str | None) -> yaml.ScalarNode:  # type: ignore[override]
        """A value; refuses numbers whose digits would take too long to convert."""
        node = super().compose_scalar_node(anchor)  # type: ignore[arg-type]
        if node.tag.endswith(":int") and len(node.value) > MOST_DIGITS:
            raise UnfitYaml(
                problem=f"the number has {len(node.value)} digits, which is too large",
                problem_mark=node.start_mark,
            )
        return node


def check_yaml(text: str) -> yaml.Node | None:
    """Refuse misleading YAML; return the document as a tree of nodes.

    Raises:
        UnfitYaml: a key comes twice in a section, or lists and sections are too deep or too many.
        yaml.YAMLError: it is no YAML.
    """
    return _composed(text)[1]


def _composed(text: str) -> tuple[_Loader, yaml.Node | None]:
    """A loader, and the tree of nodes that it composes from the text."""
    # PyYAML takes seconds for hundreds of open brackets; those in words count as well, hence many are allowed
    depth = 0
    for bracket in re.findall(r"[\[\]{}]", text):
        depth += 1 if bracket in "[{" else -1
        if depth > MOST_BRACKETS:
            raise UnfitYaml(problem=TOO_DEEP)
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
    except RecursionError:
        raise UnfitYaml(problem=TOO_DEEP) from None
    if node is not None:
        _count_nodes(node, {}, 0)
    return loader, node


def _count_nodes(node: yaml.Node, known: dict[yaml.Node, int], depth: int) -> int:
    """Values that a node stands for, its aliases put in."""
    if depth > DEEPEST:
        raise UnfitYaml(problem=TOO_DEEP, problem_mark=node.start_mark)
    if node in known:
        return known[node]
    inner = node.value if isinstance(node, yaml.CollectionNode) else []
    if isinstance(node, yaml.MappingNode):
        inner = [part for pair in inner for part in pair]
    known[node] = total = 1 + sum(_count_nodes(part, known, depth + 1) for part in inner)
    if total > MOST_NODES:
        raise UnfitYaml(problem=f"it stands for more than {MOST_NODES} values", problem_mark=node.start_mark)
    return total


def parse_yaml(text: str) -> Any:  # noqa: ANN401
    """Content of YAML in plain types.

    Raises:
        yaml.YAMLError: it is no YAML, or `check_yaml` refuses it.
    """
    loader, node = _composed(text)
    try:
        return None if node is None else loader.construct_document(node)
    except yaml.YAMLError:
        raise
    except Exception as error:  # PyYAML raises nearly anything at values that do not fit their tags
        raise yaml.MarkedYAMLError(problem=f"a value does not fit its type ({error})") from None


def yaml_loader(original: Callable[[str], Any]) -> Callable[..., Any]:
    """A loader of YAML for a command line's parser that first refuses what `check_yaml` does.

    Args:
        original: what the parser has: text to content.
    """

    def load(text: str, path: str = "") -> Any:  # noqa: ANN401
        try:
            check_yaml(text)
        except UnfitYaml as error:
            place, what = yaml_problem(error)
            where = f"{path or 'a setting, or a file that it names'}, {place or 'line 1'}"
            raise ConfigError(f"{where}: {shown(what)}", "correct the configuration") from None
        except (yaml.YAMLError, ValueError):
            pass  # the parser says so itself, or takes it for plain text
        try:
            return original(text)
        except yaml.YAMLError:
            raise
        except Exception as error:  # as in `parse_yaml`
            raise yaml.YAMLError(f"a value does not fit its type ({error})") from None

    return load


def yaml_problem(error: yaml.YAMLError) -> tuple[str, str]:
    """Place and problem."""
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or " ".join(str(error).split())
    place = f"line {mark.line + 1}" if mark is not None else ""
    return place, what if isinstance(error, UnfitYaml) else f"it is no readable YAML ({what})"
