import { expect, test } from '@jest/globals';
import { parseJobSpec } from '@maestro/protocol';
import { identityAdvice } from './identityAdvice.ts';

const spec = parseJobSpec({ data: { format: 'image-folder', path: '/data/my images', holdOut: 0.05 }, schedule: { steps: 1 } });

test('copies that differ are told with their path, and with the command that shows the fingerprint of the message', () => {
  const advice = identityAdvice(spec, ['datasetFingerprint']);
  expect(advice).toContain('copies of /data/my images are not the same');
  expect(advice).toContain("`maestro dataset inspect '/data/my images' --hash --hold-out 0.05` on both machines");
});

test('other differences are told with what makes them go, each once', () => {
  expect(identityAdvice(spec, ['node', 'sharp', 'threads'])).toBe(
    'run the same version of maestro, with the same Node.js, on all machines; give all workers the same MAESTRO_THREADS',
  );
  expect(identityAdvice(spec, ['recipe', 'recipeModule'])).toBe(
    'give all workers the same recipe in MAESTRO_RECIPES: copy the files of its module, and start the worker again',
  );
  expect(identityAdvice(spec, ['unknown'])).toBe('');
});
