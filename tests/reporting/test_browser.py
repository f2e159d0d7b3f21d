"""report.html and benchmark.html in Chromium: `make browser-test`. Skipped where there is none of the system's own."""

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imports import ROOT
from ladder.core.artifacts import files, predictions, splits
from ladder.core.types import Split
from ladder.drawing import plots
from ladder.reporting import benchmark, markdown, report
from made import CLASSES, LADDER, TEST, made_models, save_data_tables, save_sweep

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OFFLINE = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDTHS = (390, 1280)  # pixels: a phone, a screen

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="NO BROWSER WAS TRIED: install chromium from the system's packages"),
]


@pytest.fixture
def pages(workspace) -> list[Path]:
    """Both pages as the stages write them, from made-up answers and measurements."""
    answers = LADDER.answers()
    for name, model in made_models().items():
        predictions.save(answers[name], model)
    splits.save("data/split", Split(TEST, TEST, TEST, CLASSES, (0.5,) * 3, (0.25,) * 3, "digits", "0" * 64))
    row = {"model": "distill", "method": "one pass"} | dict.fromkeys(report.MEASURES, 0.5)
    files.write_csv(report.DOUBTS, pd.DataFrame([row, row | {"model": "ensemble"}]))
    save_data_tables()
    save_sweep("digits")
    for path in (*report.shown("plots"), benchmark.PICTURE):
        plots.contact_sheet(path, np.zeros((25, 3, 8, 8), np.uint8), ["caption"] * 25, "title")
    columns = dict.fromkeys(
        (*benchmark.COLUMNS, "p50_ms_all_threads", "p90_ms_all_threads", "mean_ms_all_threads"), 0.5
    )
    named = columns | {"name": "distill_static", "engine": "ONNX Runtime", "device": "cpu", "precision": "int8"}
    files.write_csv(benchmark.TABLE, pd.DataFrame([named, named | {"name": "distill_float"}]))
    machine = {"processor": "a CPU", benchmark.OTHERS: "0.01 cores"}
    files.write_csv(benchmark.MACHINE, pd.DataFrame(machine.items(), columns=["what", "value"]))

    spec = importlib.util.spec_from_file_location("report_stage", ROOT / "stages/report.py")
    stage = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stage)
    stage.main()
    markdown.write("benchmark.html", benchmark.html())
    return [workspace / "report.html", workspace / "benchmark.html"]


@pytest.fixture
def browser() -> Iterator:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        made = started.chromium.launch(executable_path=CHROMIUM, args=list(OFFLINE))
        yield made
        made.close()


def test_pages_in_a_browser(pages, browser):
    """No message in the console, nothing fetched, no scrolling sideways, all pictures there, in light and in dark."""
    for path in pages:
        backgrounds = set()
        for width in WIDTHS:
            for scheme in ("light", "dark"):
                page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
                said, asked = [], []
                page.on("console", lambda message, said=said: said.append(message.text))
                page.on("pageerror", lambda error, said=said: said.append(str(error)))
                page.on("request", lambda request, asked=asked: asked.append(request.url))
                page.goto(path.as_uri())
                where = f"{path.name} at {width} px, {scheme}"
                assert page.evaluate("document.documentElement.scrollWidth") <= width, where
                loaded = page.evaluate("[...document.images].map((it) => it.complete && it.naturalWidth > 0)")
                assert loaded, where
                assert all(loaded), where
                backgrounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
                assert said == [], where
                assert [url for url in asked if not url.startswith(("data:", path.as_uri()))] == [], where
                page.close()
        assert len(backgrounds) == 2, "dark is another color than light"


def test_a_click_on_a_heading_sorts_and_another_turns_it_round(pages, browser):
    page = browser.new_page()
    page.goto(pages[0].as_uri())
    table = page.locator("table").nth(1)  # the ladder

    def column(number: int) -> list[str]:
        return table.locator(f"tbody td:nth-child({number})").all_text_contents()

    before = column(1)
    table.locator("th button").nth(1).click()
    assert [float(cell) for cell in column(2)] == sorted(float(cell) for cell in column(2))
    assert table.locator("th").nth(1).get_attribute("aria-sort") == "ascending"
    table.locator("th button").nth(1).click()
    assert [float(cell) for cell in column(2)] == sorted((float(cell) for cell in column(2)), reverse=True)
    table.locator("th button").nth(0).click()
    assert column(1) == sorted(before)
    assert sorted(column(1)) == sorted(before), "no row is lost"


def test_the_tracked_pages_are_small_enough_for_git():
    for name in ("report.html", "benchmark.html"):
        assert not (ROOT / name).exists() or (ROOT / name).stat().st_size <= 3_000_000
