import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { tellStory } from '../testing/runStory.ts';

/** One story a file, told by {@link tellStory}. `MAESTRO_REWRITE=1` writes them anew: then read what has changed. */
const STORIES = new URL('../../testdata/', import.meta.url);

describe('a run', () => {
  test.each(readdirSync(STORIES))('%s', (name) => {
    const file = new URL(name, STORIES);
    const story = readFileSync(file, 'utf8');
    const told = tellStory(story);
    if (process.env['MAESTRO_REWRITE'] === '1') writeFileSync(file, told);
    else expect(told).toBe(story);
  });
});
