"""TomlModel: TOML in, problems out, all of them at once and with the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, ValidationInfo, field_validator

from mling_embed.errors import DataError, UsageError
from mling_embed.toml_models import TomlModel, checked, read_toml


class Wheel(TomlModel):
    spokes: int = Field(default=32, ge=1)


class Cart(TomlModel):
    name: str
    wheels: tuple[Wheel, ...] = Field(min_length=1)
    path: str = ""

    @field_validator("path")
    @classmethod
    def _beside_its_file(cls, value: str, info: ValidationInfo) -> str:
        return str(info.context["folder"] / value) if value else value


def test_good_values() -> None:
    cart = checked(Cart, {"name": " red ", "wheels": [{}, {"spokes": 8}]}, what="the cart")
    assert (cart.name, [wheel.spokes for wheel in cart.wheels]) == ("red", [32, 8])


def test_a_validator_finds_the_folder(tmp_path: Path) -> None:
    values = {"name": "x", "wheels": [{}], "path": "data"}
    assert checked(Cart, values, what="the cart", where=tmp_path / "c.toml").path == str(tmp_path / "data")
    assert checked(Cart, values, what="the cart").path == str(Path.cwd() / "data")


def test_problems_come_together_with_their_places() -> None:
    with pytest.raises(UsageError) as caught:
        checked(Cart, {"nam": "x", "wheels": [{}, {"spoke": 3}, {"spokes": 0}]}, what="the cart", where="c.toml")
    assert str(caught.value).splitlines() == [
        "c.toml: the cart has problems:",
        "  - name: Field required",
        "  - wheels[1].spoke: unknown key. Did you mean spokes?",
        "  - wheels[2].spokes: Input should be greater than or equal to 1",
        "  - nam: unknown key. Did you mean name?",
    ]


def test_a_key_like_no_other_gets_no_suggestion() -> None:
    with pytest.raises(UsageError, match=r"qqq: unknown key\.$"):
        checked(Cart, {"name": "x", "wheels": [{}], "qqq": 1}, what="the cart")


def test_a_list_that_is_too_short_is_a_problem() -> None:
    with pytest.raises(UsageError, match=r"wheels: .*at least 1 item"):
        checked(Cart, {"name": "x", "wheels": []}, what="the cart")


def test_reading_toml(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('name = "ü"\n', encoding="utf-8")
    assert read_toml(path) == {"name": "ü"}


@pytest.mark.parametrize(
    ("data", "message"), [(b"a = ", r"not TOML \(Invalid value"), (b"a = '\xff'", "not TOML.*utf-8")]
)
def test_what_is_not_toml(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(data)
    with pytest.raises(DataError, match=message):
        read_toml(path)


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_toml(tmp_path / "none.toml")
    with pytest.raises(DataError, match="is a folder; expected a TOML file"):
        read_toml(tmp_path)
