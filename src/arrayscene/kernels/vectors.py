"""Several numbers in one register, as a numba type: for kernels whose sums the compiler would not keep in registers by itself.

A `Lanes` value holds `BYTES` of numbers, and adds and multiplies like one. Compilers cut it into what the processor has; left to
themselves they use half of the widest registers, and go through the end of a row in single steps. For use inside of kernels.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, cast

from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

WIDE = bool(binding.get_host_cpu_features().get("avx512f", False))
"""Whether the processor has registers of 64 bytes, and 32 of them; else 16 of 32 bytes are counted on."""

BYTES = 64 if WIDE else 32


class Lanes(types.Type):  # type: ignore[misc]
    """The numba type of such numbers."""

    def __init__(self, dtype: Any) -> None:
        self.dtype, self.width = dtype, BYTES * 8 // dtype.bitwidth
        super().__init__(name=f"Lanes({dtype})")  # type: ignore[no-untyped-call]


@register_model(Lanes)
class LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    """As what the compiler knows them: a vector."""

    def __init__(self, manager: Any, lanes: Any) -> None:
        number = ir.FloatType() if lanes.dtype == types.float32 else ir.DoubleType()
        super().__init__(manager, lanes, ir.VectorType(number, lanes.width))  # type: ignore[no-untyped-call]


def _operator(name: Any, emit: str) -> None:
    @type_callable(name)
    def typed(context: Any) -> Any:
        def typer(a: Any, b: Any) -> Any:
            return a if isinstance(a, Lanes) and a == b else None

        return typer

    @lower_builtin(name, Lanes, Lanes)  # type: ignore[no-untyped-call, untyped-decorator]
    def lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return getattr(builder, emit)(*arguments)


for _name, _emit in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
    (operator.iadd, "fadd"),
    (operator.isub, "fsub"),
    (operator.imul, "fmul"),
):
    _operator(_name, _emit)


def _in_kernels(typed: Callable[..., Any]) -> Any:
    """A function of kernels from one that, of the types of its arguments, gives its own type and what emits its instructions."""
    return intrinsic(prefer_literal=True)(typed)


@_in_kernels
def width(context: Any, rows: Any) -> Any:
    """How many numbers of an array's type are lanes."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.get_constant(types.intp, Lanes(rows.dtype).width)

    return types.intp(rows), emit


@_in_kernels
def read(context: Any, rows: Any, index: Any) -> Any:
    """The numbers of an array from an index on; its last axis is contiguous."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _read(builder, _place(context, builder, signature.args[:2], arguments[:2]), rows)

    return Lanes(rows.dtype)(rows, index), emit


@_in_kernels
def write(context: Any, rows: Any, index: Any, value: Any) -> Any:
    """Put lanes into an array from an index on."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _place(context, builder, signature.args[:2], arguments[:2])
        _write(builder, pointer, arguments[2], rows)
        return context.get_dummy_value()

    return types.void(rows, index, value), emit


@_in_kernels
def fill(context: Any, rows: Any, value: Any) -> Any:
    """The same number in all lanes, in the precision of an array."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _spread(builder, context.cast(builder, arguments[1], value, rows.dtype), Lanes(rows.dtype).width)

    return Lanes(rows.dtype)(rows, value), emit


@_in_kernels
def maximum(context: Any, value: Any, other: Any) -> Any:
    """The larger of two in every lane."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *arguments), *arguments)

    return value(value, other), emit


@_in_kernels
def root(context: Any, value: Any) -> Any:
    """The square root."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = arguments[0].type
        name = f"llvm.sqrt.v{lanes.count}{lanes.element.intrinsic_name}"
        known = cast(Any, cgutils).get_or_insert_function(builder.module, ir.FunctionType(lanes, [lanes]), name)
        return builder.call(known, arguments)

    return value(value), emit


@_in_kernels
def zeros(context: Any, rows: Any, n: Any) -> Any:
    """So many zeros in lanes each, a tuple; the number is known when the kernel is compiled."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(context.get_value_type(signature.return_type), None)

    several = types.UniTuple(Lanes(rows.dtype), n.literal_value)  # type: ignore[no-untyped-call]
    return several(rows, n), emit


@_in_kernels
def add_sums(context: Any, sums: Any, others: Any) -> Any:
    """Each of several sums plus the one of the others in its place."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        result, other = arguments
        return _added(builder, result, (builder.extract_value(other, k) for k in range(sums.count)))

    return sums(sums, others), emit


@_in_kernels
def add_shifted(context: Any, sums: Any, value: Any, rows: Any, index: Any) -> Any:
    """Each of several sums plus the value times the lanes of an array that begin one further on than those before."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        result, vector, *place = arguments
        first = _place(context, builder, signature.args[2:], place)
        lanes = (_read(builder, _further(builder, first, k), rows) for k in range(sums.count))
        return _added(builder, result, (builder.fmul(vector, each) for each in lanes))

    return sums(sums, value, rows, index), emit


@_in_kernels
def add_rows(context: Any, sums: Any, value: Any, rows: Any, index: Any) -> Any:
    """Each of several sums plus the value times lanes of an array, the next from the next row; the index is (row, column)."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        result, vector, *place = arguments
        lanes = (_read(builder, _row(context, builder, signature.args[2:], place, k), rows) for k in range(sums.count))
        return _added(builder, result, (builder.fmul(vector, each) for each in lanes))

    return sums(sums, value, rows, index), emit


@_in_kernels
def add_to_rows(context: Any, sums: Any, rows: Any, index: Any) -> Any:
    """Add several sums to lanes of an array, the next to the next row; the index is (row, column)."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        for k in range(sums.count):
            pointer = _row(context, builder, signature.args[1:], arguments[1:], k)
            value = builder.fadd(_read(builder, pointer, rows), builder.extract_value(arguments[0], k))
            _write(builder, pointer, value, rows)
        return context.get_dummy_value()

    return types.void(sums, rows, index), emit


