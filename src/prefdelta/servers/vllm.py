"""A vLLM server for the judge: vLLM's own server of the OpenAI chat-completions protocol, on all GPUs of the job.

By hand:  VLLM_API_KEY=secret python -m vllm.entrypoints.openai.api_server --model <folder> --port 8011 …
"""

import json
import sys
from pathlib import Path
from typing import Any

from prefdelta.core.asking.engine_options import VLLMServer
from prefdelta.core.asking.template_settings import TemplateSettings
from prefdelta.models.chat_templates import dated, in_key, template_in, variables
from prefdelta.models.vllm_install import tensor_parallel_size, versions

VERSION = 1  # raise it when the same request would get another reply


def command(settings: VLLMServer, folder: Path, model: str, rendering: TemplateSettings, port: int) -> list[str]:
    """The command line that serves the checkpoint in `folder` under the name `model`.

    `vllm serve` does the same, but does not start in a build for CPUs.
    """
    return [
        sys.executable,
        *("-m", "vllm.entrypoints.openai.api_server"),
        *("--model", str(folder)),
        *("--served-model-name", model),
        *("--host", "127.0.0.1"),
        *("--port", str(port)),
        *("--dtype", settings.dtype),
        *("--max-model-len", str(settings.max_length)),
        *("--gpu-memory-utilization", str(settings.gpu_memory_share)),
        *("--tensor-parallel-size", str(tensor_parallel_size())),
        *("--load-format", "safetensors"),
        # The checkpoint's own defaults are not used: a top_k in its files would change the sampling that was asked for.
        *("--generation-config", "vllm"),
        "--enable-prefix-caching",
        "--disable-uvicorn-access-log",
        "--disable-fastapi-docs",
        *(["--reasoning-parser", settings.reasoning_parser] if settings.reasoning_parser else []),
        *_template_arguments(folder, rendering),
    ]


def environment(rendering: TemplateSettings) -> dict[str, str]:
    """The date for gpt-oss. vLLM writes its prompt without a template, and would take the date from the clock."""
    return {"VLLM_SYSTEM_START_DATE": rendering.date}


def _template_arguments(folder: Path, rendering: TemplateSettings) -> list[str]:
    """Options for the chat template with the study's date, if the date changes it, and for its other variables."""
    template = template_in(folder)
    if template is None:
        return []
    fixed, given = dated(template, rendering.date), variables(template, rendering)
    # In vLLM's single-line form, so no file has to exist until it is read.
    with_date = [] if fixed == template else ["--chat-template", fixed.encode("unicode_escape").decode("ascii")]
    return [*with_date, *(["--default-chat-template-kwargs", json.dumps(given)] if given else [])]


def identity(settings: VLLMServer, folder: Path, weights: str, rendering: TemplateSettings) -> dict[str, Any]:
    """All that determines a reply besides the request, for the key of the record.

    weights: identifies the checkpoint's files. The number of GPUs and the share of them that is used are left out: they
    change bits, but not the distribution, and a job that goes on elsewhere does not ask again.
    """
    return {
        "server": "vllm",
        "version": VERSION,
        **versions(),
        "weights": weights,
        "dtype": settings.dtype,
        "max_length": settings.max_length,
        "reasoning_parser": settings.reasoning_parser,
        **in_key(folder, rendering),
    }
