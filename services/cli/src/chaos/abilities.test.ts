import { expect, test } from '@jest/globals';
import { abilitiesOf } from './abilities.ts';

const processes = ['redis', 'coordinator', 'worker-a'].map((name) => ({ name, pid: 1, isRunning: true }));
const network = { owner: 1, subnet: '10.231.1', lacks: { delay: 'no netem, no TAP', loss: 'no netem, no TAP' } };

test('a cluster in namespaces can be partitioned, and what its kernel lacks is left out with the reason', () => {
  const { network: can, lacks } = abilitiesOf({ processes, network }, { isRoot: true });
  expect(can).toEqual(['partition', 'throttle']);
  expect(lacks).toEqual(['delay', 'loss'].map((what) => ({ what, reason: 'no netem, no TAP' })));
});

test('without namespaces, or without root, the network is left alone, and the reason is told', () => {
  const plain = abilitiesOf({ processes }, { isRoot: true });
  expect(plain.network).toEqual([]);
  expect(plain.lacks.map(({ what }) => what)).toEqual(['partition', 'delay', 'loss', 'throttle']);
  expect(plain.lacks[0]!.reason).toContain('--network-namespaces');
  expect(abilitiesOf({ processes, network }, { isRoot: false }).lacks[0]!.reason).toContain('root');
});

test("another's Redis is not restarted", () => {
  const { restartable, lacks } = abilitiesOf({ processes: processes.slice(1) }, { isRoot: true });
  expect(restartable).toEqual(['coordinator']);
  expect(lacks[0]).toEqual({ what: 'restart redis', reason: 'it does not belong to this cluster' });
});
