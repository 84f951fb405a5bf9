"""The command line of every script, made from a dataclass: each field gives an option its type, range and help text.

Lists are given with spaces (`--filters 16 32`). A mistake ends the script with one sentence and exit status 2.
"""

import argparse
import dataclasses
import difflib
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar, dataclass_transform, get_args, get_origin

from pydantic import ConfigDict, ValidationError
from pydantic import Field as Field  # for the scripts, which import nothing that a bare Python lacks
from pydantic.dataclasses import dataclass
from pydantic.fields import FieldInfo

T = TypeVar("T")
RULES = {
    **dict.fromkeys(("int_parsing", "int_from_float", "int_type", "int_parsing_size"), "must be a whole number"),
    **dict.fromkeys(("float_parsing", "float_type"), "must be a number"),
    **dict.fromkeys(("bool_parsing", "bool_type"), "must be true or false"),
    **dict.fromkeys(("list_type", "tuple_type"), "must be a list"),
    "finite_number": "must be a number, not nan or inf",
    "string_type": "must be text",
}
"""What pydantic's errors of these types mean to a user."""


@dataclass_transform()
def options_dataclass(cls: type[T]) -> type[T]:
    """Make the class a frozen dataclass that checks its values; the docstring below a field is its help text."""
    made: Any = dataclass(frozen=True, config=ConfigDict(use_attribute_docstrings=True, allow_inf_nan=False))(cls)
    for name, field in getattr(cls.__base__, "__pydantic_fields__", {}).items():
        made.__pydantic_fields__[name].description = field.description  # which pydantic does not inherit
    return made  # type: ignore[no-any-return]


