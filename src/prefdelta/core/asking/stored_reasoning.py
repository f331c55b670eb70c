r"""The reasoning of a trace: the one form in which all traces are stored, and the part that a policy would write.

Models differ in who opens the reasoning (the model, or its prompt), and in the white space around the marks. All traces
are stored as `<think>\n…\n</think>\n\n…`, so that chosen and rejected traces differ only in their content.
"""

from prefdelta.core.asking.reasoning_marks import CLOSE, OPEN, without_thinking
from prefdelta.core.errors import StudyError


def opened_by(prompt: str) -> str | None:
    """The mark by which a rendered prompt opens the reasoning, with the white space after it; None without a mark."""
    bare = prompt.rstrip()
    return prompt[len(bare) - len(OPEN) :] if bare.endswith(OPEN) else None


def closed_by(prompt: str) -> bool:
    """Whether a rendered prompt has closed the reasoning already. Templates switch reasoning off in this way."""
    return prompt.rstrip().endswith(CLOSE)


def whole_reply(prompt: str, generated: str) -> str:
    """A reply, preceded by the mark of reasoning if its rendered prompt opened the reasoning."""
    opened = opened_by(prompt)
    return generated if opened is None or _opens(generated) else opened + generated


def in_one_form(text: str) -> str:
    r"""A trace as it is stored: `<think>\n…\n</think>\n\n…` if its reasoning is marked, else unchanged.

    If a text closes reasoning that it never opened, a prompt opened it. Reasoning ends where it ends for graders
    (`without_thinking`); reasoning that is not closed stays open.
    """
    if not _opens(text) and OPEN in text.partition(CLOSE)[0]:
        return text  # the text mentions a mark, or reasons in its middle
    if not _opens(text) and CLOSE not in text:
        return text
    answer, reasoning = without_thinking(text), text.lstrip().removeprefix(OPEN)
    if answer is None:
        return f"{OPEN}\n{reasoning.lstrip()}" if _opens(text) else text
    reasoning = reasoning.removesuffix(answer).removesuffix(CLOSE)
    return f"{OPEN}\n{reasoning.strip()}\n{CLOSE}\n\n{answer.lstrip()}"


def as_generated(prompt: str, text: str) -> str:
    r"""What a policy would have to generate after the rendered prompt to say `text`.

    If the prompt opens the reasoning, the first mark is left out, and a text without reasoning closes the reasoning at
    once. Raises StudyError for a text with reasoning if the prompt has closed the reasoning already.
    """
    opened = opened_by(prompt)
    if closed_by(prompt) and (_opens(text) or CLOSE in text):
        raise StudyError(
            "the chat template closes the reasoning in the prompt already (it is off by default), so a trace that "
            "reasons would be trained as a second reasoning. Switch it on with models.<model>.chat_template_kwargs, "
            "as the model's card says, for example {enable_thinking: true}; or train on traces that do not reason."
        )
    if opened is None:
        return text
    if not _opens(text):
        if CLOSE in text:
            return text  # opened by another prompt
        text = f"{OPEN}\n\n{CLOSE}\n\n{text}"
    text, written = text.lstrip().removeprefix(OPEN), opened.removeprefix(OPEN)
    while not text.startswith(written):  # remove the white space after the mark that both have
        written = written[:-1]
    return text.removeprefix(written)


def _opens(text: str) -> bool:
    return text.lstrip().startswith(OPEN)
