"""`snakemake --report`: the page, its figures with their numbers, and the verdicts, each with a caption."""

import json
import re
import zipfile
from pathlib import Path

from .planning import FOLDERS, RESULTS, make_checkout, outputs_planned, snakemake

ROOT = Path(__file__).parents[2]


def test_the_page_figures_and_verdicts_are_in_snakemakes_report_with_captions(tmp_path: Path) -> None:
    folder = make_checkout(tmp_path / "study")
    for path in outputs_planned(folder):
        if path not in FOLDERS:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text("{}\n")
    for path in FOLDERS:
        (folder / path).mkdir()
    figures = folder / RESULTS / "report/figures"
    for name, text in (("scaling.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>"), ("scaling.csv", "k,gain\n1,2\n")):
        (figures / name).write_text(text)
    (figures / "scaling.pdf").write_bytes(b"%PDF-")
    snakemake(folder, "--report", "report.zip")
    with zipfile.ZipFile(folder / "report.zip") as archive:
        names = archive.namelist()
        (page,) = [name for name in names if name.endswith("report.html")]
        text = archive.read(page).decode()
    for caption in (ROOT / "workflow/report").glob("*.rst"):
        words = caption.read_text().split()
        assert " ".join(words[:6]) in " ".join(text.split())
    shown = {Path(name).name for name in names}
    assert {"index.html", "index.manifest.json", "scaling.svg", "scaling.csv"} <= shown
    assert "scaling.pdf" not in shown
    for category in ("Page", "Figures and their numbers", "Verdicts"):
        assert re.search(rf'"{category}"', text), json.dumps(sorted(shown))
    assert not (folder / RESULTS / "run.json").exists()  # it is no run
