"""The columns of an exported data set, per trainer and method.

Formats: TRL's conversational ones (its docs, "Dataset formats and types"), LLaMA-Factory's sharegpt ones (its
data/README.md), Axolotl's `chat_template` ones (its docs, "RLHF").
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from prefdelta.commands.export.lineage import ExportLineage
from prefdelta.commands.export.pairs import PAIRS, ExportedPair, PairsExport
from prefdelta.core.asking.judges import PEOPLE, judge_in

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["trl", "jsonl", "llamafactory", "axolotl"]
FORMATS: tuple[Format, ...] = ("trl", "jsonl", "llamafactory", "axolotl")
OF_TRL: tuple[Format, ...] = ("trl", "jsonl")  # with the columns that TRL's trainers read
Kind = Literal["messages", "message", "turns", "turn", "variables", "text", "whole", "number", "yes_no"]
Row = dict[str, Any]

_KEYS = {"messages": ("role", "content"), "message": ("role", "content")}
_TURN = ("from", "value")
_TURN_NAMES = {"user": "human", "assistant": "gpt", "system": "system"}


@dataclass(frozen=True, slots=True)
class ExportColumn:
    name: str
    kind: Kind
    about: str
    variables: tuple[tuple[str, Kind], ...] = ()  # names and kinds, of a column that holds variables

    @property
    def parts(self) -> tuple[tuple[str, Kind], ...] | None:
        """(key, kind) of the parts of a message or of variables; None for a plain value."""
        if self.kind in ("text", "whole", "number", "yes_no"):
            return None
        return self.variables or tuple((key, "text") for key in _KEYS.get(self.kind, _TURN))

    @property
    def is_list(self) -> bool:
        return self.kind in ("messages", "turns")


def columns_of(export: PairsExport, form: Format) -> list[ExportColumn]:
    """The columns of every row, in order."""
    given = _template_variables(export, form)
    return [*_shape(form, export.method).columns, *([given[0]] if given else []), *_more_columns(export.dimensions)]


def rows_of(export: PairsExport, form: Format) -> Iterator[Row]:
    """The rows of an export; KTO has two per pair, wanted and unwanted."""
    shape, given = _shape(form, export.method), _template_variables(export, form)
    variables = {given[0].name: given[1]} if given else {}
    for pair in export.pairs:
        more = variables | _more(pair, export.lineage)
        for leading in shape.rows(pair):
            yield leading | more


def arrow_schema(columns: list[ExportColumn]) -> "pa.Schema":
    """The Arrow schema of the columns."""
    import pyarrow as pa

    plain = {"text": pa.string(), "whole": pa.int64(), "number": pa.float64(), "yes_no": pa.bool_()}

    def kind(column: ExportColumn) -> pa.DataType:
        if column.parts is None:
            return plain[column.kind]
        message = pa.struct([(key, plain[part]) for key, part in column.parts])
        return pa.list_(message) if column.is_list else message

    return pa.schema([(column.name, kind(column)) for column in columns])


# --- what a trainer reads -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Shape:
    columns: list[ExportColumn]
    rows: Callable[[ExportedPair], list[Row]]


def _shape(form: Format, method: str) -> _Shape:
    kind = "dpo" if method == PAIRS else method
    return _SHAPES["trl" if form == "jsonl" else form, kind]


def _template_variables(export: PairsExport, form: Format) -> tuple[ExportColumn, Row] | None:
    """The column that TRL takes a chat template's variables from, and their values; None if there are none."""
    values = export.rendering.chat_template_kwargs if export.rendering and form in OF_TRL else {}
    if not values:
        return None
    kinds: dict[type, Kind] = {bool: "yes_no", int: "whole", float: "number"}
    variables = tuple((name, kinds.get(type(value), "text")) for name, value in values.items())
    about = "variables of the policy's chat template, as in training"
    return ExportColumn("chat_template_kwargs", "variables", about, variables), dict(values)


def _messages(pair: ExportedPair) -> list[Row]:
    return [{"role": role, "content": content} for role, content in pair.messages]


def _reply(text: str) -> Row:
    return {"role": "assistant", "content": text}


def _turn(message: Mapping[str, str]) -> Row:
    return {"from": _TURN_NAMES[message["role"]], "value": message["content"]}


def _asked(pair: ExportedPair) -> list[Row]:
    """The prompt in turns, without the system prompt, which has a column of its own."""
    return [_turn(message) for message in _messages(pair) if message["role"] != "system"]


def _system(pair: ExportedPair) -> str | None:
    return next((content for role, content in pair.messages if role == "system"), None)


def _problem(pair: ExportedPair) -> str:
    return next(content for role, content in pair.messages if role == "user")


def _both(pair: ExportedPair) -> list[tuple[str, bool]]:
    return [(pair.chosen.text, True), (pair.rejected.text, False)]


