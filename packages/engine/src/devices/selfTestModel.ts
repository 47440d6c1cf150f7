/** Float32 elements of the self-test's input `x` and output `doubled`. */
export const SELF_TEST_LENGTH = 8;

/**
 * The smallest model with the outputs of a training model, as ONNX bytes: `status` (a sequence, first), `loss` = sum of
 * `doubled`, `doubled` = x + x. Written field by field (field numbers of onnx.proto), since this package runs models and does
 * not build them.
 */
export function selfTestModel(): Uint8Array {
  const vector = floats([SELF_TEST_LENGTH]);
  const scalar = floats([]);
  const keepDims = message(text(1, 'keepdims'), number(3, 0), number(20, 2));
  const graph = message(
    field(1, message(text(1, 'x'), text(1, 'x'), text(2, 'doubled'), text(4, 'Add'))),
    field(1, message(text(1, 'doubled'), text(2, 'loss'), text(4, 'ReduceSum'), field(5, keepDims))),
    field(1, message(text(1, 'loss'), text(2, 'status'), text(4, 'SequenceConstruct'))),
    text(2, 'self-test'),
    field(11, value('x', vector)),
    field(12, value('status', message(field(4, message(field(1, scalar)))))),
    field(12, value('loss', scalar)),
    field(12, value('doubled', vector)),
  );
  return Uint8Array.from(message(number(1, 9), field(7, graph), field(8, message(text(1, ''), number(2, 18)))));
}

/** TypeProto of a float32 tensor. */
function floats(dims: readonly number[]): number[] {
  const shape = message(...dims.map((dim) => field(1, message(number(1, dim)))));
  return message(field(1, message(number(1, 1), field(2, shape))));
}

function value(name: string, type: number[]): number[] {
  return message(text(1, name), field(2, type));
}

function message(...fields: number[][]): number[] {
  return fields.flat();
}

/** A length-delimited field; every length here is below 2^14. */
function field(tag: number, bytes: number[]): number[] {
  return [...varint((tag << 3) | 2), ...varint(bytes.length), ...bytes];
}

function text(tag: number, content: string): number[] {
  return field(tag, [...new TextEncoder().encode(content)]);
}

function number(tag: number, content: number): number[] {
  return [...varint(tag << 3), ...varint(content)];
}

function varint(content: number): number[] {
  return content < 128 ? [content] : [(content & 127) | 128, ...varint(content >>> 7)];
}
