import { expect, test } from '@jest/globals';
import { cableOf, freeSubnet, namespaceOf, octetsOf, ownerOf, prefixesOf, switchOf, uplinkOf, wireOf } from './networkNames.ts';

const id = { owner: 4_194_303, subnet: '10.231.7' };

test('names fit into what Linux allows for the largest process id, and tell their owner', () => {
  for (const name of [uplinkOf(id), cableOf(254), ...Object.values(wireOf(254))]) expect(name.length).toBeLessThanOrEqual(15);
  for (const name of [uplinkOf(id), namespaceOf(id, 'worker-a'), switchOf(id)]) expect(ownerOf(name)).toBe(id.owner);
  for (const other of ['eth0', 'lo', 'mupx', 'docker0', 'maestro', 'maestro-x-y']) expect(ownerOf(other)).toBeUndefined();
});

test('a partition from peers leaves coordinator and Redis, and one from all leaves nobody', () => {
  expect(octetsOf('worker-a')[0]).toBe(128);
  expect(prefixesOf(id, 'peers')).toEqual(['10.231.7.128/25']);
  expect(prefixesOf(id, 'coordinator')).toEqual([`10.231.7.${octetsOf('coordinator')[0]}/32`]);
  expect(prefixesOf(id, 'all')).toEqual(['10.231.7.0/25', '10.231.7.128/25']);
});

test('a subnet in use is passed over', () => {
  expect(freeSubnet(5, '')).toBe('10.231.5');
  expect(freeSubnet(5, 'inet 10.231.5.1/24 brd 10.231.5.255')).toBe('10.231.6');
});
