"""Plain technical English: phrases that readers stumbled over, and code names that nobody can resolve, stay out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FORBIDDEN = {  # regular expression of whole words: what to write instead
    r"must not be read": "permission denied",
    r"it has not(?! \w+(ed|en)\b)": "it does not list, it lacks",
    r"tells? of": "reports, describes",
    r"(is|are) due": "is expected",
    r"no numbers? any ?more": "not finite",
    r"free the place": "make room",
    r"by lot": "at random",
    r"trusted [\w{}]+ than it says|surer than right|as sure as it is right": "overconfident, calibrated",
    r"on average and is right in": "mean confidence, accuracy",
    r"what (one|\d+|\{\w+\}) (runs?|seeds?) (is|are) worth": "results of 20 runs",
    r"dropout silences|units silenced": "fraction of units dropped",
    r"of themselves": "relative difference",
    r"(its|machine's) mood": "depends on how busy the machine is",
    r"knows no framework": "is independent of the framework",
    r"drop nothing": "do not use dropout",
    r"Refusals have the sentence": "the error is in `error`",
    r"Loss, nats": "loss, cross-entropy",
    r"another seed gives others": "other seeds give other images",
    r"means by momentum": "momentum is defined as",
    r"(is )?another for each": "differs for each",
    r"mend(s|ed|ing|able)?": "fix",
    r"hous(e|es)": "architecture, project",
    r"stor(y|ies)": "script, module",
    r"wings?": "framework",
    r"halls?": "package",
    r"judg(e|es|ed|ing|ement|ements|ment|ments)": "evaluate, Evaluation",
    r"PatchTokens|patch_tokens": "PatchEmbedding",
    r"R[0-4]": "a short name that docs/references.md explains",
    r"--outputs": "--output-dir",
}
WHOLE = {phrase: re.compile(rf"(?<![\w-])(?:{phrase})(?![\w-])", re.IGNORECASE) for phrase in FORBIDDEN}
FILES = [
    *ROOT.glob("*.md"),
    *ROOT.glob("*.py"),
    *(
        path
        for folder in ("docs", "digits", "models", "benchmarks")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".md", ".py", ".html", ".js", ".css") and path.name != "side_by_side.html"  # the scripts
    ),
    *(ROOT / folder / "README.md" for folder in ("outputs", "mnist_data")),
]


@pytest.mark.parametrize("file", sorted(FILES), ids=lambda file: file.relative_to(ROOT).as_posix())
def test_no_forbidden_phrase(file: Path) -> None:
    text = re.sub(r"\s*\n[\s#]*", " ", file.read_text(encoding="utf-8"))  # phrases run over the ends of lines
    found = [
        f"'{match[0]}' (write: {FORBIDDEN[phrase]})"
        for phrase, words in WHOLE.items()
        for match in words.finditer(text)
    ]
    assert not found, "; ".join(found)


def test_whole_words_are_looked_for() -> None:
    def found(text: str) -> set[str]:
        return {phrase for phrase, words in WHOLE.items() if words.search(text)}

    assert found("recommended: a history of swings, OR0, R16, `lines.is_due()`, it has not been read") == set()
    assert found("the file is mended") == {r"mend(s|ed|ing|able)?"}
    assert found("as in R3 (a)") == {r"R[0-4]"}
    assert found("It has not the checksum") == {r"it has not(?! \w+(ed|en)\b)"}
