"""What every message is: a frozen, slotted, keyword-only record, compared by its fields.

For the reader and the type checker the same as `@dataclass(frozen=True, slots=True, kw_only=True)`, which compiles
six methods per class when it is imported. For the messages of this package that takes 25 ms, half of what a
command of `pyflowctl` may take in all; these methods are written once and take half a millisecond.

It refuses positional arguments, unknown names and any change after construction.
"""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, dataclass_transform, get_origin

T = TypeVar("T")

Setters = tuple[tuple[str, Callable[[Any, Any], None]], ...]
VALUE_FORMAT = 1  # annotationlib.Format.VALUE, without the milliseconds of importing it


class _Factory:
    """A default that is made anew for each message."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make


def field(*, default_factory: Callable[[], T]) -> T:
    """The default of a field that needs an object of its own, as in dataclasses."""
    default: Any = _Factory(default_factory)
    return default  # type: ignore[no-any-return]


def _annotations(namespace: dict[str, Any]) -> dict[str, Any]:
    """The annotations of a class that is being made. Python 3.14 has them evaluated by who wants them (PEP 649)."""
    evaluate = namespace.get("__annotate_func__")
    hints: dict[str, Any] = evaluate(VALUE_FORMAT) if evaluate else namespace.get("__annotations__", {})
    return hints


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class MessageType(type):
    """Turns the annotations of a class into slots, and their values into defaults."""

    _SETTERS: "Setters"  # of the slots: the class itself refuses to set them

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> "MessageType":
        hints = _annotations(namespace)
        names = tuple(field_name for field_name, hint in hints.items() if get_origin(hint) is not ClassVar)
        namespace["DEFAULTS"] = {
            field_name: namespace.pop(field_name) for field_name in names if field_name in namespace
        }
        namespace["FIELDS"] = namespace["__slots__"] = names
        kind = super().__new__(mcs, name, bases, namespace)
        kind._SETTERS = tuple((name, vars(kind)[name].__set__) for name in names)
        return kind


class Message(metaclass=MessageType):
    """A record of the fields its class annotates, in that order."""

    FIELDS: ClassVar[tuple[str, ...]]
    DEFAULTS: ClassVar[dict[str, Any]]
    _SETTERS: ClassVar[Setters]

    def __init__(self, **values: Any) -> None:
        given = 0
        for name, set_field in self._SETTERS:
            if name in values:
                set_field(self, values[name])
                given += 1
            else:
                set_field(self, self.default(name))
        if given != len(values):
            raise TypeError(f"{type(self).__name__} has no field {min(values.keys() - set(self.FIELDS))}")

    @classmethod
    def default(cls, name: str) -> Any:
        """What the field `name` is when it is not given; TypeError when it must be."""
        try:
            default = cls.DEFAULTS[name]
        except KeyError:
            raise TypeError(f"{cls.__name__} needs the field {name}") from None
        return default.make() if type(default) is _Factory else default

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.FIELDS)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        return self._values() == other._values() if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self.FIELDS)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), dict(zip(self.FIELDS, self._values(), strict=True)))


def _rebuild(kind: type[T], values: dict[str, Any]) -> T:
    return kind(**values)
