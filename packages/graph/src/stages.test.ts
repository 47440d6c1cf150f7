import { expect, test } from '@jest/globals';
import { Graph, grad, linear, mul, reduceSum, sub, tanh } from './index.ts';
import { stagePrograms } from './stages.ts';

/** Two layers and their gradients. */
function twoLayers(): Graph {
  const graph = new Graph('toy');
  const [w1, b1, w2, b2] = [3, 3, 3, 3].map((size, i) => graph.input(`p${i}`, 'float32', i % 2 === 0 ? [size, size] : [size]));
  const x = graph.input('x', 'float32', ['N', 3]);
  const difference = sub(linear(tanh(linear(x, w1!, b1!)), w2!, b2!), x);
  const loss = reduceSum(reduceSum(mul(difference, difference), { axes: [1] }));
  const gradients = grad(loss, [w1!, b1!, w2!, b2!]);
  graph.output('loss', loss);
  for (const [i, gradient] of gradients.entries()) graph.output(`grad.p${i}`, gradient);
  return graph;
}

test('every node that is needed is in one stage, the first that needs it, and what is missing is carried', () => {
  const graph = twoLayers();
  const [first, second] = stagePrograms(graph, [
    ['loss', 'grad.p2', 'grad.p3'],
    ['grad.p0', 'grad.p1'],
  ]);
  expect(new Set([...first!.nodes, ...second!.nodes]).size).toBe(first!.nodes.length + second!.nodes.length);
  const names = (values: readonly { readonly name: string }[], of = first!) => values.map((value) => of.nameOf(value as never));
  expect(names(first!.inputs)).toEqual(['p0', 'p1', 'p2', 'p3', 'x']);
  expect(names(first!.outputs).slice(0, 3)).toEqual(['loss', 'grad.p2', 'grad.p3']);
  expect(names(second!.outputs)).toEqual(['grad.p0', 'grad.p1']);
  // A value is carried under one name, and only what is made by no node of the second stage.
  const carried = names(second!.inputs).filter((name) => !/^(p\d|x)$/.test(name));
  expect(carried.length).toBeGreaterThan(0);
  expect(names(first!.outputs).slice(3).sort()).toEqual(carried.sort());
  const made = new Set(second!.nodes.flatMap(({ outputs }) => outputs));
  for (const { inputs } of second!.nodes) {
    for (const value of inputs) expect(made.has(value) || second!.inputs.includes(value) || second!.constants.includes(value)).toBe(true);
  }
});

test('one stage of all outputs is the whole graph; an output that an earlier stage needs is given there', () => {
  const graph = twoLayers();
  const all = [...graph.outputs.keys()];
  expect(stagePrograms(graph, [all])[0]!.nodes).toHaveLength(
    stagePrograms(graph, [['grad.p0'], all])[0]!.nodes.length + stagePrograms(graph, [['grad.p0'], all])[1]!.nodes.length,
  );
  const [first, second] = stagePrograms(graph, [['grad.p0'], ['grad.p1', 'loss']]);
  expect(first!.outputs.length + second!.outputs.length).toBeGreaterThanOrEqual(3);
  expect(() => stagePrograms(graph, [['grad.p9']])).toThrow("stage of 'toy': there is no output 'grad.p9'");
});
