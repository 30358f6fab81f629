"""Stand-ins: what takes the place of everything that the import boundary does not execute.

While the release is imported a stand-in may be named, called, subclassed or used in an annotation: the result is one
more stand-in. Whatever needs a definite value (a truth test, a length, an iteration) is refused at any time, and once
the import is over *every* use is: a stand-in that reaches accounting code is an error and never a silent False. Only
the table gives definite answers.
"""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

MISSING: Any = object()
_DECORATED = (types.FunctionType, type, classmethod, staticmethod)


class StandInTouched(BaseException):
    """Code of the release used a stand-in for which its table has no answer.

    Not an `Exception`: the release's own `except Exception` must not be able to hide it.
    """

    def __init__(self, name: str, use: str, place: str) -> None:
        super().__init__(
            f"{name} is only stood in for, and was {use} at {place}; the import boundary has no answer for it"
        )
        self.name = name
        self.use = use
        self.place = place


class World:
    """What all stand-ins of one process share: the answers, and whether the import is over."""

    def __init__(self, root: str, answers: Mapping[str, Any]) -> None:
        self.root = root
        self.answers = answers
        self.sealed = False
        self.early: list[StandInTouched] = []
        self.touched: StandInTouched | None = None

    def refuse(self, name: str, use: str) -> NoReturn:
        """Say where the release used it."""
        error = StandInTouched(name, use, _place(self.root))
        if not self.sealed:
            self.early.append(error)
        elif self.touched is None:
            self.touched = error
        raise error

    def base_class(self, name: str) -> type:
        """A class without members, in place of the base class `name`."""
        from sim.engines.sglang.hollow import hollow

        return hollow(name, self)

    def attribute(self, owner: str, name: str) -> Any:
        """The answer for `owner.name`, or one more stand-in."""
        full = f"{owner}.{name}"
        answer = self.answers.get(full, MISSING)
        return StandIn(full, self) if answer is MISSING else answer


