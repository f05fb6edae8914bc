"""Dataclasses whose methods are compiled when the first instance is made, if one is.

The standard library's module takes 17 ms to import and compiles the methods of each class as it is defined, 0.7 ms;
a phase defines some hundred and makes instances of a third. What is made here behaves the same. Only what pybuild
uses is here: `dataclass` with `slots=True` and without base classes that are dataclasses, `field`, `replace`.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_MISSING: Any = object()
_set = object.__setattr__


class FrozenInstanceError(AttributeError):
    """A field of a frozen instance was to be changed."""


class Field:
    """What a field gets where nothing is given: `default`, or what `default_factory` makes."""

    __slots__ = ("default", "default_factory")

    def __init__(self, default: Any, default_factory: Any) -> None:
        self.default, self.default_factory = default, default_factory


def field(*, default: Any = _MISSING, default_factory: Any = _MISSING) -> Any:
    """See `dataclasses.field`."""
    return Field(default, default_factory)


def replace(instance: Any, /, **changes: Any) -> Any:
    """See `dataclasses.replace`."""
    values = {name: getattr(instance, name) for name in instance.__dataclass_fields__}
    return instance.__class__(**(values | changes))


def dataclass(
    *,
    slots: bool,
    frozen: bool = False,
    kw_only: bool = False,
    eq: bool = True,
    order: bool = False,
    weakref_slot: bool = False,
) -> Callable[[type], type]:
    """See `dataclasses.dataclass`."""
    if not slots:
        raise TypeError("dataclasses in this archive have slots")

    def with_methods(given: type) -> type:
        body = dict(given.__dict__)
        if any(hasattr(base, "__dataclass_fields__") for base in given.__bases__):
            raise TypeError(f"{given.__qualname__}: no dataclass is derived from another in this archive")
        fields = {
            name: _field(body.pop(name, _MISSING))
            for name, of_type in body.get("__annotations__", {}).items()
            if not of_type.startswith("ClassVar")
        }
        for name in ("__dict__", "__weakref__"):
            body.pop(name, None)
        body["__dataclass_fields__"] = fields
        body["__slots__"] = (*fields, "__weakref__") if weakref_slot else tuple(fields)
        body["__match_args__"] = () if kw_only else tuple(fields)
        own_hash = body.get("__hash__")
        if eq:
            body.setdefault("__eq__", _equality(fields))
            if own_hash is None:
                body["__hash__"] = _hash_of(fields) if frozen else None
        body.setdefault("__repr__", _text_of(fields))
        if order:
            body |= {name: _comparison(fields, name) for name in ("__lt__", "__le__", "__gt__", "__ge__")}
        if frozen:
            body |= {"__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete}
            # For copies: the usual way to set what was read would be refused.
            body |= {"__getstate__": _state, "__setstate__": _take_state}
        if "__init__" not in body:
            body["__init__"] = _first_init
            body["__init_options__"] = (frozen, kw_only)
        return type(given)(given.__name__, given.__bases__, body)

    return with_methods


def _field(given: Any) -> Field:
    return given if isinstance(given, Field) else Field(given, _MISSING)


def _first_init(self: Any, /, *args: Any, **words: Any) -> None:
    """Stands for `__init__` until it is called once."""
    cls: Any = next(each for each in type(self).__mro__ if "__init_options__" in each.__dict__)
    cls.__init__ = _compiled_init(cls)
    cls.__init__(self, *args, **words)


def _compiled_init(cls: Any) -> Any:
    fields: dict[str, Field] = cls.__dataclass_fields__
    frozen, kw_only = cls.__init_options__
    scope: dict[str, Any] = {"_MISSING": _MISSING, "_set": _set}
    parameters = ["self", "*"] if kw_only and fields else ["self"]
    lines = []
    for name, each in fields.items():
        parameter, value = name, name
        if each.default_factory is not _MISSING:
            scope[f"_make_{name}"] = each.default_factory
            parameter, value = f"{name}=_MISSING", f"_make_{name}() if {name} is _MISSING else {name}"
        elif each.default is not _MISSING:
            scope[f"_default_{name}"] = each.default
            parameter = f"{name}=_default_{name}"
        parameters.append(parameter)
        lines.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    text = f"def __init__({', '.join(parameters)}):\n " + "\n ".join(lines or ["pass"])
    exec(text, scope)  # made of names of fields, as the standard library does it
    made = scope["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


def _values(fields: dict[str, Field]) -> Callable[[Any], tuple[Any, ...]]:
    """What gives all values of an instance, in order."""
    if len(fields) > 1:
        return attrgetter(*fields)
    return lambda instance: tuple(getattr(instance, name) for name in fields)


def _equality(fields: dict[str, Field]) -> Any:
    values = _values(fields)

    def __eq__(self: Any, other: object) -> Any:  # noqa: N807
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    return __eq__


def _hash_of(fields: dict[str, Field]) -> Any:
    values = _values(fields)
    return lambda self: hash(values(self))


def _text_of(fields: dict[str, Field]) -> Any:
    def __repr__(self: Any) -> str:  # noqa: N807
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in fields)
        return f"{self.__class__.__qualname__}({shown})"

    return __repr__


def _comparison(fields: dict[str, Field], name: str) -> Any:
    values, compare = _values(fields), getattr(tuple, name)

    def method(self: Any, other: object) -> Any:
        same = other.__class__ is self.__class__
        return compare(values(self), values(other)) if same else NotImplemented

    return method


def _refuse_to_set(self: Any, name: str, value: object) -> None:  # noqa: ARG001 - of the protocol
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: Any, name: str) -> None:  # noqa: ARG001
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, name) for name in self.__dataclass_fields__]


def _take_state(self: Any, state: list[Any]) -> None:
    for name, value in zip(self.__dataclass_fields__, state, strict=True):
        _set(self, name, value)
