import { adamW } from './adamW.ts';
import { lars } from './lars.ts';
import type { OptimizerSettings } from './section.ts';
import { sgd } from './sgd.ts';
import type { UpdateRule } from './updateRule.ts';

/** The rule of an optimiser: the one place that knows them all. */
export function ruleOf(settings: OptimizerSettings): UpdateRule {
  switch (settings.name) {
    case 'adamw':
      return adamW(settings) as UpdateRule;
    case 'sgd':
      return sgd(settings) as UpdateRule;
    case 'lars':
      return lars(settings);
  }
}
