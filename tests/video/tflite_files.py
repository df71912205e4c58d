"""Small TFLite files, written with the schema that comes with LiteRT."""

import numpy as np
import pytest


def write_tflite(path, weights, size=(120, 160), quantised=False, also=(), open_size=False, bias=0.0):
    """A network of one 1 x 1 convolution.

    Args:
        path: of the file.
        weights: (C, 3): of red, green and blue for each channel of the output.
        size: (H, W) of the picture.
        quantised: input and output are uint8, 0 to 255 for 0 to 1 (weights of 0 and 1 alone).
        also: shapes of further outputs before it, which are constant.
        open_size: the file leaves the size open.
        bias: added to each channel.
    """
    schema = pytest.importorskip(
        "ai_edge_litert.schema_py_generated", reason="ai-edge-litert is not installed: `meshgait[tflite]`"
    )
    flatbuffers = pytest.importorskip("flatbuffers", reason="flatbuffers is not installed")
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.buffers = 3, [schema.BufferT()]
    kind = schema.TensorType.UINT8 if quantised else schema.TensorType.FLOAT32
    graph.tensors = []

    def tensor(shape, values=None, type=kind, scale=1 / 255):
        one = schema.TensorT()
        one.name, one.shape, one.type = f"t{len(graph.tensors)}", list(shape), type
        if open_size and values is None:
            one.shapeSignature = [shape[0], -1, -1, shape[3]]
        if quantised:
            one.quantization = schema.QuantizationParametersT()
            one.quantization.scale, one.quantization.zeroPoint = [scale], [0]
        if values is not None:
            one.buffer = len(model.buffers)
            model.buffers.append(schema.BufferT())
            model.buffers[-1].data = np.frombuffer(values.tobytes(), np.uint8)
        graph.tensors.append(one)
        return len(graph.tensors) - 1

    filters = np.asarray(weights)[:, None, None]
    channels, dtype = len(weights), np.uint8 if quantised else np.float32
    picture = tensor((1, *size, filters.shape[-1]))
    kernel = tensor(filters.shape, filters.astype(dtype), scale=1.0)
    added = np.full(channels, bias, np.int32 if quantised else np.float32)
    shift = tensor((channels,), added, schema.TensorType.INT32 if quantised else kind)
    result = tensor((1, *size, channels))
    others = [tensor(shape, np.zeros(shape, dtype)) for shape in also]
    node, code = schema.OperatorT(), schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CONV_2D
    code.version = 1
    node.inputs, node.outputs = [picture, kernel, shift], [result]
    node.builtinOptionsType, node.builtinOptions = schema.BuiltinOptions.Conv2DOptions, schema.Conv2DOptionsT()
    node.builtinOptions.strideH = node.builtinOptions.strideW = 1
    node.builtinOptions.dilationHFactor = node.builtinOptions.dilationWFactor = 1
    graph.inputs, graph.outputs, graph.operators = [picture], [*others, result], [node]
    model.subgraphs, model.operatorCodes = [graph], [code]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(builder.Output())
    return str(path)
