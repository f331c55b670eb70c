"""Reasoning and answer in one text: where the one ends and the other begins."""

_OPEN, _CLOSE = "<think>", "</think>"


def without_thinking(text: str) -> str | None:
    """What follows the last `</think>`; all of a text without marks; None if reasoning was opened and never closed.

    A text that only closes has its reasoning opened by the prompt, as some chat templates do.
    """
    answer = text.rpartition(_CLOSE)[2]
    return None if _OPEN in answer else answer


def with_thinking(reasoning: str | None, text: str | None, cut: bool) -> str | None:
    r"""A reply whose server keeps its reasoning apart, as one text: `<think>\n…\n</think>\n\n…`.

    A text that has marks of its own comes back unchanged, as does one without reasoning, and an empty one; only if the
    reply was cut is that its open reasoning.
    """
    if not reasoning or _OPEN in (text or "") or _CLOSE in (text or ""):
        return text
    if not (text or "").strip():
        return f"{_OPEN}\n{reasoning.strip()}\n" if cut else text
    return f"{_OPEN}\n{reasoning.strip()}\n{_CLOSE}\n\n{str(text).lstrip()}"


def marked_thinking(text: str, opening: str, closing: str) -> str:
    r"""A text whose model has marks of its own, as `<think>\n…\n</think>\n\n…`. One without them comes back unchanged.

    s1 and s1.1, for example, write `<|im_start|>think\n…\n<|im_start|>answer\n…` (simplescaling/s1). These are special
    tokens, so such replies must be decoded without skipping them. Whitespace around the marks does not count. The
    answer begins at the last closing mark; without one the reasoning stays open.
    """
    opening, closing = opening.strip(), closing.strip()
    thinking, closed, answer = text.rpartition(closing)
    if not closed:
        thinking, answer = text, ""
    before, opened, after = thinking.partition(opening)
    if not opened and not closed:
        return text
    thinking = (after if opened else before).strip()
    start = before if opened else ""
    return f"{start}{_OPEN}\n{thinking}\n" + (f"{_CLOSE}\n\n{answer.lstrip()}" if closed else "")
