"""What every message is: a frozen, keyword-only record, compared by its fields.

For the reader and the type checker the same as `@dataclass(frozen=True, kw_only=True)`, which compiles six methods per
class when it is imported. For the messages of this package that takes 25 ms, half of what a command of `pyflowctl` may
take in all; these methods are written once and take half a millisecond.

A message's fields are its `__dict__`, in the order of its class: the daemon makes several for each node that it
executes, and to merge two dicts, or to walk through one, takes a third of the time of setting, or getting, each field.

It refuses positional arguments, unknown names and any change after construction.
"""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, dataclass_transform, get_origin

T = TypeVar("T")

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
    """Turns the annotations of a class into fields, and their values into defaults."""

    _TEMPLATE: dict[str, Any]  # all fields in their order, with their defaults; None where there is none
    REQUIRED: frozenset[str]  # the fields without a default
    _MADE: tuple[str, ...]  # the fields whose default is made anew

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> "MessageType":
        hints = _annotations(namespace)
        names = tuple(field_name for field_name, hint in hints.items() if get_origin(hint) is not ClassVar)
        defaults = {field_name: namespace.pop(field_name) for field_name in names if field_name in namespace}
        namespace["DEFAULTS"], namespace["FIELDS"] = defaults, names
        kind = super().__new__(mcs, name, bases, namespace)
        kind._TEMPLATE = {field_name: defaults.get(field_name) for field_name in names}
        kind.REQUIRED = frozenset(names) - defaults.keys()
        kind._MADE = tuple(field_name for field_name in names if type(defaults.get(field_name)) is _Factory)
        return kind


class Message(metaclass=MessageType):
    """A record of the fields its class annotates, in that order."""

    FIELDS: ClassVar[tuple[str, ...]]
    DEFAULTS: ClassVar[dict[str, Any]]
    REQUIRED: ClassVar[frozenset[str]]
    _TEMPLATE: ClassVar[dict[str, Any]]
    _MADE: ClassVar[tuple[str, ...]]

    def __init__(self, **values: Any) -> None:
        fields = self.complete(values) if self._MADE else {**self._TEMPLATE, **values}
        if len(fields) != len(self._TEMPLATE) or not values.keys() >= self.REQUIRED:
            raise self._misfit(values)
        _set_fields(self, fields)

    @classmethod
    def complete(cls, values: dict[str, Any]) -> dict[str, Any]:
        """These fields with the defaults of all others, in the order of the class; nothing is checked."""
        fields = {**cls._TEMPLATE, **values}
        for name in cls._MADE:
            if name not in values:
                fields[name] = cls.default(name)
        return fields

    @classmethod
    def _misfit(cls, values: dict[str, Any]) -> TypeError:
        missing, unknown = cls.REQUIRED - values.keys(), values.keys() - cls._TEMPLATE.keys()
        return TypeError(
            f"{cls.__name__} needs the field {min(missing)}"
            if missing
            else f"{cls.__name__} has no field {min(unknown)}"
        )

    @classmethod
    def default(cls, name: str) -> Any:
        """What the field `name` is when it is not given; TypeError when it must be."""
        try:
            default = cls.DEFAULTS[name]
        except KeyError:
            raise TypeError(f"{cls.__name__} needs the field {name}") from None
        return default.make() if type(default) is _Factory else default

    def _values(self) -> tuple[Any, ...]:
        return tuple(self.__dict__.values())

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        return self._values() == other._values() if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.__dict__)


_set_fields = vars(Message)["__dict__"].__set__  # the class itself refuses to set anything


def _rebuild(kind: type[T], values: dict[str, Any]) -> T:
    return kind(**values)
