r"""The reasoning of a trace: one form in which all traces are stored, and what a policy would write of it.

Models differ in who opens the reasoning (the model, or its prompt), and in the white space around the marks. What is
stored is `<think>\n…\n</think>\n\n…` for all, so that chosen and rejected traces differ in their content alone.
"""

from prefdelta.core.asking.reasoning_marks import CLOSE, OPEN, without_thinking
from prefdelta.core.errors import StudyError


def opened_by(prompt: str) -> str | None:
    """The mark, with the white space after it, by which a rendered prompt opens the reasoning; None if it does not."""
    bare = prompt.rstrip()
    return prompt[len(bare) - len(OPEN) :] if bare.endswith(OPEN) else None


def closed_by(prompt: str) -> bool:
    """Whether a rendered prompt has closed the reasoning already, which is how templates switch it off."""
    return prompt.rstrip().endswith(CLOSE)


def whole_reply(prompt: str, generated: str) -> str:
    """A reply with the mark of reasoning that its rendered prompt opened, if it did."""
    opened = opened_by(prompt)
    return generated if opened is None or _opens(generated) else opened + generated


def in_one_form(text: str) -> str:
    r"""A trace as it is stored: `<think>\n…\n</think>\n\n…` if its reasoning is marked, else as it is.

    A text that closes what it never opened had its reasoning opened by a prompt. Reasoning ends where graders take it
    to end (`without_thinking`); what stays open stays so.
    """
    if not _opens(text) and OPEN in text.partition(CLOSE)[0]:
        return text  # speaks of a mark, or reasons in its middle
    if not _opens(text) and CLOSE not in text:
        return text
    answer, reasoning = without_thinking(text), text.lstrip().removeprefix(OPEN)
    if answer is None:
        return f"{OPEN}\n{reasoning.lstrip()}" if _opens(text) else text
    reasoning = reasoning.removesuffix(answer).removesuffix(CLOSE)
    return f"{OPEN}\n{reasoning.strip()}\n{CLOSE}\n\n{answer.lstrip()}"


def as_generated(prompt: str, text: str) -> str:
    r"""What a policy would have to generate after the rendered prompt to say `text`.

    A prompt that opens the reasoning has written the first mark already; a text without reasoning then closes it at
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
