import { assertInternal, MaestroError } from '@maestro/protocol';
import type { OrtApi, Pointer } from './ortApi.ts';
import type { OrtPort } from './ortPort.ts';
import { ELEMENT, type OrtValue } from './ortValue.ts';

/**
 * A session's inputs and outputs bound to tensors. Made once, run many times; one run at a time. It keeps what it is bound to, since a
 * value whose memory was collected would be read all the same. What does not fit is refused here: ONNX Runtime takes an unknown name, and
 * the binding is then broken for good.
 */
export class IoBinding {
  readonly #api: OrtApi;
  readonly #session: Pointer;
  readonly #binding: Pointer;
  readonly #inputs: ReadonlyMap<string, OrtPort>;
  readonly #outputs: ReadonlyMap<string, OrtPort>;
  /** Whether binding an input of this process copies it to a device, so that it must be bound again to be seen. */
  readonly #isDevice: boolean;
  readonly #bound = new Map<string, OrtValue>();
  readonly #written = new Map<string, OrtValue>();
  /** Outputs in the order in which they were bound. */
  readonly #order: string[] = [];
  readonly #carriedIn = new Set<string>();

  constructor(
    api: OrtApi,
    session: Pointer,
    {
      inputs,
      outputs,
      isDevice,
    }: { readonly inputs: readonly OrtPort[]; readonly outputs: readonly OrtPort[]; readonly isDevice: boolean },
  ) {
    this.#api = api;
    this.#session = session;
    this.#inputs = new Map(inputs.map((port) => [port.name, port]));
    this.#outputs = new Map(outputs.map((port) => [port.name, port]));
    this.#isDevice = isDevice;
    this.#binding = api.get('CreateIoBinding', session);
  }

  /** @throws MaestroError `invalid-argument` for a name, type or shape that the graph does not have. */
  input(name: string, value: OrtValue): void {
    if (this.#bound.get(name) === value) return;
    checkPort('input', name, this.#inputs.get(name), value);
    if (!this.#isCopied(value)) this.#api.call('BindInput', this.#binding, name, value.pointer);
    this.#bound.set(name, value);
  }

  /** @throws MaestroError `invalid-argument` for a name, type or shape that the graph does not have. */
  output(name: string, value: OrtValue): void {
    if (this.#written.get(name) === value) return;
    checkPort('output', name, this.#outputs.get(name), value);
    this.#api.call('BindOutput', this.#binding, name, value.pointer);
    if (!this.#written.has(name)) this.#order.push(name);
    this.#written.set(name, value);
  }

  /** Binds an input to what another graph gave under the same name. */
  carryIn(name: string, value: Pointer): void {
    assertInternal(this.#inputs.has(name), `capi: the graph has no input ${name}`);
    this.#api.call('BindInput', this.#binding, name, value);
    this.#carriedIn.add(name);
  }

  /** Binds an output for another graph: to the memory of `value`, or to memory that the next run takes, which {@link carried} tells. */
  carryOut(name: string, value: Pointer | undefined, memory: Pointer): void {
    assertInternal(this.#outputs.has(name), `capi: the graph has no output ${name}`);
    if (value === undefined) this.#api.call('BindOutputToDevice', this.#binding, name, memory);
    else this.#api.call('BindOutput', this.#binding, name, value);
    this.#order.push(name);
  }

  /** What the last run wrote to the outputs `names`; the caller releases it. */
  carried(names: readonly string[]): ReadonlyMap<string, Pointer> {
    const api = this.#api;
    const cells = new BigUint64Array(2);
    const allocator = api.get('GetAllocatorWithDefaultOptions');
    api.call('GetBoundOutputValues', this.#binding, allocator, cells.subarray(0, 1), cells.subarray(1));
    const [array, count] = cells as unknown as [Pointer, Pointer];
    const values = api.pointers(array, Number(count));
    api.call('AllocatorFree', allocator, array);
    const found = new Map<string, Pointer>();
    for (const [i, value] of values.entries()) {
      const name = this.#order[i]!;
      if (names.includes(name)) found.set(name, value);
      else api.release('Value', value);
    }
    return found;
  }

  /**
   * Runs the graph on this thread. Outputs that are not bound are not computed. Gives the seconds in which inputs went to the device; 0
   * where they are read in place.
   * @throws Error of ONNX Runtime.
   */
  run(): number {
    for (const name of this.#inputs.keys()) {
      assertInternal(this.#bound.has(name) || this.#carriedIn.has(name), `capi: input ${name} is not bound`);
    }
    const startedMs = performance.now();
    for (const [name, value] of this.#bound) if (this.#isCopied(value)) this.#api.call('BindInput', this.#binding, name, value.pointer);
    // A device copies in its own time.
    if (this.#isDevice) this.#api.call('SynchronizeBoundInputs', this.#binding);
    const sentMs = performance.now();
    this.#api.call('RunWithBinding', this.#session, null, this.#binding);
    if (this.#isDevice) this.#api.call('SynchronizeBoundOutputs', this.#binding);
    return this.#isDevice ? (sentMs - startedMs) / 1000 : 0;
  }

  close(): void {
    this.#api.release('IoBinding', this.#binding);
    this.#bound.clear();
    this.#written.clear();
  }

  #isCopied({ view }: OrtValue): boolean {
    return this.#isDevice && view !== undefined;
  }
}

function checkPort(what: 'input' | 'output', name: string, port: OrtPort | undefined, { element, dims }: OrtValue): void {
  if (port === undefined) throw new MaestroError('invalid-argument', `capi: the graph has no ${what} ${name}`);
  const fits = port.shape.length === dims.length && port.shape.every((dim, i) => dim === -1 || dim === dims[i]);
  if (port.element !== ELEMENT[element] || !fits) {
    throw new MaestroError(
      'invalid-argument',
      `capi: ${what} ${name} is [${port.shape}] of type ${port.element}, not ${element} [${dims}]`,
    );
  }
}
