"""What the sections of a recipe have in common: their base, and the kinds of value they take."""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Aspect", "Level", "Probability", "Section", "Weight"]

Aspect: TypeAlias = Literal["1:1", "16:9", "9:16"]
"""Width to height."""

Level: TypeAlias = Literal["L0", "L1", "L2", "none"]

Probability: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Weight: TypeAlias = Annotated[float, Field(ge=0)]


class Section(BaseModel):
    """Closed and frozen; the docstring under a key is its description."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=False,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )
