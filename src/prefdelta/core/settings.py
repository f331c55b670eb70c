"""The base of everything that is read from a config file or passed to a stage."""

import ast
import inspect
import sys
from functools import cache
from itertools import pairwise

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Settings(BaseModel):
    """Typed, frozen, and closed: an unknown key or a wrong type is an error, never a silent default.

    The string below a field is the field's description in the JSON schema.
    """

    # defer_build: types that a process never validates are not compiled; every job of a cluster parses the Snakefile.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, defer_build=True)

    def plugins(self) -> list[str]:
        """Names in `prefdelta.system.plugins` that these settings make the stage load, e.g. `engines.openai`.

        The source of a plugin is in the digest of the jobs that use it, and of no others.
        """
        return []

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Add the descriptions of the fields to the JSON schema.

        pydantic's `use_attribute_docstrings` does the same when a class is made, which adds half to the time that the
        Snakefile's imports take, in every job. Here the source is read only when a schema is asked for.
        """
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for parent in reversed(cls.__mro__):
            if issubclass(parent, Settings):
                for field, text in _descriptions(parent.__module__).get(parent.__name__, {}).items():
                    properties[field]["description"] = text
        return schema


@cache
def _descriptions(module: str) -> dict[str, dict[str, str]]:
    """Class -> field -> the string below it, for the classes at the top level of a module."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: _strings_below_fields(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _strings_below_fields(definition: ast.ClassDef) -> dict[str, str]:
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }


def mistakes(error: ValidationError) -> str:
    """The mistakes in a file, in one line: key and rule of each."""
    return "; ".join(f"{'.'.join(map(str, mistake['loc']))}: {mistake['msg']}" for mistake in error.errors())
