"""The forms in which answers are printed, each one as soon as it is there: lines for people, JSON, JSON Lines."""

import json
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from digits.prediction.answers import Answer, as_text

Write = Callable[[Sequence[Answer]], None]


def write_lines(answers: Sequence[Answer]) -> None:
    """Print a line for each answer; errors go to stderr."""
    for answer in answers:
        if "error" in answer:
            sys.stdout.flush()  # in the order of the photos also where both go into one file
            print(f"error: {as_text(answer)}", file=sys.stderr)
        else:
            print(as_text(answer))
    sys.stdout.flush()


def write_json_lines(answers: Sequence[Answer]) -> None:
    """Print a JSON object for each answer, each on a line."""
    print("".join(json.dumps(answer) + "\n" for answer in answers), end="", flush=True)


@contextmanager
def writing_json_list() -> Iterator[Write]:
    """Yield a function that prints answers as parts of one JSON list; the list ends with the block."""
    before = "["

    def write(answers: Sequence[Answer]) -> None:
        nonlocal before
        for answer in answers:
            print(before, textwrap.indent(json.dumps(answer, indent=2), "  "), sep="\n", end="")
            before = ","
        sys.stdout.flush()

    yield write
    print("[]" if before == "[" else "\n]", flush=True)
