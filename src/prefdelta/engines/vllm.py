"""Engine `vllm`: vLLM in this process (offline), on all GPUs of the job.

All missing requests go to one engine, each with its seed, and rows are returned as they finish. The engine's core runs
in this process, not in a child of it: a kill leaves no orphan that holds the GPU, and `prefdelta.system.processes` ends
work that cannot be unwound. With several GPUs vLLM starts a worker for each, which ends when this
process is gone.

This module renders and decodes itself. The prompt is the chat template's own token ids, so nothing adds a second BOS.
The reply is decoded with its special tokens, because some models mark their reasoning with them (s1.1:
`<|im_start|>think`); only the token that ended it is left out. If the prompt opened the reasoning, its mark is put
before the reply. Of the checkpoint's generation_config only the stop tokens are used: a repetition penalty would change
the sampling.
"""

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefdelta.core.asking.engine_options import VLLMOptions
from prefdelta.core.asking.requests import Failure, Reply, Request
from prefdelta.core.asking.stored_reasoning import whole_reply
from prefdelta.core.asking.template_settings import PLAIN, TemplateSettings
from prefdelta.core.errors import StudyError
from prefdelta.models.chat_templates import in_key, render, token_ids
from prefdelta.models.loading import load_tokenizer
from prefdelta.models.vllm_install import tensor_parallel_size, versions
from prefdelta.system import environment
from prefdelta.system.processes import uninterrupted

if TYPE_CHECKING:
    from vllm import LLMEngine, RequestOutput, SamplingParams

VERSION = 2  # raise it when the same request would get another reply
_ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the engine's core in this process
    # Forked workers would share the pipe by which this process learns of signals: SIGTERM to one would end all.
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",
}


class VLLMEngine:
    """Asks the model in `folder`, a checkpoint in Hugging Face format whose files hash to `weights`."""

    def __init__(self, folder: Path, weights: str, options: VLLMOptions, rendering: TemplateSettings = PLAIN) -> None:
        self._folder, self._weights, self._options, self._rendering = folder, weights, options, rendering

    def identity(self) -> dict[str, Any]:
        """All that determines a reply, except for rounding.

        The number of GPUs, the share of them that is used, the number of sequences in a step and the other requests in
        the same step change the order of sums. This changes bits, and by chance a token, but not the distribution: a
        job that goes on elsewhere does not ask recorded requests again.
        """
        return {
            "engine": "vllm",
            "version": VERSION,
            **versions(),
            "weights": self._weights,  # with tokenizer and chat template, which are files of the checkpoint
            "dtype": self._options.dtype,
            "max_length": self._options.max_length,
            **in_key(self._folder, self._rendering),
        }

    def run(self, plan: Sequence[tuple[str, Request]], missing: Collection[str]) -> Iterator[Reply | Failure]:
        """Replies to the missing requests. Raises StudyError if vLLM does not start, refuses a request, or dies."""
        tokenizer = load_tokenizer(self._folder)
        fitting: list[tuple[str, Request, list[int]]] = []
        prompts: dict[str, str] = {}  # key -> its rendered prompt
        for key, request in dict(plan).items():  # a request that is in the plan twice is asked once
            if key in missing:
                prompts[key] = prompt_of(tokenizer, request, self._rendering)
                ids = token_ids(tokenizer, prompts[key])
                if len(ids) + request.sampling.max_tokens > self._options.max_length:
                    yield Failure(key, "too_long", permanent=True)
                else:
                    fitting.append((key, request, ids))
        if not fitting:
            return
        with_entropy = any(request.with_entropy for _, request, _ in fitting)
        with self._started(with_entropy) as engine:
            for key, request, ids in fitting:
                _enqueue(engine, key, request, ids)
            while engine.has_unfinished_requests():
                with uninterrupted():  # signals wait until the rows that a step finished are handed over
                    for output in _step(engine):
                        if output.finished:
                            yield _result(output, tokenizer, prompts[output.request_id])

    @contextmanager
    def _started(self, with_entropy: bool) -> "Iterator[LLMEngine]":
        """An engine that holds the GPUs until the context is left."""
        environment.silence()
        os.environ.update(_ENVIRONMENT)  # before vLLM reads the environment
        from vllm import EngineArgs, LLMEngine
        from vllm.distributed import cleanup_dist_env_and_memory

        try:
            arguments = engine_arguments(self._folder, self._options, tensor_parallel_size(), with_entropy)
            engine = LLMEngine.from_engine_args(EngineArgs(**arguments))
        except Exception as error:
            raise StudyError(
                f"vLLM did not start with the model in {self._folder} ({type(error).__name__}: {error}). Its own "
                "messages are above in this log. What can be set is engine.dtype, max_length, gpu_memory_share and "
                "max_sequences, and how many GPUs the job asks for."
            ) from error
        try:
            yield engine
        finally:
            with suppress(Exception):  # an engine that died may not be able to
                engine.engine_core.shutdown()
            del engine
            cleanup_dist_env_and_memory()


