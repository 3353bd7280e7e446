"""Tests that the texts of the report can be read: their contrast is at least 4.5 to 1 in light and in dark mode."""

import re
from importlib.resources import files

import pytest

CSS = files("session_pipeline.report").joinpath("templates", "page.css").read_text(encoding="utf-8")
LEAST = 4.5  # WCAG 2.2, success criterion 1.4.3
HEAT = 0.6  # the largest share of the colour in a cell
Colour = tuple[float, ...]


def colours() -> list[dict[str, Colour]]:
    """Return the colours in light and in dark mode by name, as red, green and blue from 0 to 255."""
    modes = re.findall(r":root \{(.*?)\}", CSS, flags=re.DOTALL)
    named = [re.findall(r"--([\w-]+): #(\w{6})", mode) for mode in modes]
    return [{name: tuple(bytes.fromhex(code)) for name, code in mode} for mode in named]


def luminance(colour: Colour) -> float:
    parts = [part / 255 for part in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: Colour, other: Colour) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_texts_have_enough_contrast(mode: int) -> None:
    colour = colours()[mode]
    pairs = [("ink", "paper"), ("ink", "band"), ("muted", "paper"), ("muted", "band"), ("muted", "ghost")]
    pairs += [("on-loss", "paper"), ("on-alert", "on-loss"), *((f"on-{name}", name) for name in colour)]
    known = [pair for pair in pairs if set(pair) <= set(colour)]
    assert len(known) > 15
    found = {pair: contrast(colour[pair[0]], colour[pair[1]]) for pair in known}
    mixed = (
        HEAT * heat + (1 - HEAT) * paper for heat, paper in zip(colour["heat-colour"], colour["paper"], strict=True)
    )
    found["ink", "heat"] = contrast(colour["ink"], tuple(mixed))
    assert {pair: round(value, 2) for pair, value in found.items() if value < LEAST} == {}
