"""latex2sympy2's parser in two passes, of which the second is rarely needed.

ANTLR predicts with the parser's whole context (LL) or without it (SLL), which is several times faster. Without it the
parser gives the same tree or a syntax error (ANTLR's documentation of `PredictionMode.SLL`), so only after an error
the text is parsed again with the whole context.
"""

from types import SimpleNamespace
from typing import Any


def parse_in_two_passes() -> None:
    """Let every later call of latex2sympy2 in this process, by whomever, parse so."""
    from antlr4.atn.PredictionMode import PredictionMode
    from latex2sympy2_extended.latex2sympy2 import _Latex2Sympy

    create = _Latex2Sympy.create_parser

    def create_parser(self: Any, latex: str) -> SimpleNamespace:
        def math() -> Any:
            parser = create(self, latex)
            parser._interp.predictionMode = PredictionMode.SLL
            try:
                return parser.math()
            except Exception:  # its listener raises one for a syntax error
                return create(self, latex).math()

        return SimpleNamespace(math=math)

    _Latex2Sympy.create_parser = create_parser
