"""What stands for a value that only running code could rebuild."""

from __future__ import annotations


class Opaque:
    """A value of a snapshot that was not rebuilt, because reading never runs code; adopting rebuilds it.

    ``type_name`` is the name of its type, as ``module.qualname``.
    """

    __slots__ = ("type_name",)

    def __init__(self, type_name: str) -> None:
        self.type_name = type_name

    def __repr__(self) -> str:
        return f"<opaque {self.type_name}>"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Opaque):
            return self.type_name == other.type_name
        return NotImplemented

    def __hash__(self) -> int:
        return hash((Opaque, self.type_name))
