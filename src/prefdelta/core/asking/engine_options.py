"""What a config may say about an engine. Values only: each engine's own module says what they do."""

import re
from typing import Annotated, Literal, get_args

from pydantic import Field

from prefdelta.core.asking.model_names import is_one_of
from prefdelta.core.settings import Settings

ANY = "any"  # for replies_as


class TransformersOptions(Settings):
    """Hugging Face transformers in this process."""

    name: Literal["transformers"]
    batch_size: Annotated[int, Field(ge=1)] = 256  # requests in one forward pass; they have equal prompt lengths
    threads: Annotated[int, Field(ge=1)] = 1  # torch threads: part of what determines the bits on a CPU
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"


class VLLMOptions(Settings):
    """vLLM in this process (offline), on the GPUs of the job."""

    name: Literal["vllm"]
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "bfloat16"
    max_length: Annotated[int, Field(ge=2)]  # tokens of prompt + completion; a prompt that leaves no room is a failure
    gpu_memory_share: Annotated[float, Field(gt=0, le=1)] = 0.9  # of each GPU
    max_sequences: Annotated[int, Field(ge=1)] = 256  # in one step of the engine


class VLLMServer(Settings):
    """A vLLM server, started on loopback by the job that needs it, on the GPUs of the job."""

    name: Literal["vllm"]
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    max_length: Annotated[int, Field(ge=2)]  # tokens of prompt + completion
    gpu_memory_share: Annotated[float, Field(gt=0, le=1)] = 0.9
    reasoning_parser: str | None = None  # vLLM's name of how this model marks its reasoning


class ThinkingMarks(Settings):
    """How a model marks its reasoning, if not by <think> and </think>."""

    opening: str
    closing: str


GeneratorOptions = Annotated[TransformersOptions | VLLMOptions, Field(discriminator="name")]


class RulesServer(Settings):
    """Mini's rule-based judge, started on loopback by the job that needs it. It is not an LLM."""

    name: Literal["rules"]
    noise: Annotated[float, Field(ge=0, le=1)]  # probability that a score is off by one, per dimension


class BatchOptions(Settings):
    """Asking through a provider's batch API: cheaper, and done within the window instead of at once."""

    window: str = "24h"  # the provider's completion window; OpenAI has only this one
    poll_s: Annotated[float, Field(gt=0)] = 60.0  # between two looks at the batches
    requests: Annotated[int, Field(ge=1, le=50_000)] = 50_000  # in one batch, at most; 50,000 is OpenAI's own limit
    rounds: Annotated[int, Field(ge=1)] = 3  # batches that one run puts a request into, if those before did not answer


# What a request may hold besides the model and the messages, as OpenAI names it.
Parameter = Literal["temperature", "top_p", "max_completion_tokens", "seed", "reasoning_effort", "response_format"]
_SENT_ANYWAY = ("model", "messages", *get_args(Parameter))


class OpenAIOptions(Settings):
    """Any server that speaks the OpenAI chat-completions protocol.

    What is recorded of a hosted model is known by its name and `provider`, not by its address: another port, proxy or
    domain asks nothing again.
    """

    name: Literal["openai"]
    model: str  # as the server calls it
    replies_as: str | list[str] | None = None  # names in replies that mean `model` too (of an alias); or any
    server: Annotated[RulesServer | VLLMServer, Field(discriminator="name")] | None = None  # started for the job; or:
    base_url: str | None = None  # of one that runs already, up to and with /v1
    provider: str | None = None  # a label of your own: who serves it, which weights. Another label asks all again
    api_key_env: str = "OPENAI_API_KEY"  # the variable that holds the key; never the key itself
    omit: list[Parameter] = Field(default_factory=list)  # what this provider or model refuses
    rename: dict[Parameter, str] = Field(default_factory=dict)  # what it calls otherwise: {seed: random_seed}
    # How a verdict's form is asked for: a JSON schema with the range of scores as minimum and maximum, one with their
    # list (enum), or JSON of whatever form. `omit: [response_format]` asks for no form.
    response_format: Literal["json_schema", "json_schema_enum", "json_object"] = "json_schema"
    batch: BatchOptions | None = None  # through the provider's batch API; `batch: {}` for its defaults
    prices: str | None = None  # file of USD per million tokens, e.g. resources/prices/example.yaml: counts spending
    limit_usd: Annotated[float, Field(gt=0)] | None = None  # of the whole study; nothing is sent that may exceed it
    in_flight: Annotated[int, Field(ge=1)] = 64  # requests open at once
    deadline_s: Annotated[float, Field(gt=0)] = 600.0  # for one request, all its tries together
    quiet_s: Annotated[float, Field(gt=0)] = 30.0  # without an answer, then a canary is sent; and the time it has
    back_off_s: Annotated[float, Field(gt=0)] = 0.5  # mean wait before the second try; doubles up to 30 s
    start_s: Annotated[float, Field(gt=0)] = 60.0  # until a started server must have answered its first request

    def accepts(self, name: str | None) -> bool:
        """Whether a reply that names this model is one of the model that was asked."""
        more = [self.replies_as] if isinstance(self.replies_as, str) else self.replies_as or []
        return ANY in more or is_one_of(name, [self.model, *more])

    def problems(self) -> list[str]:
        """What no single value shows."""
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