def parse(
    default: T,
    description: str | None,
    words: Sequence[str] | None = None,
    *,
    positional: str = "",
    groups: Mapping[str, Sequence[str]] | None = None,
    needs: Mapping[str, str] | None = None,
    command: str = "",
) -> T:
    """Return `default` with the values that the words (default: sys.argv) give. `--help` prints and exits.

    default: an options_dataclass; the fields of those in it are options as well.
    positional: the field that takes the words before the options. groups: headings in --help, and the fields below
    each. needs: options that are refused where another one is not set. command: the word that was before `words`.
    """
    fields = {name: (field, value) for name, field, value in flat_fields(default)}
    usage = f"python %(prog)s {command}".rstrip()
    if positional:
        field, _ = fields[positional]
        usage += f" [{_metavar(field)} ...]" if get_origin(field.annotation) is tuple else f" {_metavar(field)}"
    parser = _Parser(
        usage=f"{usage} [options]",
        description=description,
        formatter_class=_Formatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    grouped = {name: title for title, names in (groups or {}).items() for name in names}
    sections: dict[str, Any] = {title: parser.add_argument_group(title) for title in groups or {}}
    for name in dict.fromkeys([*grouped, *fields]):
        _add_option(sections.get(grouped.get(name, ""), parser), name, *fields[name], name == positional)
    namespace, unknown = parser.parse_known_intermixed_args(words)
    if unknown:
        _refuse_unknown(unknown, {name: field for name, (field, _) in fields.items() if name != positional})
    given = vars(namespace)
    try:
        options: T = with_fields(default, given)
    except ValidationError as error:
        (name, *_), _, rule = first_fault(error)
        is_list = isinstance(given[name], list)
        value = " ".join(given[name]) if is_list else given[name]
        rule = re.sub(r"a (whole )?number\b", r"\1numbers", rule) if is_list else rule
        hint = f"; write {option(name)} {re.sub(',+ *', ' ' if is_list else '.', value)}" if "," in value else ""
        refuse(f"{option(name)} {value[:60]} {rule}{hint[:80]}.")
    chosen = {name: value for name, _, value in flat_fields(options)}
    for name, needed in (needs or {}).items():
        if given.get(name) and not chosen[needed]:
            refuse(f"{option(name)} needs {option(needed)}.")
    return options


def refuse(sentence: str) -> NoReturn:
    """End the script as one whose command line is at fault."""
    print("error:", sentence, file=sys.stderr)
    raise SystemExit(2)


def flat_fields(options: Any) -> Iterator[tuple[str, FieldInfo, Any]]:
    """Yield every option's field name, field and value, those of dataclasses in the dataclass included."""
    for name, field in type(options).__pydantic_fields__.items():
        value = getattr(options, name)
        if dataclasses.is_dataclass(value):
            yield from flat_fields(value)
        else:
            yield name, field, value


def option(field_name: str) -> str:
    """Return the field's name as it is typed: --data-dir of data_dir, --recipe of recipe_file."""
    return "--" + field_name.removesuffix("_file").replace("_", "-")


def shown(value: Any) -> str:
    """Return an option's value as it is typed; of a flag, on or off; nothing where there is none."""
    if value is None or isinstance(value, bool):
        return {None: "", True: "on", False: "off"}[value]
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def first_fault(error: ValidationError) -> tuple[list[str], Any, str]:
    """Return the first value that breaks a rule, after the names that lead to it, and that rule: 'must be ...'."""
    first = error.errors(include_url=False)[0]
    rule = RULES.get(first["type"]) or re.sub("Input should|Unable to parse input string as", "must", first["msg"])
    rule = re.sub(", (unable|exceeded) .*", "", rule).replace("must an", "must be an")
    rule = rule.replace("greater than or equal to", "at least").replace("less than or equal to", "at most")
    rule = re.sub(r"\d{20,}", lambda number: f"{float(number[0]):g}", rule)
    return [str(part) for part in first["loc"]], first["input"], rule


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        message = re.sub(r": expected (?:at least )?one argument", " needs a value after it", message)
        message = re.sub(r": expected (\d+) arguments", r" needs \1 values after it", message)
        message = re.sub(r": ignored explicit argument .*", " is a switch and takes no value", message)
        refuse(f"{message.removeprefix('argument ')}; --help shows how.")


class _Formatter(argparse.HelpFormatter):
    """Paragraphs and examples stay apart, and no option's name is broken."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(text, width, break_on_hyphens=False)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        # Examples, which are indented, stay as they are.
        paragraphs = text.strip().split("\n\n")
        return "\n\n".join(part if part[0] == " " else textwrap.fill(part, width) for part in paragraphs)


def _add_option(group: Any, name: str, field: FieldInfo, value: Any, positional: bool) -> None:
    text = " ".join((field.description or "").split()).replace("%", "%%")
    text += f" (default: {shown(value)})" if shown(value) not in ("", "off") else ""
    if field.annotation is bool:
        group.add_argument(option(name), action="store_true", help=text)
        # The recipes of some models set it.
        group.add_argument(option(f"no_{name}"), action="store_false", dest=name, help=argparse.SUPPRESS)
        return
    several: dict[str, Any] = {}
    if get_origin(field.annotation) is tuple:
        kind, *others = get_args(field.annotation)
        several["nargs"] = "*" if positional else "+" if others == [...] else 1 + len(others)
        if kind not in (int, float) and others == [...]:
            several["action"] = "extend"  # names may be given one by one as well: --run A --run B
    if not positional:
        several["dest"] = name
    group.add_argument(name if positional else option(name), metavar=_metavar(field), help=text, **several)


def _metavar(field: FieldInfo) -> str:
    """Return what stands for the value in --help: the field's title, or its choices, or a word for its type."""
    kind = _kind(field)
    if field.title or get_origin(kind) is Literal:
        return field.title or f"{{{','.join(get_args(kind))}}}"
    return {int: "N", float: "X", Path: "PATH"}.get(kind, "NAME")


def _kind(field: FieldInfo) -> Any:
    """Return the type of the option's values: int of tuple[int, ...], Annotated[int, ...] and int | None."""
    kind: Any = field.annotation
    while get_origin(kind) not in (None, Literal):
        kind = get_args(kind)[0]
    return kind


def with_fields(default: Any, given: Mapping[str, Any]) -> Any:
    """Return the dataclass of the words, read as its fields' types; raises ValidationError if one does not fit."""
    values = {name: getattr(default, name) for name in type(default).__pydantic_fields__}
    for name, value in values.items():
        values[name] = with_fields(value, given) if dataclasses.is_dataclass(value) else given.get(name, value)
    return type(default)(**values)


def _refuse_unknown(words: Sequence[str], fields: Mapping[str, FieldInfo]) -> NoReturn:
    """Refuse words that no option takes, and name the options that may have been meant."""
    names = [option(name).removeprefix("--") for name in fields]
    typed = next((word.partition("=")[0] for word in words if word.startswith("-")), None)
    if typed is None:
        takers = [f"{option(name)} {words[0]}" for name, field in fields.items() if words[0] in get_args(_kind(field))]
        refuse(f"'{words[0]}' is not expected; {f'did you mean {takers[0]}?' if takers else '--help shows what is.'}")
    plain = typed.lstrip("-").replace("_", "-").lower()
    initials = ["".join(part[0] for part in name.split("-")) for name in names]
    meant = [name for name, short in zip(names, initials, strict=True) if plain == short or name.startswith(plain)]
    meant = meant or difflib.get_close_matches(plain, names, 1)
    hint = f"did you mean {' or '.join(map(option, meant))}?" if meant else "--help lists all."
    refuse(f"there is no option {typed}; {hint}")
