import { canonicalDims, type Dim, type Dims, dimFactors, dimProduct, formatDims } from './dim.ts';
import { type ConstantData, DTYPES, type DType, packNumbers } from './dtype.ts';
import { GraphError } from './graphError.ts';

/** Type of a value: dtype and shape of a tensor, or of the elements of a sequence of tensors. */
export interface ValueType {
  readonly dtype: DType;
  readonly dims: Dims;
  /** True for the output of SequenceConstruct; no other op takes one. */
  readonly sequence?: boolean;
  /** For int64 tensors that hold a shape: its dimensions, as far as known when the graph is built. */
  readonly shapeValue?: Dims;
}

/** A value of a graph: an input, a constant, or an output of a node. Immutable; belongs to one graph. */
export interface Tensor extends ValueType {
  readonly graph: Graph;
  /** Unique in its graph and a function of the building order alone. */
  readonly name: string;
  /** The node that produces it; absent for inputs and constants. */
  readonly node?: Node;
  /** The values of a constant. */
  readonly data?: ConstantData;
}

/** An attribute of a node: an integer, a list of integers, a string, or `{ float }` for what ONNX stores as a float. */
export type Attribute = number | readonly number[] | string | { readonly float: number };

/** The attributes of a node by their ONNX names. */
export type Attributes = Readonly<Record<string, Attribute>>;

/** One application of an ONNX op. Nodes are stored in building order, which is a topological order. */
export interface Node {
  readonly op: string;
  /** `scope/Op_k`: unique, and named in error messages. */
  readonly name: string;
  readonly scope: string;
  /** Position in the building order. */
  readonly index: number;
  readonly inputs: readonly Tensor[];
  readonly attributes: Attributes;
  readonly outputs: readonly Tensor[];
}

/** A piece of graph with a backward of its own: the gradient jumps from `outputs` to `inputs` through `vjp`. */
export interface Composite {
  readonly name: string;
  readonly scope: string;
  /** The forward's nodes are those with firstIndex <= index < endIndex. */
  readonly firstIndex: number;
  readonly endIndex: number;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** `needed` says of each input whether its cotangent is of use. */
  readonly vjp: (cotangents: readonly Tensor[], needed: readonly boolean[]) => readonly (Tensor | undefined)[];
}

/**
 * What the layers of a graph are made of: `standard`, ONNX's own operators in float32; otherwise native operators, whose products are taken
 * in float32, in float32 from three products of bfloat16, or in bfloat16. Functions that build layers read it from the graph.
 */
export type GraphPrecision = 'standard' | 'float32' | 'float32-x3' | 'bfloat16';

/** Constants of at most this many elements are stored once per graph, whoever requests them. */
const SHARED_CONSTANT_LENGTH = 64;

/**
 * An ONNX graph under construction. Inputs and constants are created here, everything else by the op functions (`add(x, y)`, `gemm(x, w,
 * b)`), which find the graph in their operands.
 */
export class Graph {
  readonly name: string;
  readonly precision: GraphPrecision;
  readonly inputs: Tensor[] = [];
  readonly constants: Tensor[] = [];
  readonly nodes: Node[] = [];
  readonly outputs = new Map<string, Tensor>();
  /** The composite that produced a tensor, for outputs of composites. */
  readonly composites = new Map<Tensor, Composite>();
  readonly #names = new Set<string>();
  readonly #nodeCounts = new Map<string, number>();
  readonly #sharedConstants = new Map<string, Tensor>();
  readonly #symbolSizes = new Map<string, Tensor>();
  readonly #shapeTensors = new Map<string, Tensor>();
  #scope = '';

  constructor(name = 'graph', { precision = 'standard' }: { readonly precision?: GraphPrecision } = {}) {
    this.name = name;
    this.precision = precision;
  }

  /** Declares an input. A new symbol in `dims`, such as 'N', is bound by the first input that has it as a dimension. */
  input(name: string, dtype: DType, dims: Dims): Tensor {
    this.#claim(name);
    const tensor: Tensor = {
      graph: this,
      name,
      dtype,
      dims: canonicalDims(dims),
    };
    this.inputs.push(tensor);
    return tensor;
  }

  /**
   * Adds a named constant (an ONNX initializer). The array is kept, not copied: do not change it until the model is encoded.
   * @throws GraphError when `data` has another type or length than `dtype` and `dims` require.
   */
  constant(name: string, dtype: DType, dims: readonly number[], data: ConstantData | readonly number[]): Tensor {
    this.#claim(name);
    const values = ArrayBuffer.isView(data) ? (data as ConstantData) : packNumbers(dtype, data);
    const length = dims.reduce((product, dim) => product * dim, 1);
    if (values.length !== length || values.BYTES_PER_ELEMENT !== DTYPES[dtype].sizeBytes) {
      throw new GraphError(
        `constant '${name}': ${dtype}${formatDims(dims)} needs ${length} elements of ${DTYPES[dtype].sizeBytes} bytes, found ` +
          `${values.length} of ${values.BYTES_PER_ELEMENT}`,
      );
    }
    const shapeValue = dtype === 'int64' && dims.length <= 1 && length <= 16 ? Array.from(values, Number) : undefined;
    const tensor: Tensor = {
      graph: this,
      name,
      dtype,
      dims: canonicalDims(dims),
      data: values,
      ...(shapeValue && { shapeValue }),
    };
    this.constants.push(tensor);
    return tensor;
  }

