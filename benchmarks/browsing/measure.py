"""What the pair browser costs in Chromium, by its tracing: time until it is painted, time of a filter, memory.

    python benchmarks/browsing/made_study.py FOLDER            a made-up study of 16,500 pairs, two texts of 20 KB each
    python benchmarks/browsing/measure.py FOLDER [--rounds N]  FOLDER: the folder `browse` of any study

Prints medians of five rounds, each in a browser of its own, and the bounds that should hold. A time ends with the frame
that presents the result. Memory is that of the process that draws the page, after forty pairs were looked at.
Needs envs/test.txt and Debian's Chromium; a minute and a half on two cores.
"""

import argparse
import shutil
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright
from tabulate import tabulate

CATEGORIES = "loading,devtools.timeline,blink.user_timing"
PAIRS_LOOKED_AT = 40
MIB = 1024 * 1024
DELTA = "input[aria-label='value of Δ mean']"
# What is measured, its unit, and what it should stay below.
BOUNDS = {
    "first paint": ("ms", 1000),
    "table painted": ("ms", 1000),
    "filter by a delta": ("ms", 100),
    "filter by a selection": ("ms", 100),
    "order by a column": ("ms", 100),
    "next pair": ("ms", None),
    "JS heap, table": ("MiB", None),
    "JS heap, after 40 pairs": ("MiB", None),
    "process, table": ("MiB", 500),
    "process, after 40 pairs": ("MiB", 500),
}


class Trace:
    """Chromium's trace of what happens inside a `with`."""

    def __init__(self, session: CDPSession) -> None:
        self._session = session
        self.events: list[dict[str, Any]] = []
        self._complete = False
        session.on("Tracing.dataCollected", lambda found: self.events.extend(found["value"]))
        session.on("Tracing.tracingComplete", lambda _: setattr(self, "_complete", True))

    def around(self, page: Page, work: Callable[[], None]) -> None:
        self.events.clear()
        self._complete = False
        self._session.send("Tracing.start", {"transferMode": "ReportEvents", "categories": CATEGORIES})
        work()
        page.wait_for_timeout(100)  # the last frame is presented by another process
        self._session.send("Tracing.end")
        while not self._complete:
            page.wait_for_timeout(10)

    def first(self, name: str, after: float = 0, **args: str) -> float:
        """When the first event of a name begins, in microseconds. Raises ValueError if there is none."""
        found = [
            event["ts"]
            for event in self.events
            if event["name"] == name
            and event["ts"] >= after
            and all(event.get("args", {}).get("data", {}).get(key) == value for key, value in args.items())
        ]
        return min(found)

    def shown(self, after: float) -> float:
        """When the first frame after the view's mark "shown" is presented."""
        return self.first("AnimationFrame::Presentation", self.first("shown", after))


def frames(page: Page) -> None:
    """Wait until the view is shown, and drawn."""
    page.evaluate(
        """async () => {
          const frame = () => new Promise(drawn => requestAnimationFrame(() => setTimeout(drawn)));
          await frame();
          do { await frame(); } while (document.body.hasAttribute('aria-busy'));
          await frame(); await frame();
        }"""
    )


def process_mib(browser: Browser) -> float:
    """Resident memory of the largest process that draws pages."""
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    sizes = [
        int(line.split()[1]) / 1024
        for process in processes
        if process["type"] == "renderer"
        for line in Path(f"/proc/{process['id']}/status").read_text().splitlines()
        if line.startswith("VmRSS:")
    ]
    return max(sizes)


def heap_mib(session: CDPSession) -> float:
    session.send("HeapProfiler.collectGarbage")
    metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return float(metrics["JSHeapUsedSize"]) / MIB


def one_round(browser: Browser, folder: Path) -> dict[str, float]:
    page = browser.new_context(viewport={"width": 1100, "height": 800}).new_page()
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    trace, found = Trace(session), {}

    def opened() -> None:
        page.goto(f"file://{folder}/index.html")
        frames(page)

    trace.around(page, opened)
    start = trace.first("navigationStart", documentLoaderURL=f"file://{folder}/index.html")
    found["first paint"] = (trace.first("firstContentfulPaint", start) - start) / 1000
    found["table painted"] = (trace.shown(start) - start) / 1000
    found["JS heap, table"] = heap_mib(session)
    found["process, table"] = process_mib(browser)

    page.click("text=+ filter")
    page.fill(DELTA, "0")
    found["filter by a delta"] = timed(trace, page, "input", lambda: page.keyboard.press("1"), focus=DELTA)
    found["order by a column"] = timed(
        trace, page, "click", lambda: page.click("button.sort[data-sort='tokens.delta']")
    )
    page.click("text=+ and")
    page.locator("select[aria-label=column]").last.select_option("in")
    frames(page)
    choice = page.locator("select[aria-label='value of selection']")
    last = choice.locator("option").last.inner_text()
    found["filter by a selection"] = timed(trace, page, "change", lambda: choice.select_option(last))

    page.goto(f"file://{folder}/index.html#pairs=0&sort=tokens.delta&dir=asc")
    frames(page)
    for key in ("j", "Enter"):
        page.keyboard.press(key)
    frames(page)
    steps = [timed(trace, page, "keydown", lambda: page.keyboard.press("j")) for _ in range(PAIRS_LOOKED_AT)]
    found["next pair"] = statistics.median(steps)
    found["process, after 40 pairs"] = process_mib(browser)
    found["JS heap, after 40 pairs"] = heap_mib(session)
    page.context.close()
    return found


def timed(trace: Trace, page: Page, event: str, work: Callable[[], Any], focus: str | None = None) -> float:
    """Milliseconds from an event to the frame that shows what it asked for."""
    if focus:
        page.focus(focus)

    def worked() -> None:
        work()
        frames(page)

    frames(page)
    trace.around(page, worked)
    start = trace.first("EventDispatch", type=event)
    return (trace.shown(start) - start) / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    rounds = []
    with sync_playwright() as playwright:
        for _ in range(arguments.rounds):
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            rounds.append(one_round(browser, arguments.folder.resolve()))
            print(f"round {len(rounds)} of {arguments.rounds}", flush=True)
            version = browser.version
            browser.close()
    lines = []
    for name, (unit, bound) in BOUNDS.items():
        values = [its[name] for its in rounds]
        spread = f"{min(values):.0f} to {max(values):.0f}"
        lines.append([name, f"{statistics.median(values):.0f}", spread, unit, "-" if bound is None else f"< {bound}"])
    print(f"Chromium {version}")
    print(tabulate(lines, ["", "median", "spread", "unit", "bound"], disable_numparse=True))


if __name__ == "__main__":
    main()
