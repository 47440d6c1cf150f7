import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { parseJobSpec } from '@maestro/protocol';
import { parse } from 'yaml';

const page = (name: string): Promise<string> => readFile(fileURLToPath(new URL(`../../../${name}`, import.meta.url)), 'utf8');
const [README, SEVERAL_MACHINES] = await Promise.all([page('README.md'), page('docs/guide/several-machines.md')]);

test('the job files of the README are valid, as a file and as the body of a request; so are the choices of the guide', () => {
  const files = [...README.matchAll(/```yaml\n([^`]+)```/g)].map(
    ([, text]) => parse(text!, { uniqueKeys: false }) as Record<string, unknown>,
  );
  const whole = files.filter(({ data }) => data !== undefined);
  expect(whole).toHaveLength(1);
  for (const file of whole) expect(parseJobSpec(file)).toMatchObject({ name: 'my-images' });
  // Sections that are shown alone, one alternative a line.
  const [, alternatives] = SEVERAL_MACHINES.match(/```yaml\n(sync:[^`]+)```/)!;
  for (const line of alternatives!.trim().split('\n')) expect(() => parseJobSpec({ ...whole[0], ...parse(line) })).not.toThrow();
  const bodies = [...README.matchAll(/-d '([^']+)'/g)].map(([, body]) => JSON.parse(body!));
  expect(bodies).toHaveLength(1);
  for (const body of bodies) expect(parseJobSpec(body)).toMatchObject({ name: 'my-images' });
});
