"""Whether replies come from the model that was asked: a gateway may pass requests on to another."""

from collections import Counter
from collections.abc import Iterable, Iterator

from prefdelta.core.asking.engine_options import OpenAIOptions
from prefdelta.core.asking.requests import Failure, Reply
from prefdelta.core.errors import StudyError

AT_FIRST = 3  # replies of another model, if the right one never replied: this will not change
IN_A_ROW = 20  # replies of another model, if the right one did reply: another may have helped out for a while


class NameWatch:
    """Looks at the names in the replies of one run."""

    def __init__(self, options: OpenAIOptions) -> None:
        self.error: StudyError | None = None  # set when further requests would be paid for in vain
        self._options = options
        self._right = 0
        self._others = Counter[str]()  # since the last reply of the right model

    def after(self, results: Iterable[Reply | Failure]) -> Iterator[Reply | Failure]:
        """All results, because they are paid for; then an error if all replies are of another model."""
        for result in results:
            yield result
            self.look(result)
        if self.error and not self._right:
            raise self.error

    def look(self, result: Reply | Failure) -> None:
        if isinstance(result, Failure):
            return
        if self._options.accepts(result.model):
            self._right += 1
            self._others.clear()
            return
        self._others[str(result.model)] += 1
        if self._others.total() >= (IN_A_ROW if self._right else AT_FIRST):
            self.error = StudyError(
                f"{self._options.base_url}: asked for the model {self._options.model!r}, and the last "
                f"{self._others.total()} replies name {listed_names(self._others)}. They are recorded, and no "
                f"verdicts. {REMEDY} The same command goes on from what is recorded."
            )


REMEDY = (
    "If that is the model you mean, say so in the config: engine.replies_as (its name, a list of names, or any); what "
    "is recorded then counts. If not, mend the model's name or the gateway."
)


def listed_names(names: Counter[str]) -> str:
    return ", ".join(f"{name!r}" for name, _ in names.most_common(5))
