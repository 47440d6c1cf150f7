import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { learningRateAt } from '@maestro/mae';
import { fixtureUrl } from './readFixture.ts';

const { learningRates } = JSON.parse(readFileSync(fixtureUrl('recipe.json'), 'utf8'));

test('the learning rate of the paper agrees with the reference at every moment', () => {
  const rates = learningRates.at.map((epoch: number) => learningRateAt(learningRates, epoch));
  rates.forEach((rate: number, i: number) => {
    expect(rate).toBeCloseTo(learningRates.rates[i], 15);
  });
});
