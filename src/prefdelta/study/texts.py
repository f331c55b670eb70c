"""The texts that people edit (rubrics, templates, claims, prices): their paths, checks and digest."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from prefdelta.core.asking import judge_prompt
from prefdelta.core.asking.prompt_template import fill
from prefdelta.core.data.sources import Benchmark
from prefdelta.core.errors import StudyError
from prefdelta.core.ids import digest
from prefdelta.core.written_settings import written_digest
from prefdelta.engines.openai.account import read_prices
from prefdelta.study.config.sections import Config
from prefdelta.system.files import sha256_of

REPORT_TEMPLATE = "resources/templates/report.html"
REPORT_PARTS = tuple(
    f"resources/templates/report/{name}" for name in ("style.css", "page.js", "tablesort.min.js", "tablesort.LICENCE")
)
REPORT_CLAIMS = "resources/claims.yaml"
REPORT_PAPER = "resources/paper_values.yaml"
_BROWSER = "resources/browser"
BROWSER_PAGE = f"{_BROWSER}/index.html"
# The inputs of rules that people edit.
TEXT_INPUTS = ("lock", "template", "judge_template", "parts", "claims", "paper", "rubrics", "page", "app")
_RUBRICS = "resources/rubrics"
_PROBLEM_SLOTS = ("problem",)
_ASKING = ("generate", "reference", "evaluate")  # stages with a template for problems


def rubric(dimension: str) -> str:
    """The path of the rubric of a dimension."""
    return f"{_RUBRICS}/{dimension}.md"


def browser_application() -> list[str]:
    """The files of the pair browser besides its page, without npm's own."""
    files = (path for path in Path(_BROWSER).rglob("*") if path.is_file() and path.suffix != ".json")
    return sorted(path.as_posix() for path in files if "node_modules" not in path.parts and path != Path(BROWSER_PAGE))


def text_digest(paths: Iterable[str]) -> str:
    """A digest of the content of some files, in their order."""
    return digest([sha256_of(Path(path)) for path in paths])[:16]


def below_here(paths: Iterable[str]) -> list[str]:
    """Paths relative to the working directory, if they lie below it: a checkout that is moved is the same."""
    here = Path.cwd()
    return [str(path.relative_to(here) if path.is_relative_to(here) else path) for path in map(Path, paths)]


def written_in(paths: Sequence[str]) -> str:
    """The digest of the settings that the report shows of config files. Raises StudyError if one cannot be read."""
    return written_digest([_read_text(Path(path), "the config") for path in paths]) if paths else ""


def check_texts(config: Config, benchmarks: Mapping[str, Benchmark]) -> None:
    """Raise StudyError unless all rubrics and templates can be read and have their slots."""
    for dimension in config.dimensions:
        _read_text(Path(rubric(dimension)), f"the rubric of dimension {dimension!r}")
    templates = {f"{stage}.template": getattr(config, stage).template for stage in _ASKING}
    templates |= {
        f"the template of {name}": benchmark.template for name, benchmark in benchmarks.items() if benchmark.template
    }
    for what, path in templates.items():
        fill(_read_text(Path(path), what), dict.fromkeys(_PROBLEM_SLOTS, ""), path)
    path = config.judge.template
    fill(_read_text(Path(path), "judge.template"), dict.fromkeys(judge_prompt.SLOTS, ""), path)


def check_prices(config: Config) -> None:
    """Raise StudyError if the prices of a hosted judge cannot be read: now, not after days of generating."""
    for judge in config.judge.judges().values():
        if judge.engine.prices is not None:
            try:
                read_prices(Path(judge.engine.prices)).of(judge.engine.model, judge.engine.prices)
            except StudyError as error:
                raise StudyError(f"{judge.where}.engine.prices: {error}") from None


def require_lock(path: str) -> None:
    """Raise StudyError if the lock of the gate against contamination is missing."""
    if not Path(path).is_file():
        raise StudyError(f"prompts.contamination.lock: there is no file {path}. Write it: prefdelta decontaminate.")


def require_annotations(path: str) -> None:
    """Raise StudyError if the scores or the key of a sheet of `annotations` are missing."""
    if not Path(path).is_file():
        raise StudyError(
            f"annotations: there is no file {path}. Import what people answered (prefdelta annotate import), or take "
            "the sheet out of the list."
        )


def _read_text(path: Path, what: str) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(
            f"{path}: {what} cannot be read as UTF-8 text ({error}). Create it, or name another."
        ) from None
    if not text.strip():
        raise StudyError(f"{path}: {what} is empty. Write it, or name another file.")
    return text
