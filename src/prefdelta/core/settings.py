"""The base of everything that is read from a config file or passed to a stage."""

from pydantic import BaseModel, ConfigDict, ValidationError


class Settings(BaseModel):
    """Typed, frozen, and closed: an unknown key or a wrong type is an error, never a silent default."""

    # defer_build: what a process never validates is not compiled; the Snakefile is parsed in every job of a cluster.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, defer_build=True)

    def plugins(self) -> list[str]:
        """Names in `prefdelta.system.plugins` that these settings make the stage load, e.g. `engines.openai.engine`.

        Their source enters the digest of the jobs that use them, and of no others.
        """
        return []


def mistakes(error: ValidationError) -> str:
    """What is wrong in a file, in one line: key and rule of each mistake."""
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
