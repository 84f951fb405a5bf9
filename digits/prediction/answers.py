"""What is answered for a photo, as JSON's objects and as lines for people."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digits.names import plain

SURE = 0.9
"""Answers with a lower probability are 'not sure'. benchmarks/photo_accuracy.py prints how many that are."""
Answer = dict[str, Any]


def is_sure(answer: Answer) -> bool:
    """Return whether there are digits and all are sure: no person needs to look at the photo."""
    return bool(all(digit["sure"] for digit in answer["digits"]) if answer.get("digits") else answer["sure"])


def answer_for_fault(path: str, fault: str) -> Answer:
    """Return the answer for a file or folder that cannot be read."""
    return {"path": path, **describe(None, ()), "error": fault}


def describe(probabilities: NDArray[Any] | None, class_names: Sequence[str]) -> Answer:
    """Return the digit, its probability, the runner-up and whether that is sure; nulls where there is no digit."""
    if probabilities is None:
        return {"digit": None, "probability": None, "runner_up": None, "runner_up_probability": None, "sure": False}
    order = np.argsort(-probabilities, kind="stable")
    first, second = order[0], order[min(1, len(order) - 1)]
    return {
        "digit": _value(class_names[first]),
        "probability": round(float(probabilities[first]), 4),
        "runner_up": _value(class_names[second]),
        "runner_up_probability": round(float(probabilities[second]), 4),
        "sure": bool(probabilities[first] >= SURE),
    }


def _value(class_name: str) -> int | str:
    """Return a digit as a number, any other class by its name."""
    return int(class_name) if re.fullmatch("[0-9]", class_name) else class_name


def as_text(answer: Answer) -> str:
    """Return the answer as a line for people."""
    name = plain(answer["path"]) + (f" page {answer['page']}" if answer.get("page") else "")
    if "note" in answer:
        name += f" ({answer['note']})"
    if "error" in answer:
        return f"{name}: {answer['error']}"
    if digits := answer.get("digits"):
        unsure = sum(not digit["sure"] for digit in digits)
        note = f" ({unsure} of {len(digits)} digits not sure)" if unsure else ""
        return f"{name}: {' '.join(answer['numbers'])}{note}; boxes in '{answer['boxes']}'"
    if answer["digit"] is None:
        return f"{name}: no digit found"
    doubt = "" if answer["probability"] >= SURE else "not sure, perhaps "
    other = f"{answer['runner_up']}, {answer['runner_up_probability']:.1%}"
    more = ", one of several digits; --multiple reads all" if answer.get("several") else ""
    return f"{name}: {doubt}{answer['digit']} ({answer['probability']:.1%}; next {other}){more}"
