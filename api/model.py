"""What the generated models have in common: how they read a manifest, and their opaque parts.

A pod template is a plain mapping in a model, not a hundred classes: its schema is the API server's
business, and reading it would cost most of the time.
"""

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from ray_operator.operator.documents import JsonObject, JsonValue

if TYPE_CHECKING:
    OpaqueObject = JsonObject
    OpaqueValue = JsonValue
else:
    # What pydantic sees: checked to be an object or not at all, and never copied in depth.
    OpaqueObject = dict[str, Any]
    OpaqueValue = Any


class Model(BaseModel):
    """A part of a manifest: frozen; unknown fields are ignored, absent ones `None`.

    The attributes are in snake_case; `model_dump(mode="json", by_alias=True, exclude_unset=True)`
    gives back what was read, without the unknown fields.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        validate_by_name=True,
        validate_by_alias=True,
        # The classes are built when first used: importing them costs next to nothing.
        defer_build=True,
    )
