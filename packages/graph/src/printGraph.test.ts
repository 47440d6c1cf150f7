import { expect, test } from '@jest/globals';
import * as nn from './index.ts';

test('a small network with its gradient prints as it will run', () => {
  const g = new nn.Graph('mlp');
  const x = g.input('x', 'float32', ['N', 5, 4]);
  const target = g.input('target', 'float32', ['N', 5, 2]);
  const parameters = {
    gain: g.input('norm.weight', 'float32', [4]),
    bias: g.input('norm.bias', 'float32', [4]),
    fc1Weight: g.input('fc1.weight', 'float32', [8, 4]),
    fc1Bias: g.input('fc1.bias', 'float32', [8]),
    fc2Weight: g.input('fc2.weight', 'float32', [2, 8]),
    fc2Bias: g.input('fc2.bias', 'float32', [2]),
  };
  const hidden = g.scope('norm', () => nn.layerNorm(x, parameters.gain, parameters.bias));
  const prediction = g.scope('mlp', () => nn.mlp(hidden, parameters));
  const rows = nn.reduceMean(nn.square(nn.sub(prediction, target)), { axes: [-1] }); // [N, 5]
  const loss = nn.reduceMean(rows);
  g.output('loss', loss);
  nn.grad(loss, Object.values(parameters)).forEach((gradient, at) => {
    g.output(`grad.${Object.values(parameters)[at]!.name}`, gradient);
  });
  expect(nn.printGraph(g)).toMatchSnapshot();
});

test('attributes, constants and several outputs print readably', () => {
  const g = new nn.Graph('parts');
  const x = g.input('x', 'float32', ['N', 4]);
  const table = g.constant('table', 'float32', [3, 4], new Float32Array(12));
  const [left, right] = nn.split(nn.add(nn.reshape(x, ['N', 1, 4]), table), { axis: -1, sizes: [1, 3] });
  g.output('left', nn.mul(left!, 0.1));
  g.output('right', right!);
  g.output('status', nn.sequenceConstruct([left!]));
  expect(`\n${nn.printGraph(g)}`).toBe(`
graph parts
  input x  float32[N,4]
  const table  float32[3,4]
  Reshape_0 = Reshape(x, [0 1 4])  float32[N,1,4]
  Add_0 = Add(Reshape_0, table)  float32[N,3,4]
  Split_0, right = Split(Add_0, [1 3], axis=2)  float32[N,3,1], float32[N,3,3]
  left = Mul(Split_0, 0.1)  float32[N,3,1]
  status = SequenceConstruct(Split_0)  sequence of float32
  output left  float32[N,3,1]
  output right  float32[N,3,3]
  output status  sequence of float32
`);
});
