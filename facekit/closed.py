"""Files that people or programs write, as closed models: no key that nobody knows."""

from pydantic import BaseModel, ConfigDict, ValidationError

__all__ = ["Closed", "told_mistakes"]


class Closed(BaseModel):
    """Frozen, without keys that nobody knows, and all of its numbers finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def told_mistakes(error: ValidationError) -> str:
    """Every mistake with its place, in one line without semicolons."""
    said = []
    for one in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in one["loc"])
        message = str(one["msg"]).removeprefix("Value error, ").replace(";", ",")
        if one["type"] == "extra_forbidden":
            message = "unknown key"
        said.append(f"{where}: {message}" if where else message)
    return ", ".join(said)
