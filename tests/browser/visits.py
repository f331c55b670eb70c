"""A visit of a page by a browser: what is shown, what is pressed, and what the browser complained about."""

from pathlib import Path
from typing import Any, Self

from playwright.sync_api import Browser, Page

# What was asked for begins in a task of its own, so two frames go by first.
IDLE = """async () => {
  const frame = () => new Promise(drawn => requestAnimationFrame(() => setTimeout(drawn)));
  await frame();
  do { await frame(); } while (document.body.hasAttribute('aria-busy'));
}"""


class Visit:
    """One tab. Links are what stands behind the # of the address."""

    def __init__(
        self, browser: Browser, folder: Path, width: int = 1100, height: int = 800, dark: bool = False
    ) -> None:
        self._folder = folder
        self._context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        self.page: Page = self._context.new_page()
        self.complaints: list[str] = []  # of the console, and uncaught errors
        self.foreign: list[str] = []  # addresses that were asked for and are no files
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._note(request.url))

    def _note(self, url: str) -> None:
        if not url.startswith("file:"):
            self.foreign.append(url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.close()

    def open(self, link: str = "") -> Page:
        """The page at a link, when it is shown."""
        self.page.goto(f"file://{self._folder}/index.html{link}")
        return self.shown()

    def shown(self) -> Page:
        """The page, when it has done what was asked of it."""
        self.page.evaluate(IDLE)
        return self.page

    def press(self, *keys: str) -> Page:
        for key in keys:
            self.page.keyboard.press(key)
            self.shown()
        return self.page

    @property
    def link(self) -> str:
        return str(self.page.evaluate("location.hash"))

    def asked(self, script: str) -> Any:
        return self.page.evaluate(script)

    def rows(self, table: str = "pairs") -> list[str]:
        """The first cells of the rows in sight, from the top."""
        cells = self.page.locator(f"#{table}-table .tabulator-row .tabulator-cell:first-child")
        return cells.all_text_contents()
