"""What a foreign ONNX file may not do: read other files, run for ever, or take all memory.

Reads just enough of the protocol buffer to find tensors that point outside the file (onnx.proto,
TensorProto.data_location), loops and functions; needs no onnx package. Knows nothing else of what
a graph computes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

MAX_MEMORY = 256 << 20  # bytes that all graphs of a process may hold beside their files
_MAX_DEPTH = 64

# Message type -> field number -> type of the message in it (onnx.proto of ONNX 1.16).
_FIELDS: dict[str, dict[int, str]] = {
    'model': {7: 'graph'},
    'graph': {1: 'node', 5: 'tensor', 15: 'sparse'},
    'node': {5: 'attribute'},
    'attribute': {5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse'},
    'sparse': {1: 'tensor', 2: 'tensor'},
    'tensor': {},
}
_NAME, _EXTERNAL_DATA, _DATA_LOCATION = 8, 13, 14  # of TensorProto
_FUNCTIONS, _OP_TYPE = 25, 4  # of ModelProto and NodeProto
_ENDLESS = (b'Loop', b'Scan')


class GraphError(ValueError):
    """An ONNX file that is refused; the message says why."""


def check(graph: bytes) -> None:
    """Raise GraphError when a tensor lies in another file, or the graph loops or has functions."""
    _walk(memoryview(graph), 'model', 0)


def _walk(message: memoryview, kind: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise GraphError('messages are nested too deep')
    name, external = '', False
    for number, value in _fields(message):
        if kind == 'tensor':
            if number == _NAME and isinstance(value, memoryview):
                name = bytes(value[:80]).decode('utf-8', 'replace')
            external |= number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0)
        elif kind == 'node' and number == _OP_TYPE:
            if isinstance(value, memoryview) and value.tobytes() in _ENDLESS:
                raise GraphError(f'has a {value.tobytes().decode()}, which may never end')
        elif kind == 'model' and number == _FUNCTIONS:
            raise GraphError('has functions, which may call each other without end')
        elif number in _FIELDS[kind] and isinstance(value, memoryview):
            _walk(value, _FIELDS[kind][number], depth + 1)
    if external:
        raise GraphError(f'tensor {name!r} lies in another file (external data)')


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Yield (field number, bytes or integer); protocol buffers' wire format."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        if key >> 32 or not key >> 3:  # other readers would see another field
            raise GraphError('is no ONNX file')
        wire = key & 7
        if wire == 0:
            value, place = _varint(message, place)
            yield key >> 3, value
            continue
        size = {1: 8, 5: 4}.get(wire)
        if wire == 2:
            size, place = _varint(message, place)
        if size is None or place + size > len(message):
            raise GraphError('is no ONNX file')
        yield key >> 3, message[place:place + size]
        place += size


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(message) and shift < 70:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
    raise GraphError('is no ONNX file')


@lru_cache(maxsize=1)
def limit_memory() -> None:
    """Let all sessions of this process share one arena of MAX_MEMORY bytes."""
    import onnxruntime
    place: Any = onnxruntime.OrtMemoryInfo(
        'Cpu', onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0,
        onnxruntime.OrtMemType.DEFAULT)
    arena = onnxruntime.OrtArenaCfg({'max_mem': MAX_MEMORY, 'arena_extend_strategy': 1})
    onnxruntime.create_and_register_allocator(place, arena)
