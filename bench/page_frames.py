"""Frames a second of the map of ``answer.html``, while it is moved.

Needs Playwright and a Chromium (``make test-report``)::

    python bench/page_frames.py results/example/answer.html

Moves the map with the arrow keys' step in every frame for some seconds, with all marks in view,
and prints the number of cells and the frames a second.
"""

import argparse
from pathlib import Path

MEASURE = """async (seconds) => {
  const map = document.getElementById("map");
  const press = (key) => map.dispatchEvent(new KeyboardEvent("keydown", { key }));
  const frame = () => new Promise(requestAnimationFrame);
  await frame();
  const start = performance.now();
  let frames = 0;
  while (performance.now() - start < 1000 * seconds) {
    press(frames % 2 ? "ArrowLeft" : "ArrowRight");
    await frame();
    frames += 1;
  }
  return [Number(map.dataset.shown), frames / ((performance.now() - start) / 1000)];
}"""


def main() -> None:
    """Measure and print."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--chromium", help="path of the browser; by default Playwright's own")
    chosen = parser.parse_args()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chosen.chromium, args=["--no-sandbox", "--disable-gpu-vsync"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(chosen.page.resolve().as_uri(), timeout=120_000)
        page.wait_for_selector("html[data-ready=yes]", timeout=120_000)
        cells, rate = page.evaluate(MEASURE, chosen.seconds)
        print(f"{cells} cells: {rate:.1f} frames a second")
        browser.close()


if __name__ == "__main__":
    main()
