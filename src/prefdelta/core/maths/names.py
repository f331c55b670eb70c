r"""Names in `name = value`: x, a_n, f(x), AB, \angle ABC, |AB|, (x, y), \text{Area}. x + y is not a name."""

import re

LETTER = r"[A-Za-z]|\\(?:alpha|beta|gamma|delta|epsilon|theta|lambda|mu|omega|phi|rho|sigma|tau|psi|xi|zeta|eta|kappa|nu|Delta|Omega|Phi|Gamma|Sigma|ell)(?![A-Za-z])"  # noqa: E501
_SUB = r"(?:\s*'+)?(?:\s*_\s*(?:\{[^{}]*(?:\{[^{}]*\}[^{}]*)?\}|[A-Za-z0-9]|\\[A-Za-z]+))?(?:\s*'+)?"
_POINTS = rf"(?:[A-Z]{_SUB}\s*){{2,6}}"
_SIMPLE_NAME = rf"(?:{_POINTS}|(?:{LETTER}){_SUB})"
_FRACTION_NAME = rf"\\frac\{{\s*{_POINTS}\}}\{{\s*{_POINTS}\}}|\\frac\{{d[a-zA-Z]\}}\{{d[a-zA-Z]\}}"
_MARKED_NAME = (
    rf"m?\s*\\(?:angle|triangle|overline|overrightarrow|vec|hat|bar|widehat|min|max|gcd|lcm|deg|det|Re|Im|arg)\s*"
    rf"(?:_\s*\{{[^{{}}]*\}}\s*)?(?:\{{\s*{_SIMPLE_NAME}\s*\}}|\(\s*{_SIMPLE_NAME}\s*\)|{_SIMPLE_NAME})"
    rf"|\\(?:sin|cos|tan|cot|sec|csc)\s*(?:[A-Z]|\\[a-z]+|\\angle\s*[A-Z]+|\{{\s*[A-Z]\s*\}})"
    rf"|\|\s*(?:{_POINTS}|\\vec\{{[A-Za-z]\}}|[zwA-Z]{_SUB}|\\overline\{{[A-Z]+\}})\s*\||\[\s*{_POINTS}\]"
    r"|\\text\{[^{}]*[A-Za-z]{2,}[^{}]*\}|(?:area|sum|[A-Za-z][a-z]{3,})(?:\s+[a-z]{2,}){0,4}"
)
_NAME = re.compile(
    rf"\s*(?:{_FRACTION_NAME}|{_MARKED_NAME}|{_SIMPLE_NAME}(?:\s*:\s*{_SIMPLE_NAME})+|{_SIMPLE_NAME})\s*"
)
_FUNCTION = re.compile(
    rf"\s*({_SIMPLE_NAME}|[A-Za-z](?:\^\{{(?:-1|\(\d\)|\d)\}})|\\(?:min|max|gcd|phi|varphi)|\\text\{{[^{{}}]*\}})\s*\(([^=<>]*|[^()]*)\)\s*"
)


def name_of(text: str) -> tuple[str, tuple[str, ...]] | None:
    r"""(name, its arguments) if a text is a name: x, a_n, \angle ABC, f(x), (x, y). None if it is not a name."""
    text = text.strip()
    if len(text) > 200:
        return None
    if (match := _FUNCTION.fullmatch(text)) and "," not in match[1]:
        arguments = [part.strip() for part in match[2].split(",")]
        letters = tuple(arguments) if all(re.fullmatch(LETTER, part) for part in arguments) else ()
        return _bare_name(match[1] if letters else text), letters
    if _NAME.fullmatch(text):
        return _bare_name(text), ()
    if text[:1] == "(" and text[-1:] == ")":
        names = [part.strip() for part in text[1:-1].split(",")]
        if len(names) > 1 and all(re.fullmatch(_SIMPLE_NAME, part) for part in names):
            return _bare_name(text), ()
    return None


def _bare_name(text: str) -> str:
    return re.sub(r"\\text|[\s{}]", "", text)
