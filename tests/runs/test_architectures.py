"""The layers of networks in words: what is usual is left out, and whatever else differs is another fingerprint."""

from __future__ import annotations

from dataclasses import replace

from digits.runs import (
    STANDARD,
    Layer,
    architecture_of,
    code_of,
    in_order,
    layer_differences,
    layer_type,
    parameters_in,
)

CONV = Layer("conv1", "convolution 3x3", (28, 28, 16), {"weight": (16, 1, 3, 3), "bias": (16,)})
NORM = Layer("norm", "batch normalisation", (10,), {"weight": (10,), "running_mean": (10,), "running_var": (10,)})
HEAD = Layer("head", "dense", (10,), {"weight": (10, 128), "bias": (10,)})


def test_types_say_what_is_not_usual() -> None:
    assert layer_type("convolution", (3, 3), (1, 1), (1, 1)) == "convolution 3x3"
    words = "convolution 3x5, stride 2x2, dilation 2x2, groups 4"
    assert layer_type("convolution", (3, 5), (2, 2), (2, 2), 4) == words
    assert layer_type("max pooling", (2, 2), (2, 2)) == "max pooling 2x2"
    assert layer_type("max pooling", (3, 3), (2, 2)) == "max pooling 3x3, stride 2x2"
    assert layer_type("dropout", rate=0.25, epsilon=None) == "dropout, rate 0.25"
    assert CONV.text() == "convolution 3x3, output 28x28x16, weight 16x1x3x3, bias 16"


def test_parameters_are_counted() -> None:
    assert parameters_in([CONV, NORM, HEAD]) == (160 + 10 + 1290, 20)


def test_layers_of_a_block_come_by_name_and_blocks_as_they_follow() -> None:
    names = ["scale", "block2.norm1", "block2.conv3", "block2.conv1", "block1.conv1", "head"]
    ordered = in_order([replace(CONV, name=name) for name in names])
    assert [layer.name for layer in ordered] == [
        *("scale", "block2.conv1", "block2.conv3", "block2.norm1", "block1.conv1", "head")
    ]


def test_every_change_is_another_fingerprint() -> None:
    usual = [CONV, NORM, HEAD]
    found = architecture_of(usual, usual)
    assert found["fingerprint"] == found["default_fingerprint"]
    assert list(found["layers"]) == ["conv1", "norm", "head"]
    changed = [
        [CONV, HEAD],
        [NORM, CONV, HEAD],
        [replace(CONV, name="conv"), NORM, HEAD],
        [replace(CONV, type="convolution 5x5"), NORM, HEAD],
        [replace(CONV, output=(26, 26, 16)), NORM, HEAD],
        [replace(CONV, weights={"weight": (16, 1, 3, 3)}), NORM, HEAD],
    ]
    others = [architecture_of(layers, usual) for layers in changed]
    assert len({one["fingerprint"] for one in [found, *others]}) == 1 + len(changed)
    assert {one["default_fingerprint"] for one in others} == {found["default_fingerprint"]}


def test_differences_name_the_layers() -> None:
    ours = {"relu": "ReLU, output 128", "head": "dense, output 10"}
    assert layer_differences(ours, ours) == ""
    assert layer_differences(ours, dict(reversed(ours.items()))) == "the order of the layers"
    theirs = {"relu": "tanh, output 128", "drop": "dropout, rate 0.5", "head": "dense, output 10"}
    assert layer_differences(ours, theirs) == (
        "'relu' (ReLU, output 128 against tanh, output 128), 'drop' (none against dropout, rate 0.5)"
    )
    many = {str(number): "dense" for number in range(9)}
    assert layer_differences({}, many).endswith("'5' (none against dense), 3 more")


def test_a_run_without_the_record_has_the_network_of_the_project() -> None:
    assert code_of({"model": "cnn"}) == code_of({"model": "cnn", "architecture": None}) == STANDARD["cnn"][:8]
    assert code_of({"model": "tiny"}) is None
    assert code_of({"model": "cnn", "architecture": {"default_fingerprint": "0123456789"}}) == "01234567"
