"""What a config may say about an engine. Only values are here: each engine's own module says what they do."""

import re
from typing import Annotated, Literal, get_args

from pydantic import Field

from prefdelta.core.asking.model_names import is_one_of
from prefdelta.core.settings import Settings

ANY = "any"  # value of `replies_as`


class TransformersOptions(Settings):
    """Hugging Face transformers in the job's process."""

    name: Literal["transformers"]
    """Kind of engine: Hugging Face transformers in the job's process."""

    batch_size: Annotated[int, Field(ge=1)] = 256
    """Largest number of requests in one forward pass. Part of what determines the text."""

    threads: Annotated[int, Field(ge=1)] = 1
    """Number of torch threads. Part of what determines the text on a CPU, so it is a setting and not left to the
    machine."""

    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Precision in which weights are loaded and computed with."""


class VLLMOptions(Settings):
    """vLLM in the job's process (offline), on the GPUs of the job."""

    name: Literal["vllm"]
    """Kind of engine: vLLM in the job's process."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "bfloat16"
    """Precision in which weights are loaded and computed with; `auto` is that of the checkpoint, or 16 bits for one in
    float32."""

    max_length: Annotated[int, Field(ge=2)]
    """Context length: tokens of prompt + completion. A prompt that leaves no room for a completion is a failure."""

    gpu_memory_share: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Share of each GPU's memory that vLLM may take, from 0 to 1."""

    max_sequences: Annotated[int, Field(ge=1)] = 256
    """Largest number of sequences that are computed at a time."""


class VLLMServer(Settings):
    """A vLLM server that the job starts on loopback, on its own GPUs."""

    name: Literal["vllm"]
    """Kind of server: vLLM's own."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision in which weights are loaded and computed with; `auto` is that of the checkpoint."""

    max_length: Annotated[int, Field(ge=2)]
    """Context length: tokens of prompt + completion."""

    gpu_memory_share: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Share of each GPU's memory that vLLM may take, from 0 to 1."""

    reasoning_parser: str | None = None
    """vLLM's name for the way in which the model marks its reasoning, for example openai_gptoss."""


class ThinkingMarks(Settings):
    """How a model marks its reasoning, if it does not write <think> and </think>."""

    opening: str
    """Text that begins the reasoning. It is stored as <think>."""

    closing: str
    """Text that ends the reasoning. It is stored as </think>."""


GeneratorOptions = Annotated[TransformersOptions | VLLMOptions, Field(discriminator="name")]


class RulesServer(Settings):
    """The rule-based judge of the mini study, started on loopback by the job. It is not an LLM."""

    name: Literal["rules"]
    """Kind of server: the rule-based judge of the mini study."""

    noise: Annotated[float, Field(ge=0, le=1)]
    """Share of the scores of a dimension that differ from those without noise, each by one. At 1 and 5 there is one way
    only."""


class BatchOptions(Settings):
    """Asking through a provider's batch API: cheaper, and answered within the window."""

    window: str = "24h"
    """Completion window that is asked of the provider. OpenAI has only 24h."""

    poll_s: Annotated[float, Field(gt=0)] = 60.0
    """Seconds between two looks at the open batches."""

    requests: Annotated[int, Field(ge=1, le=50_000)] = 50_000
    """Largest number of requests in one batch. OpenAI's own limit is 50,000."""

    rounds: Annotated[int, Field(ge=1)] = 3
    """Largest number of batches in one run that may contain the same request, if earlier ones did not answer it."""


# What a request may hold besides the model and the messages, as OpenAI names it.
Parameter = Literal["temperature", "top_p", "max_completion_tokens", "seed", "reasoning_effort", "response_format"]
_SENT_ANYWAY = ("model", "messages", *get_args(Parameter))


