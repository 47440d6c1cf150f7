/** The only error of this package: a graph that cannot be built, differentiated or written. The message names the op and the node. */
export class GraphError extends Error {
  override readonly name = 'GraphError';
}
