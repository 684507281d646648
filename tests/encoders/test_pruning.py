"""Fewer layers: the model is what its checkpoint would be with the other layers cut out of the file."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from mling_embed.encoders.anatomy import encoder_layers, encoder_of
from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.encoders.pruning import choose_layers, prune_layers
from mling_embed.errors import UsageError


def cut_in_the_file(checkpoint: Path, folder: Path, kept: list[int]) -> Path:
    """Copy a checkpoint without some of its layers, by the names of its weights alone."""
    shutil.copytree(checkpoint, folder)
    weights = {}
    for name, value in load_file(checkpoint / "model.safetensors").items():
        found = re.search(r"\blayers?\.(\d+)\.", name)
        if found is None:
            weights[name] = value
        elif int(found[1]) in kept:
            weights[f"{name[: found.start(1)]}{kept.index(int(found[1]))}{name[found.end(1) :]}"] = value
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["n_layers" if "n_layers" in config else "num_hidden_layers"] = len(kept)
    if "layer_types" in config:
        config["layer_types"] = [config["layer_types"][number] for number in kept]
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("kept", [[0, 2, 3], [0, 1], [0]])
def test_the_kept_layers_are_the_model(
    family: str,
    kept: list[int],
    tiny_checkpoint: Callable[..., Path],
    sentences: dict[str, list[str]],
    reloaded: Callable[[Any], Any],
    tmp_path: Path,
) -> None:
    texts = sentences["english"]
    model = load_sentence_transformer(tiny_checkpoint(family))
    whole = model.encode(texts)
    assert prune_layers(model, kept) is model
    expected = load_sentence_transformer(cut_in_the_file(tiny_checkpoint(family), tmp_path / "cut", kept)).encode(texts)
    np.testing.assert_allclose(model.encode(texts), expected, atol=1e-6)
    assert np.abs(whole - expected).max() > 0.01
    again = reloaded(model)
    assert len(encoder_layers(again)) == len(kept)
    np.testing.assert_allclose(again.encode(texts), expected, atol=1e-6)


def test_all_layers_kept_change_nothing(family: str, tiny_model: Callable[..., Any]) -> None:
    model = tiny_model(family)
    before = model.encode(["Where is the station?"])
    np.testing.assert_array_equal(prune_layers(model, range(4)).encode(["Where is the station?"]), before)


def test_pruning_twice_is_pruning_once(family: str, tiny_model: Callable[..., Any]) -> None:
    once, twice = prune_layers(tiny_model(family), [0, 3]), prune_layers(tiny_model(family), [0, 1, 3])
    prune_layers(twice, [0, 2])
    np.testing.assert_array_equal(once.encode(["bread"]), twice.encode(["bread"]))
    assert encoder_of(once).config.to_dict() == encoder_of(twice).config.to_dict()


def test_the_first_layer_of_modernbert_has_no_norm_of_its_own(tiny_model: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match=r"first layer of a ModernBertModel.*Keep layer 0"):
        prune_layers(tiny_model("modernbert"), [1, 2])
    assert len(encoder_layers(prune_layers(tiny_model("bert"), [1, 2]))) == 2


@pytest.mark.parametrize("layers", [[], [0, 4], [-1, 0], [2, 1], [1, 1]])
def test_layers_that_are_not_there_or_not_in_order(layers: list[int], tiny_model: Callable[..., Any]) -> None:
    model = tiny_model("bert")
    with pytest.raises(UsageError, match=r"expected ascending numbers from 0 to 3.*For a half of them: \[0, 3\]"):
        prune_layers(model, layers)
    assert len(encoder_layers(model)) == 4


def test_chosen_layers() -> None:
    assert choose_layers(12, 6) == (0, 2, 4, 7, 9, 11)  # those of DistilBERT's script
    assert choose_layers(12, 12) == tuple(range(12))
    assert (choose_layers(6, 3), choose_layers(5, 2), choose_layers(7, 1)) == ((0, 3, 5), (0, 4), (0,))


@given(st.integers(1, 48), st.data())
def test_chosen_layers_are_spread(n_layers: int, data: st.DataObject) -> None:
    n_kept = data.draw(st.integers(1, n_layers))
    chosen = choose_layers(n_layers, n_kept)
    assert len(chosen) == n_kept
    assert chosen[0] == 0
    assert n_kept == 1 or chosen[-1] == n_layers - 1
    gaps = {after - before for before, after in pairwise(chosen)}
    assert not gaps or (min(gaps) >= 1 and max(gaps) - min(gaps) <= 1)


@pytest.mark.parametrize("n_kept", [0, 5, -1])
def test_no_such_number_of_layers(n_kept: int) -> None:
    with pytest.raises(UsageError, match=rf"cannot keep {n_kept} of 4 layers; expected 1 to 4"):
        choose_layers(4, n_kept)