class OpenAIOptions(Settings):
    """Any server with the OpenAI chat-completions protocol.

    Replies of a hosted model are recorded under its name and `provider`, not under its address: another port, proxy or
    domain asks nothing again.
    """

    name: Literal["openai"]
    """Kind of engine: any server with the OpenAI chat-completions protocol."""

    model: str
    """Name of the model in requests, as the server calls it."""

    replies_as: str | list[str] | None = None
    """Names in replies that mean `model` too: one name, a list, or `any`. A reply with another name is a failure."""

    server: Annotated[RulesServer | VLLMServer, Field(discriminator="name")] | None = None
    """A server that each job starts for itself. Give either this or `base_url`."""

    base_url: str | None = None
    """Address of a server that runs already, up to and with /v1. Another address asks nothing again."""

    provider: str | None = None
    """Your own label for who serves the model, and which weights. Another label asks everything again."""

    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key. The key itself is never written into a file."""

    omit: list[Parameter] = Field(default_factory=list)
    """Parameters of a request that are left out, because the server refuses them. Part of the key under which a reply
    is recorded."""

    rename: dict[Parameter, str] = Field(default_factory=dict)
    """Parameter -> the server's name for it, for example { seed: random_seed }. Part of the key under which a reply
    is recorded."""

    response_format: Literal["json_schema", "json_schema_enum", "json_object"] = "json_schema"
    """How the form of a verdict is asked for: a JSON schema with the range of scores, a JSON schema with the list of
    scores (json_schema_enum), or any JSON (json_object). `omit: [response_format]` asks for none."""

    batch: BatchOptions | None = None
    """Ask through the provider's batch API; {} for its defaults. Default: one request at a time."""

    prices: str | None = None
    """File with prices in USD per million tokens, for example resources/prices/example.yaml. If given, spending is
    counted."""

    limit_usd: Annotated[float, Field(gt=0)] | None = None
    """Most that the whole study may spend on hosted judges, in USD, when this one is asked: they share one account.
    Nothing is sent that might exceed it. Needs `prices`."""

    in_flight: Annotated[int, Field(ge=1)] = 64
    """Largest number of requests that are open at once."""

    deadline_s: Annotated[float, Field(gt=0)] = 600.0
    """Seconds for one request, all its attempts together."""

    quiet_s: Annotated[float, Field(gt=0)] = 30.0
    """Seconds without an answer after which a short test request is sent. It has as many seconds
    to be answered."""

    back_off_s: Annotated[float, Field(gt=0)] = 0.5
    """Mean seconds before the second attempt of a request. The wait doubles with each attempt, up to 30 s."""

    start_s: Annotated[float, Field(gt=0)] = 60.0
    """Seconds within which a started server must have answered its first request."""

    def accepts(self, name: str | None) -> bool:
        """Whether a reply that names this model counts as a reply of the model that was asked."""
        more = [self.replies_as] if isinstance(self.replies_as, str) else self.replies_as or []
        return ANY in more or is_one_of(name, [self.model, *more])

    def problems(self) -> list[str]:
        """Mistakes that no single value shows."""
        found = []
        if (self.server is None) == (self.base_url is None):
            found.append("give either server (started for the job) or base_url (of one that runs)")
        if self.server is not None and (self.batch or self.prices or self.provider):
            found.append("batch, prices and provider are for a hosted model (base_url), not for a server of the job's")
        if self.limit_usd is not None and self.prices is None:
            found.append("limit_usd needs prices, a file that says what the model costs")
        if self.limit_usd is not None and "max_completion_tokens" in self.omit:
            found.append("limit_usd needs max_completion_tokens, which omit leaves out: a reply could cost anything")
        if self.response_format != "json_schema" and "response_format" in self.omit:
            found.append(f"response_format is {self.response_format}, and omit leaves it out: give one of both")
        return found + self._problems_of_names()

    def _problems_of_names(self) -> list[str]:
        found = []
        for name, other in self.rename.items():
            if name in self.omit:
                found.append(f"{name} is in rename and in omit: give one of both")
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", other):
                found.append(f"rename.{name} is {other!r}, which is not a parameter's name")
            elif other == name or (other in _SENT_ANYWAY and other not in (*self.omit, *self.rename)):
                found.append(f"rename.{name} is {other}, which a request holds already")
        if len(set(self.rename.values())) < len(self.rename):
            found.append("rename gives one name to two parameters")
        return found
