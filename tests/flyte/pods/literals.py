"""Values of Flyte's wire: what a path leads to within one, what a condition compares, and Python values as inputs and outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgpack
from flyteidl.core.literals_pb2 import Binary, Literal
from flytekit import FlyteContextManager
from flytekit.core.interface import Interface
from flytekit.core.type_engine import TypeEngine
from flytekit.models import literals as models
from google.protobuf.json_format import MessageToDict

_MSGPACK = "msgpack"


def inside(literal: Literal, path: Iterable[Any]) -> Literal:
    """Return what an attribute path leads to: elements of lists and maps, then fields of a record, which stay msgpack."""
    ahead = list(path)
    while ahead and literal.WhichOneof("value") in ("collection", "map"):
        step = ahead.pop(0)
        literal = literal.collection.literals[step.int_value] if literal.HasField("collection") else literal.map.literals[step.string_value]
    if not ahead:
        return literal
    if literal.scalar.HasField("generic"):
        value = MessageToDict(literal.scalar.generic)
    else:
        assert literal.scalar.binary.tag == _MSGPACK, f"a path must lead into a record; got {literal.scalar.WhichOneof('value')}"
        value = msgpack.unpackb(literal.scalar.binary.value, strict_map_key=False)
    for step in ahead:
        value = value[getattr(step, step.WhichOneof("value"))]
    return Literal(scalar={"binary": Binary(value=msgpack.packb(value), tag=_MSGPACK)})


def comparable(literal: Literal) -> Any:
    """Return the Python value of a primitive."""
    scalar = literal.scalar
    if scalar.HasField("union"):
        return comparable(scalar.union.value)
    if scalar.HasField("binary"):
        return msgpack.unpackb(scalar.binary.value)
    kind = scalar.primitive.WhichOneof("value")
    assert kind is not None, f"a condition compares primitives; got {scalar.WhichOneof('value')}"
    held = getattr(scalar.primitive, kind)
    return held.ToDatetime() if kind == "datetime" else held.ToTimedelta() if kind == "duration" else held


def given(interface: Interface, values: Mapping[str, Any]) -> dict[str, Literal]:
    """Return Python values as literals of an interface's inputs."""
    context = FlyteContextManager.current_context()
    kinds = {name: interface.inputs[name] for name in values}
    made = TypeEngine.dict_to_literal_map(context, dict(values), kinds)
    return {name: literal.to_flyte_idl() for name, literal in made.literals.items()}


def python(interface: Interface, outputs: Mapping[str, Literal]) -> dict[str, Any]:
    """Return literals of an interface's outputs as Python values."""
    context = FlyteContextManager.current_context()
    held = {name: models.Literal.from_flyte_idl(literal) for name, literal in outputs.items()}
    return {name: TypeEngine.to_python_value(context, literal, interface.outputs[name]) for name, literal in held.items()}
