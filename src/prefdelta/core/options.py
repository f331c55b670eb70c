"""What a config may say about an engine. Values only: each engine's own module says what they do."""

from typing import Annotated, Literal

from pydantic import Field

from prefdelta.core.hub import HubModel

from prefdelta.core.settings import Settings


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


class DatasetOptions(Settings):
    """Traces that a data set holds already: nothing is asked."""

    name: Literal["dataset"]


class VLLMServer(Settings):
    """A vLLM server, started on loopback by the job that needs it, on the GPUs of the job."""

    name: Literal["vllm"]
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    max_length: Annotated[int, Field(ge=2)]  # tokens of prompt + completion
    gpu_memory_share: Annotated[float, Field(gt=0, le=1)] = 0.9
    reasoning_parser: str | None = None  # vLLM's name of how this model marks its reasoning


GeneratorOptions = Annotated[TransformersOptions | VLLMOptions, Field(discriminator="name")]


class RulesServer(Settings):
    """Mini's rule-based judge, started on loopback by the job that needs it. It is not an LLM."""

    name: Literal["rules"]
    noise: Annotated[float, Field(ge=0, le=1)]  # probability that a score is off by one, per dimension


class OpenAIOptions(Settings):
    """Any server that speaks the OpenAI chat-completions protocol."""

    name: Literal["openai"]
    model: str  # as the server calls it
    server: RulesServer | None = None  # started for the job; otherwise base_url names one that runs already
    base_url: str | None = None
    api_key_env: str = "OPENAI_API_KEY"  # the variable that holds the key; never the key itself
    in_flight: Annotated[int, Field(ge=1)] = 64  # requests open at once
    deadline_s: Annotated[float, Field(gt=0)] = 600.0  # for one request, all its tries together
    quiet_s: Annotated[float, Field(gt=0)] = 30.0  # without an answer, then a canary is sent; and the time it has
    back_off_s: Annotated[float, Field(gt=0)] = 0.5  # mean wait before the second try; doubles up to 30 s
    start_s: Annotated[float, Field(gt=0)] = 60.0  # until a started server must have answered its first request