  /** Adds an unnamed constant given by its numbers; equal small ones are stored once. `dims` defaults to one axis. */
  literal(dtype: DType, values: readonly number[], dims: readonly number[] = [values.length]): Tensor {
    const name = `const_${this.constants.length}`;
    if (values.length > SHARED_CONSTANT_LENGTH) return this.constant(name, dtype, dims, values);
    const key = `${dtype}${formatDims(dims)}${values.map((value) => (Object.is(value, -0) ? '-0' : value)).join()}`;
    let tensor = this.#sharedConstants.get(key);
    if (tensor === undefined) {
      tensor = this.constant(name, dtype, dims, values);
      this.#sharedConstants.set(key, tensor);
    }
    return tensor;
  }

  /** Adds a constant without axes. Op functions accept plain numbers and call this themselves. */
  scalar(value: number, dtype: DType = 'float32'): Tensor {
    return this.literal(dtype, [value], []);
  }

  /** Prefixes the names of nodes created by `body` with `path/`; scopes nest. The name affects no result, only what people read. */
  scope<T>(path: string, body: () => T): T {
    return this.inScope(this.#scope === '' ? path : `${this.#scope}/${path}`, body);
  }

  /** Like {@link Graph.scope} with an absolute path. */
  inScope<T>(path: string, body: () => T): T {
    const outer = this.#scope;
    this.#scope = path;
    try {
      return body();
    } finally {
      this.#scope = outer;
    }
  }

  /** The path of the current scope. */
  get currentScope(): string {
    return this.#scope;
  }

  /** Declares `value` as the next output. @throws GraphError when the name is taken or the value belongs to another graph. */
  output(name: string, value: Tensor): void {
    if (value.graph !== this) throw new GraphError(`output '${name}': the value '${value.name}' belongs to another graph`);
    this.#claim(name);
    const isTaken = value.node === undefined || [...this.outputs.values()].includes(value);
    // An ONNX value has one name, so an input or another output is passed through a node.
    this.outputs.set(name, isTaken ? this.addNode('Identity', [value], {}, [value])[0]! : value);
  }

  /** Appends a node whose output types are known. Meant for op functions; use those instead. */
  addNode(op: string, inputs: readonly Tensor[], attributes: Attributes, types: readonly ValueType[]): readonly Tensor[] {
    for (const input of inputs) {
      if (input.graph !== this) throw new GraphError(`${op}: operand '${input.name}' belongs to another graph`);
    }
    const name = this.nextNodeName(op);
    this.#nodeCounts.set(this.#path(op), (this.#nodeCounts.get(this.#path(op)) ?? 0) + 1);
    this.#claim(name);
    const outputs: Tensor[] = [];
    const node: Node = {
      op,
      name,
      scope: this.#scope,
      index: this.nodes.length,
      inputs,
      attributes,
      outputs,
    };
    types.forEach(({ dtype, dims, sequence, shapeValue }, at) => {
      outputs.push({
        graph: this,
        name: at === 0 ? name : `${name}:${at}`,
        dtype,
        dims,
        node,
        ...(sequence && { sequence }),
        ...(shapeValue && { shapeValue }),
      });
    });
    this.nodes.push(node);
    return outputs;
  }

  /** Returns the name that the next node of `op` will have in the current scope. */
  nextNodeName(op: string): string {
    return `${this.#path(op)}_${this.#nodeCounts.get(this.#path(op)) ?? 0}`;
  }

  /**
   * Returns a shape as an int64 tensor [rank]: a constant when it consists of numbers, otherwise read from the inputs that bind the
   * symbols.
   * @throws GraphError for a symbol that no input has as a dimension by itself.
   */
  shapeTensor(dims: Dims): Tensor {
    if (dims.every((dim) => typeof dim === 'number')) return this.literal('int64', dims);
    const key = formatDims(dims);
    let shape = this.#shapeTensors.get(key);
    if (shape === undefined) {
      shape = this.inScope('', () => {
        const parts = dims.map((dim) => this.#sizeTensor(dim));
        if (parts.length === 1) return parts[0]!;
        return this.addNode('Concat', parts, { axis: 0 }, [{ dtype: 'int64', dims: [dims.length], shapeValue: dims }])[0]!;
      });
      this.#shapeTensors.set(key, shape);
    }
    return shape;
  }

  /** Returns one dimension as an int64 tensor [1]. */
  #sizeTensor(dim: Dim): Tensor {
    const { coefficient, symbols } = dimFactors(dim);
    const factors = symbols.map((symbol) => this.#symbolSize(symbol));
    if (coefficient !== 1 || symbols.length === 0) factors.push(this.literal('int64', [coefficient]));
    return factors.reduce((product, factor) => {
      const shapeValue = [dimProduct(product.shapeValue![0]!, factor.shapeValue![0]!)];
      return this.addNode('Mul', [product, factor], {}, [{ dtype: 'int64', dims: [1], shapeValue }])[0]!;
    });
  }

  #symbolSize(symbol: string): Tensor {
    let size = this.#symbolSizes.get(symbol);
    if (size === undefined) {
      const input = this.inputs.find(({ dims }) => dims.includes(symbol));
      if (input === undefined) {
        throw new GraphError(`no input of '${this.name}' has the dimension '${symbol}', so its size cannot be known when the graph runs`);
      }
      const start = input.dims.indexOf(symbol);
      const type: ValueType = {
        dtype: 'int64',
        dims: [1],
        shapeValue: [symbol],
      };
      size = this.addNode('Shape', [input], { start, end: start + 1 }, [type])[0]!;
      this.#symbolSizes.set(symbol, size);
    }
    return size;
  }

  #path(op: string): string {
    return this.#scope === '' ? op : `${this.#scope}/${op}`;
  }

  #claim(name: string): void {
    if (name === '') throw new GraphError(`graph '${this.name}': a value needs a name`);
    if (this.#names.has(name)) throw new GraphError(`graph '${this.name}': the name '${name}' is taken`);
    this.#names.add(name);
  }
}
