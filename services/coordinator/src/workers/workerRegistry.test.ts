import { spawnSync } from 'node:child_process';
import { hostname } from 'node:os';
import { expect, test } from '@jest/globals';
import type { Hello } from '@maestro/protocol';
import type { RunWorker } from '../run/state/runState.ts';
import { createWorkerRegistry, workerInfo } from './workerRegistry.ts';

function open() {
  const told: string[] = [];
  const registry = createWorkerRegistry({ onGone: (id) => void told.push(`gone ${id}`) });
  const add = (hello: Partial<Hello>, previous: readonly Partial<RunWorker>[] = []) => {
    const of = { name: 'a', id: 'a:1', pid: process.pid, host: hostname(), sessionKey: 'k1', ...hello } as Hello;
    const connection = { send: () => undefined, close: () => void told.push(`closed ${of.id}`) };
    registry.requireName(of, previous as readonly RunWorker[]);
    const worker = { hello: of, connection, jobId: '', isDrained: false };
    registry.add(worker);
    return worker;
  };
  return { registry, told, add };
}

test('the name of a living process is taken, here and on any other machine', () => {
  const { registry, told, add } = open();
  add({});
  expect(() => add({ id: 'a:2' })).toThrow(`worker a: the name is taken by process ${process.pid} on ${hostname()}`);
  expect(() => add({ id: 'a:2', host: 'elsewhere' })).toThrow('give each worker a unique name');
  add({ name: 'b', id: 'b:1' });
  expect([
    registry
      .all()
      .map(workerInfo)
      .map(({ id }) => id),
    told,
  ]).toEqual([['a:1', 'b:1'], []]);
  expect(registry.named('b').hello.id).toBe('b:1');
  expect(() => registry.named('c')).toThrow('worker c: not connected');
});

test('a worker that comes again, or whose process is known to be dead, gives way to the new connection', () => {
  const { registry, told, add } = open();
  const first = add({});
  const again = add({});
  expect([registry.has(first), registry.has(again), told]).toEqual([false, true, ['gone a:1', 'closed a:1']]);
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  add({ name: 'b', id: 'b:1', pid });
  add({ name: 'b', id: 'b:2' });
  expect(told.slice(2)).toEqual(['gone b:1', 'closed b:1']);
  expect(registry.get('b:1')).toBeUndefined();
});

test('a name and an id are those of the session that has them, connected or on its way back', () => {
  const { told, add } = open();
  add({});
  expect(() => add({ sessionKey: 'k2' })).toThrow('the name is taken by process');
  add({ sessionKey: 'k1' });
  expect(told).toEqual(['gone a:1', 'closed a:1']);
  const [host, pid] = ['elsewhere', 7];
  const previous = { name: 'b', id: 'b:1', sessionKey: 'k3', host, pid };
  expect(() => add({ name: 'b', id: 'b:1', sessionKey: 'k4' }, [previous])).toThrow(
    'taken by process 7 on elsewhere; the name becomes free once that worker is lost',
  );
  expect(() => add({ name: 'b', id: 'b:2', sessionKey: 'k4', host }, [previous])).toThrow('the name becomes free once that worker is lost');
  add({ name: 'b', id: 'b:1', sessionKey: 'k3', host }, [previous]);
  const dead = spawnSync('true').pid;
  add({ name: 'c', id: 'c:2', sessionKey: 'k5' }, [{ ...previous, name: 'c', id: 'c:1', host: hostname(), pid: dead }]);
  // As an older version wrote it.
  add({ name: 'd', id: 'd:2', sessionKey: 'k6' }, [{ name: 'd', id: 'd:1' }]);
});
