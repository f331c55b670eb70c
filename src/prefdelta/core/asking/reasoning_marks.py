"""Reasoning and answer in one text: where the reasoning ends and the answer begins."""

import re

OPEN, CLOSE = "<think>", "</think>"
_ANOTHER = re.compile(rf"\s*{OPEN}")


def without_thinking(text: str) -> str | None:
    """The answer, which follows the reasoning; None if the reasoning was never closed.

    A text without marks is all answer. So is a text that opens a mark in its middle and never closes it: it only
    mentions the mark.

    Reasoning stands before the answer, in one block or in several that follow each other. A block ends at the mark that
    closes it; blocks within it are counted. If fewer marks close than open, one was only mentioned, and the first
    closing mark ends the block. If a text closes before it opens, the prompt opened the reasoning, as some chat
    templates do. After the last block, marks are part of the answer.
    """
    if not (OPEN in text or CLOSE in text):
        return text
    end, balanced = _end_of_block(text, OPEN, CLOSE)
    if end is None and not text.lstrip().startswith(OPEN):
        return text
    while end is not None and balanced and _ANOTHER.match(text, end):
        end, balanced = _end_of_block(text, OPEN, CLOSE, end)
    return None if end is None else text[end:]


def with_thinking(reasoning: str | None, text: str | None, truncated: bool) -> str | None:
    r"""Reasoning and text that a server keeps apart, as one text: `<think>\n…\n</think>\n\n…`.

    A text that begins with reasoning, or closes some, is returned unchanged; so is any text if `reasoning` is empty. An
    empty text is returned unchanged, too, unless the reply was truncated: then the result is the open reasoning.
    """
    before, opened, _ = (text or "").partition(OPEN)
    if not reasoning or (opened and not before.strip()) or CLOSE in before:
        return text
    if not (text or "").strip():
        return f"{OPEN}\n{reasoning.strip()}\n" if truncated else text
    return f"{OPEN}\n{reasoning.strip()}\n{CLOSE}\n\n{str(text).lstrip()}"


def marked_thinking(text: str, opening: str, closing: str) -> str:
    r"""A text with a model's own marks as `<think>\n…\n</think>\n\n…`. A text without them is returned unchanged.

    s1 and s1.1, for example, write `<|im_start|>think\n…\n<|im_start|>answer\n…` (simplescaling/s1). These are special
    tokens, so such replies must be decoded without skipping them. Whitespace around the marks does not count. The
    reasoning ends as in `without_thinking`; without a closing mark it stays open.
    """
    opening, closing = opening.strip(), closing.strip()
    if not (opening in text or closing in text):
        return text
    end, _ = _end_of_block(text, opening, closing)
    reasoned, answer = (text, "") if end is None else (text[: end - len(closing)], text[end:])
    before, opened, after = reasoned.partition(opening)
    thinking, start = (after, before) if opened else (reasoned, "")
    return f"{start}{OPEN}\n{thinking.strip()}\n" + ("" if end is None else f"{CLOSE}\n\n{answer.lstrip()}")


def _end_of_block(text: str, opening: str, closing: str, start: int = 0) -> tuple[int | None, bool]:
    """(where the block of reasoning from `start` ends, whether as many marks close in it as open).

    The block ends behind its closing mark. The end is None if there is none.
    """
    depth, first = 0, None
    for mark in re.compile(f"{re.escape(opening)}|{re.escape(closing)}").finditer(text, start):
        if mark[0] == opening:
            depth += 1
            continue
        depth -= 1
        first = first or mark.end()
        if depth <= 0:
            return mark.end(), True
    return first, False
