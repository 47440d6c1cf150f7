import { describe, expect, test } from '@jest/globals';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { mergeFamilies, parseFamilies, printFamilies, readFamilies, withLabels } from './exposition.ts';

async function example() {
  const registry = new Registry();
  const registers = [registry];
  new Gauge({ name: 'a', help: 'line one\nand "two"', labelNames: ['path'], registers }).set({ path: 'C:\\x "y"\n' }, 1.5);
  new Counter({ name: 'b_total', help: 'b', registers }).inc(3);
  new Histogram({ name: 'c_seconds', help: 'c', buckets: [0.1, 1], registers }).observe(0.5);
  return { registry, families: await readFamilies(registry) };
}

describe('exposition', () => {
  test('prints what prom-client prints', async () => {
    const { registry, families } = await example();
    const lines = (text: string) => text.split('\n').filter((line) => line !== '');
    expect(lines(printFamilies(families))).toEqual(lines(await registry.metrics()));
  });

  test('survives the way through JSON, and merges into one family a name, told apart by a label', async () => {
    const { families } = await example();
    const sent = parseFamilies(JSON.stringify(families))!;
    const merged = mergeFamilies([families, withLabels(sent, { worker: 'a' }), withLabels(sent, { worker: 'b' })]);
    const text = printFamilies(merged);
    expect(text.match(/# TYPE b_total counter/g)).toHaveLength(1);
    expect(text).toContain('b_total 3\nb_total{worker="a"} 3\nb_total{worker="b"} 3\n');
    expect(text).toContain('c_seconds_bucket{worker="b",le="+Inf"} 1');
  });

  test('a label of the sender does not take the place of one that is added', () => {
    const [family] = withLabels([{ name: 'a', help: '', type: 'gauge', values: [{ labels: { worker: 'liar' }, value: 1 }] }], {
      worker: 'a',
    });
    expect(printFamilies([family!])).toContain('a{worker="a"} 1');
  });

  test.each([
    ['no JSON', '{'],
    ['no list', '{}'],
    ['a name that would break the page', JSON.stringify([{ name: 'a b', help: '', type: 'gauge', values: [] }])],
    ['a type that there is not', JSON.stringify([{ name: 'a', help: '', type: 'x', values: [] }])],
    [
      'a label that would break the page',
      JSON.stringify([{ name: 'a', help: '', type: 'gauge', values: [{ labels: { 'x"': '' }, value: 1 }] }]),
    ],
    ['a value that is no number', JSON.stringify([{ name: 'a', help: '', type: 'gauge', values: [{ labels: {}, value: 'x' }] }])],
  ])('refuses %s', (_, json) => {
    expect(parseFamilies(json)).toBeUndefined();
  });
});