@_in_kernels
def add_scaled(context: Any, sums: Any, rows: Any, index: Any, value: Any) -> Any:
    """Each of several sums plus the value times one number of an array, the next for the next."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        result, *place, vector = arguments
        first = _place(context, builder, signature.args[1:3], place)
        numbers = (builder.load(_further(builder, first, k)) for k in range(sums.count))
        return _added(builder, result, (builder.fmul(_spread(builder, each, sums.dtype.width), vector) for each in numbers))

    return sums(sums, rows, index, value), emit


@_in_kernels
def write_totals(context: Any, sums: Any, rows: Any, index: Any) -> Any:
    """Put the sums over lanes of each of several into an array from an index on, taken in its precision."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        first = _place(context, builder, signature.args[1:], arguments[1:])
        each = [_as_precise(builder, builder.extract_value(arguments[0], k), first.type.pointee) for k in range(sums.count)]
        n_lanes = each[0].type.count
        for k in range(0, sums.count, n_lanes):
            _write(builder, _further(builder, first, k), _totals(builder, each[k : k + n_lanes]), rows)
        return context.get_dummy_value()

    return types.void(sums, rows, index), emit


def _added(builder: Any, sums: Any, terms: Any) -> Any:
    """Each of several sums plus the term in its place. Terms that are emitted as they are taken do not wait in registers."""
    for k, term in enumerate(terms):
        sums = builder.insert_value(sums, builder.fadd(builder.extract_value(sums, k), term), k)
    return sums


def _further(builder: Any, first: Any, k: int) -> Any:
    """Pointer to the k-th element after another."""
    return builder.gep(first, [ir.Constant(ir.IntType(32), k)])


def _place(context: Any, builder: Any, kinds: Any, arguments: Any) -> Any:
    """Pointer to an element of an array, for arguments (array, index)."""
    (rows, index), tools = kinds, cast(Any, cgutils)
    several = isinstance(index, types.BaseTuple)
    values, each = (tools.unpack_tuple(builder, arguments[1]), index) if several else ([arguments[1]], [index])
    integers = [context.cast(builder, value, kind, types.intp) for value, kind in zip(values, each, strict=True)]
    array = context.make_array(rows)(context, builder, arguments[0])
    return tools.get_item_pointer(context, builder, rows, array, integers, wraparound=False)


def _row(context: Any, builder: Any, kinds: Any, arguments: Any, further: int) -> Any:
    """The same, so many rows further on."""
    (rows, index), (array, place) = kinds, arguments
    row, column = cast(Any, cgutils).unpack_tuple(builder, place)
    row = builder.add(context.cast(builder, row, index[0], types.intp), context.get_constant(types.intp, further))
    column = context.cast(builder, column, index[1], types.intp)
    pair = types.UniTuple(types.intp, 2)  # type: ignore[no-untyped-call]
    return _place(context, builder, (rows, pair), (array, context.make_tuple(builder, pair, [row, column])))


def _read(builder: Any, pointer: Any, rows: Any) -> Any:
    lanes = ir.VectorType(pointer.type.pointee, Lanes(rows.dtype).width)
    return builder.load(builder.bitcast(pointer, lanes.as_pointer()), align=rows.dtype.bitwidth // 8)


def _write(builder: Any, pointer: Any, lanes: Any, rows: Any) -> None:
    builder.store(lanes, builder.bitcast(pointer, lanes.type.as_pointer()), align=rows.dtype.bitwidth // 8)


def _spread(builder: Any, number: Any, n_lanes: int) -> Any:
    nothing = ir.Constant(ir.VectorType(number.type, n_lanes), ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), n_lanes), [0] * n_lanes))


def _as_precise(builder: Any, vector: Any, number: Any) -> Any:
    """Doubles for floats where those are wanted, half as many: the sums of two lanes each."""
    if vector.type.element == number:
        return vector
    n_lanes = vector.type.count
    vector = builder.fpext(vector, ir.VectorType(number, n_lanes))
    return builder.fadd(
        _picked(builder, vector, vector, range(n_lanes // 2)), _picked(builder, vector, vector, range(n_lanes // 2, n_lanes))
    )


def _totals(builder: Any, vectors: Any) -> Any:
    """A vector of the sums over lanes of several: halves of two are added at once, then quarters of four, ..."""
    count, n_lanes, stretch = len(vectors), vectors[0].type.count, vectors[0].type.count
    while stretch > 1:
        n_seen = n_lanes if len(vectors) == 1 else 2 * n_lanes
        vectors = [*vectors, vectors[-1]] if len(vectors) % 2 else vectors
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        halves = [
            [place for start in range(0, n_seen, stretch) for place in range(start + half, start + half + stretch // 2)]
            for half in (0, stretch // 2)
        ]
        vectors = [builder.fadd(*(_picked(builder, *pair, half) for half in halves)) for pair in pairs]
        n_lanes, stretch = len(halves[0]), stretch // 2
    return _picked(builder, vectors[0], vectors[0], range(count))


def _picked(builder: Any, vector: Any, other: Any, places: Any) -> Any:
    """Lanes of two vectors, those of the other after those of the first."""
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(places)), list(places))
    return builder.shuffle_vector(vector, other, mask)