def _place(root: str) -> str:
    """file:line of the innermost frame that belongs to the release."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(root):
            return f"{os.path.relpath(file, root)}:{frame.f_lineno}"
        frame = frame.f_back
    return "no line of the release"


class StandIn:
    """One name that is not what the release thinks it is."""

    __slots__ = ("_stand_base", "_stand_name", "_stand_of", "_stand_world")
    _stand_name: str
    _stand_world: World
    _stand_of: Any
    _stand_base: type | None

    def __init__(self, name: str, world: World, of: Any = None) -> None:
        put = object.__setattr__
        put(self, "_stand_name", name)
        put(self, "_stand_world", world)
        put(self, "_stand_of", of)
        put(self, "_stand_base", None)

    def __repr__(self) -> str:
        return f"<stand-in {self._stand_name}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        world = self._stand_world
        answer = world.answers.get(f"{self._stand_name}.{name}", MISSING)
        if answer is not MISSING:
            return answer
        if world.sealed:
            world.refuse(self._stand_name, f"asked for its attribute {name}")
        return StandIn(f"{self._stand_name}.{name}", world)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """A result, or what a decorator leaves of what it decorates."""
        world = self._stand_world
        if world.sealed:
            world.refuse(self._stand_name, "called")
        if len(args) == 1 and not kwargs and isinstance(args[0], _DECORATED):
            return self._decorate(args[0])
        return StandIn(f"{self._stand_name}()", world)

    def _decorate(self, subject: Any) -> Any:
        """What a stood-in decorator makes of a function is a stand-in too; it keeps what it was made of."""
        named = getattr(subject, "__qualname__", "?")
        module = getattr(subject, "__module__", "?")
        return StandIn(f"{module}.{named} (decorated with {self._stand_name})", self._stand_world, subject)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        if self._stand_base is None:
            object.__setattr__(self, "_stand_base", self._stand_world.base_class(self._stand_name))
        assert self._stand_base is not None
        return (self._stand_base,)

    def __hash__(self) -> int:
        return id(self)

    def __setattr__(self, name: str, value: Any) -> None:
        if self._stand_world.sealed:
            self._stand_world.refuse(self._stand_name, f"given the attribute {name}")

    @property
    def __class__(self) -> Any:
        """What `isinstance(stand_in, …)` looks at."""
        if self._stand_world.sealed:
            self._stand_world.refuse(self._stand_name, "asked for its class")
        return StandIn

    @__class__.setter
    def __class__(self, value: Any) -> None:
        self._stand_world.refuse(self._stand_name, "given another class")


def _derives(use: str) -> Callable[..., Any]:
    """An operation that makes one more stand-in while importing, and is refused afterwards."""

    def operate(self: StandIn, *_: Any) -> Any:
        if self._stand_world.sealed:
            self._stand_world.refuse(self._stand_name, use)
        return StandIn(_derived(self._stand_name), self._stand_world)

    return operate


def _derived(name: str) -> str:
    return name if name.endswith(" (derived)") else f"{name} (derived)"


def _demands(use: str) -> Callable[..., Any]:
    """An operation that needs a definite value: refused at any time."""

    def operate(self: StandIn, *_: Any, **__: Any) -> Any:
        self._stand_world.refuse(self._stand_name, use)

    return operate


def _equals(answer: bool) -> Callable[..., Any]:
    """`typing` compares what stands in annotations with its own forms; to compare with a value is another matter."""

    def operate(self: StandIn, other: Any) -> Any:
        if self._stand_world.sealed:
            self._stand_world.refuse(self._stand_name, "compared")
        if other is None or isinstance(other, int | float | str | bytes | tuple | list | dict | set):
            return StandIn(_derived(self._stand_name), self._stand_world)
        return (self is other) is answer

    return operate


_ARITHMETIC = (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "divmod", "pow", "lshift", "rshift", "and", "or", "xor",
    "matmul",
)  # fmt: skip
_DERIVING = {
    **{f"__{name}__": "calculated with" for name in _ARITHMETIC},
    **{f"__r{name}__": "calculated with" for name in _ARITHMETIC},
    **dict.fromkeys(("__neg__", "__pos__", "__abs__", "__invert__"), "calculated with"),
    **dict.fromkeys(("__lt__", "__le__", "__gt__", "__ge__"), "compared"),
    "__getitem__": "indexed",
}
StandIn.__eq__ = _equals(True)  # type: ignore[method-assign]
StandIn.__ne__ = _equals(False)  # type: ignore[method-assign]
_DEMANDING = {
    "__bool__": "tested for truth",
    "__len__": "asked for its length",
    "__iter__": "iterated over",
    "__contains__": "searched",
    "__instancecheck__": "used in isinstance",
    "__subclasscheck__": "used in issubclass",
    "__setitem__": "changed",
    "__delitem__": "changed",
    "__enter__": "entered",
    "__exit__": "left",
    "__await__": "awaited",
    "__next__": "iterated over",
    **dict.fromkeys(("__int__", "__index__", "__float__", "__complex__", "__round__"), "used as a number"),
    **dict.fromkeys(("__str__", "__format__", "__bytes__", "__fspath__"), "used as text"),
    **dict.fromkeys(("__copy__", "__deepcopy__", "__reduce_ex__"), "copied"),
    "__array__": "used as an array",
}
for _name, _use in _DERIVING.items():
    setattr(StandIn, _name, _derives(_use))
for _name, _use in _DEMANDING.items():
    setattr(StandIn, _name, _demands(_use))


def _torch_function(cls: Any, function: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
    """A torch function was handed a stand-in."""
    for value in (*args, *(kwargs or {}).values()):
        if isinstance(value, StandIn):
            value._stand_world.refuse(value._stand_name, f"given to {getattr(function, '__name__', function)}")
    raise TypeError("a stand-in was given to a torch function")


StandIn.__torch_function__ = classmethod(_torch_function)  # type: ignore[attr-defined]


class StandInModule(types.ModuleType):
    """A module that is not executed; its attributes are stand-ins."""

    def __init__(self, name: str, world: World, path: list[str], submodule: Callable[[str], Any]) -> None:
        super().__init__(name)
        self.__path__ = path
        self.__dict__["_stand"] = (world, submodule)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":
            raise AttributeError(name)
        world, submodule = self.__dict__["_stand"]
        value = submodule(f"{self.__name__}.{name}")
        if value is None:
            value = world.attribute(self.__name__, name)
        self.__dict__[name] = value
        return value
