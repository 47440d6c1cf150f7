import {
  COMMON_SECTIONS,
  MaestroError,
  METRIC_UNITS,
  type MetricInfo,
  MOST_OWN_SERIES,
  type RecipeInfo,
  whyNoSeries,
} from '@maestro/protocol';
import { z } from 'zod';
import type { PlanRecipe } from '../plan/recipePlan.ts';
import type { RecipeEntry } from '../registry.ts';
import { trainingSeries } from '../trainingSeries.ts';

const metric = z.strictObject({
  name: z.string(),
  label: z.string().min(1),
  shortLabel: z.string().min(1).optional(),
  exportName: z.string().optional(),
  unit: z.enum(METRIC_UNITS).default('number'),
  about: z.string().min(1).optional(),
  better: z.enum(['higher', 'lower']).optional(),
  isDetail: z.boolean().optional(),
});

const unlikeObjects = (name: string): boolean => !(name in {});

const callable = <Call>() => z.custom<Call>((value) => typeof value === 'function', 'expected a function');

/** The default export of a recipe's module. */
const recipeModuleSchema = z.strictObject({
  id: z
    .string()
    .regex(/^[a-z][a-z0-9-]*$/, 'expected small letters, digits and dashes')
    .max(60)
    .refine(unlikeObjects, 'every object has something of that name'),
  version: z.string().min(1),
  does: z.string().min(1),
  section: z
    .strictObject({
      key: z
        .string()
        .regex(/^[a-z][A-Za-z0-9]*$/)
        .max(60)
        .refine(unlikeObjects, 'every object has something of that name'),
      schema: callable<NonNullable<RecipeInfo['section']>['schema']>(),
    })
    .optional(),
  dataPlaces: z.array(z.array(z.string())).default([]),
  defaults: callable<NonNullable<RecipeInfo['defaults']>>().optional(),
  issues: callable<NonNullable<RecipeInfo['issues']>>().optional(),
  /** What its loss is, in a clause. */
  loss: z.string().min(1).optional(),
  series: z.array(metric).max(MOST_OWN_SERIES).default([]),
  plan: callable<PlanRecipe>(),
});

/** What a recipe's module exports by default. */
export type RecipeModule = z.input<typeof recipeModuleSchema>;

/**
 * The recipe that a module exports.
 * @throws MaestroError `invalid-argument` that says what of it is not as it should be.
 */
export function recipeOfModule(exported: unknown, { path, sha256 }: { readonly path: string; readonly sha256: string }): RecipeEntry {
  const result = recipeModuleSchema.safeParse(exported);
  if (!result.success) {
    const found = exported === undefined ? ' (it has none)' : '';
    const issues = result.error.issues.map((issue) => `${issue.path.join('.') || 'the whole'}: ${issue.message}`);
    throw new MaestroError('invalid-argument', `${path}: its default export${found} is no recipe: ${issues.join('; ')}`);
  }
  const { plan, version, section, defaults, issues, loss, series: own, ...info } = result.data;
  if (section !== undefined && COMMON_SECTIONS.includes(section.key)) {
    throw new MaestroError('invalid-argument', `${path}: recipe ${info.id}: the section ${section.key} is that of every job file`);
  }
  const series = [...trainingSeries(loss), ...(own as readonly MetricInfo[])];
  const problem = whyNoSeries(series);
  if (problem !== undefined) throw new MaestroError('invalid-argument', `${path}: recipe ${info.id}: ${problem}`);
  return {
    info: {
      ...info,
      verb: 'training',
      ...(section !== undefined && { section }),
      ...(defaults !== undefined && { defaults }),
      ...(issues !== undefined && { issues }),
      series,
      results: [],
    },
    loadPlan: async () => plan,
    identity: { recipe: `${info.id} ${version}`, recipeModule: sha256 },
  };
}
