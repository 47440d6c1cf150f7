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
    this.#written.set(name, value);
  }

  /**
   * Runs the graph on this thread. Outputs that are not bound are not computed. Gives the seconds in which inputs went to the device; 0
   * where they are read in place.
   * @throws Error of ONNX Runtime.
   */
  run(): number {
    for (const name of this.#inputs.keys()) assertInternal(this.#bound.has(name), `capi: input ${name} is not bound`);
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