def engine_arguments(folder: Path, options: VLLMOptions, gpus: int, with_entropy: bool = False) -> dict[str, Any]:
    """The arguments for vLLM's EngineArgs. with_entropy: log-probabilities are those after temperature and top_p."""
    return {
        "model": str(folder),
        "dtype": options.dtype,
        "max_model_len": options.max_length,
        "tensor_parallel_size": gpus,
        "gpu_memory_utilization": options.gpu_memory_share,
        "max_num_seqs": options.max_sequences,
        "enable_prefix_caching": True,
        "generation_config": "vllm",
        "load_format": "safetensors",
        "disable_log_stats": True,
        **({"logprobs_mode": "processed_logprobs"} if with_entropy else {}),
    }


def prompt_of(tokenizer: Any, request: Request, rendering: TemplateSettings) -> str:
    """The chat template's text, up to where the reply begins. Raises StudyError as `render`."""
    return render(tokenizer, request.messages, rendering, request.sampling.reasoning_effort)


def sampling_arguments(request: Request) -> dict[str, Any]:
    """The arguments for vLLM's SamplingParams."""
    sampling = request.sampling
    return {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "seed": request.seed + request.attempt,
        "detokenize": False,
        **({"logprobs": 0, "flat_logprobs": True} if _has_entropy(request) else {}),  # 0: of sampled tokens alone
    }


def _has_entropy(request: Request) -> bool:
    """Whether a reply should say its entropy: greedy tokens are not drawn."""
    return request.with_entropy and request.sampling.temperature > 0


def text_of(tokenizer: Any, ids: list[int], finish_reason: str) -> str:
    """The text of a reply's tokens, with special tokens, but without the token that ended it."""
    kept = ids[:-1] if finish_reason == "stop" else ids
    return str(tokenizer.decode(kept, skip_special_tokens=False, clean_up_tokenization_spaces=False))


def _enqueue(engine: "LLMEngine", key: str, request: Request, ids: list[int]) -> None:
    try:
        (prompt,) = engine.renderer.render_cmpl([{"prompt_token_ids": ids}])
        engine.add_request(key, prompt, _sampling(request))
    except ValueError as error:  # vLLM's errors of validation are ValueErrors
        raise StudyError(f"vLLM refuses a request ({error}). It says\n{request.messages[-1][1][:200]}") from error


def _sampling(request: Request) -> "SamplingParams":
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    schema = request.response_schema
    return SamplingParams(
        **sampling_arguments(request),
        output_kind=RequestOutputKind.FINAL_ONLY,
        structured_outputs=None if schema is None else StructuredOutputsParams(json=schema),
    )


def _step(engine: "LLMEngine") -> "list[RequestOutput]":
    try:
        outputs: list[RequestOutput] = engine.step()
    except Exception as error:
        raise StudyError(
            f"vLLM's engine died ({type(error).__name__}: {error}). What was answered is recorded; the same command "
            "asks for the rest. If it was short of memory, lower engine.gpu_memory_share or max_sequences, or ask for "
            "more GPUs; its own messages are above in this log."
        ) from error
    return outputs


def _result(output: "RequestOutput", tokenizer: Any, prompt: str) -> Reply | Failure:
    (completion,) = output.outputs
    reason, ids = completion.finish_reason, list(completion.token_ids)
    if reason not in ("stop", "length"):
        return Failure(output.request_id, "engine_error", permanent=False, detail=str(reason))
    # The sum of -ln p of the sampled tokens is an unbiased estimate of the sum of their entropies; None: not asked for.
    logp = completion.cumulative_logprob
    text = whole_reply(prompt, text_of(tokenizer, ids, reason))
    return Reply(output.request_id, text, reason, len(ids), entropy=None if logp is None else -logp)