_PROMPT = ExportColumn("prompt", "messages", "system prompt, if any, and problem in the template, as in training")
_SYSTEM = ExportColumn("system", "text", "system prompt; null: none")
_LABEL = ExportColumn("label", "yes_no", "whether the completion is the wanted side of its pair")
_SHAPES: Mapping[tuple[str, str], _Shape] = {
    ("trl", "dpo"): _Shape(
        [
            _PROMPT,
            ExportColumn("chosen", "messages", "the wanted trace"),
            ExportColumn("rejected", "messages", "the other trace"),
        ],
        lambda pair: [
            {
                "prompt": _messages(pair),
                "chosen": [_reply(pair.chosen.text)],
                "rejected": [_reply(pair.rejected.text)],
            }
        ],
    ),
    ("trl", "kto"): _Shape(
        [_PROMPT, ExportColumn("completion", "messages", "one trace of the pair"), _LABEL],
        lambda pair: [
            {"prompt": _messages(pair), "completion": [_reply(text)], "label": label} for text, label in _both(pair)
        ],
    ),
    ("trl", "sft"): _Shape(
        [_PROMPT, ExportColumn("completion", "messages", "the wanted trace: the only part that is learnt")],
        lambda pair: [{"prompt": _messages(pair), "completion": [_reply(pair.chosen.text)]}],
    ),
    ("llamafactory", "dpo"): _Shape(
        [
            _SYSTEM,
            ExportColumn("conversations", "turns", "the problem in the template, as in training"),
            ExportColumn("chosen", "turn", "the wanted trace"),
            ExportColumn("rejected", "turn", "the other trace"),
        ],
        lambda pair: [
            {
                "system": _system(pair),
                "conversations": _asked(pair),
                "chosen": _turn(_reply(pair.chosen.text)),
                "rejected": _turn(_reply(pair.rejected.text)),
            }
        ],
    ),
    ("llamafactory", "kto"): _Shape(
        [
            _SYSTEM,
            ExportColumn("conversations", "turns", "the problem in the template, and one trace of the pair"),
            _LABEL,
        ],
        lambda pair: [
            {"system": _system(pair), "conversations": [*_asked(pair), _turn(_reply(text))], "label": label}
            for text, label in _both(pair)
        ],
    ),
    ("llamafactory", "sft"): _Shape(
        [_SYSTEM, ExportColumn("conversations", "turns", "the problem in the template, and the wanted trace")],
        lambda pair: [{"system": _system(pair), "conversations": [*_asked(pair), _turn(_reply(pair.chosen.text))]}],
    ),
    ("axolotl", "dpo"): _Shape(
        [
            ExportColumn("messages", "messages", _PROMPT.about),
            ExportColumn("chosen", "message", "the wanted trace"),
            ExportColumn("rejected", "message", "the other trace"),
        ],
        lambda pair: [
            {
                "messages": _messages(pair),
                "chosen": _reply(pair.chosen.text),
                "rejected": _reply(pair.rejected.text),
            }
        ],
    ),
    ("axolotl", "kto"): _Shape(
        [
            _SYSTEM,
            ExportColumn("prompt", "text", "the problem in the template, as in training"),
            ExportColumn("chosen", "text", "one trace of the pair, wanted or not; Axolotl's KTO asks for this name"),
            _LABEL,
        ],
        lambda pair: [
            {"system": _system(pair), "prompt": _problem(pair), "chosen": text, "label": label}
            for text, label in _both(pair)
        ],
    ),
    ("axolotl", "sft"): _Shape(
        [ExportColumn("messages", "messages", "system prompt, if any, problem in the template, and the wanted trace")],
        lambda pair: [{"messages": [*_messages(pair), _reply(pair.chosen.text)]}],
    ),
}


# --- what is known of a pair --------------------------------------------------------------------------------------

_OF_SIDE: tuple[tuple[str, Kind, str], ...] = (
    ("generator", "text", "who wrote the {} trace, by its name in the study"),
    ("model", "text", "its model: repository on the hub, or its name in the study"),
    ("revision", "text", "commit of that repository, or sha256 of the weights; null: a folder that was not hashed"),
    ("sample", "whole", "index of the draw, from 0"),
    ("tokens", "whole", "length of the {} trace in tokens of its generator"),
    ("characters", "whole", "length of the {} trace in characters"),
    ("correct", "yes_no", "whether its final answer is right; null: none could be read, or it is not graded"),
    ("finish_reason", "text", "why the {} trace ended: stop, or length (cut off)"),
)
SIDES = ("chosen", "rejected")


def _more_columns(dimensions: Sequence[str]) -> list[ExportColumn]:
    columns = [
        ExportColumn(
            "pair_id", "text", "hash of prompt, generators and samples: the same in every export of the study"
        ),
        ExportColumn("prompt_id", "text", "hash of the problem"),
        ExportColumn("part", "text", "always train: pairs are made from training prompts only"),
        ExportColumn("rank", "whole", "place in the selection, from 0; null: no selection"),
        ExportColumn(
            "swapped", "yes_no", "whether the arm trained with both sides exchanged; then all columns are, too"
        ),
    ]
    for side in SIDES:
        columns += [ExportColumn(f"{side}_{name}", kind, about.format(side)) for name, kind, about in _OF_SIDE]
    for dimension in dimensions:
        columns += [
            ExportColumn(f"{side}_score_{dimension}", "number", f"{_whose(dimension)} of the {side} trace, 1 to 5")
            for side in SIDES
        ]
        columns.append(ExportColumn(f"delta_{dimension}", "number", "score of chosen minus score of rejected, -4 to 4"))
    return columns


def _whose(dimension: str) -> str:
    judge = judge_in(dimension)
    if judge == PEOPLE:
        return "people's mean score"
    return f"the score by the judge {judge}" if judge else "the judge's score"


def _more(pair: ExportedPair, lineage: ExportLineage) -> Row:
    row: Row = {
        "pair_id": pair.pair_id,
        "prompt_id": pair.prompt_id,
        "part": "train",
        "rank": pair.rank,
        "swapped": pair.swapped,
    }
    for name in SIDES:
        side = getattr(pair, name)
        generator = lineage.generators[side.generator]
        known = {"model": generator.model.model, "revision": generator.model.revision}
        row |= {f"{name}_{what}": known[what] if what in known else getattr(side, what) for what, _, _ in _OF_SIDE}
    for dimension, scored in pair.scores.items():
        row |= {f"{name}_score_{dimension}": getattr(scored, name) for name in SIDES}
        row[f"delta_{dimension}"] = scored.delta
    return row
