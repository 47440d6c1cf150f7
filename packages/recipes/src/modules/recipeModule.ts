import {
  COMMON_SECTIONS,
  errorMessage,
  MaestroError,
  METRIC_UNITS,
  type MetricInfo,
  MOST_OWN_SERIES,
  type RecipeInfo,
  SECTION_SCHEMAS,
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
 * The recipe that a module exports. `module` is its name in `MAESTRO_RECIPES`.
 * @throws MaestroError `invalid-argument` that says what of it is not as it should be.
 */
export function recipeOfModule(exported: unknown, { module, sha256 }: { readonly module: string; readonly sha256: string }): RecipeEntry {
  const result = recipeModuleSchema.safeParse(exported);
  if (!result.success) {
    const found = exported === undefined ? ' (it has none)' : '';
    const issues = result.error.issues.map((issue) => `${issue.path.join('.') || 'the whole'}: ${issue.message}`);
    throw new MaestroError('invalid-argument', `its default export${found} is no recipe: ${issues.join('; ')}`);
  }
  const { plan, version, section, defaults, issues, loss, series: own, ...info } = result.data;
  const refuse = (problem: string): never => {
    throw new MaestroError('invalid-argument', `recipe ${info.id}: ${problem}`);
  };
  if (section !== undefined) {
    if (COMMON_SECTIONS.includes(section.key)) refuse(`the section ${section.key} is that of every job file; choose another section.key`);
    const problem = whyNoSection(section);
    if (problem !== undefined) refuse(problem);
  }
  const common = trainingSeries(loss);
  const double = own.find(({ name }) => common.some((each) => each.name === name));
  if (double !== undefined) {
    const all = common.map(({ name }) => name).join(', ');
    refuse(`series ${double.name}: every recipe has it (${all} are told anyway); leave it out, or choose another name`);
  }
  const series = [...common, ...(own as readonly MetricInfo[])];
  const problem = whyNoSeries(series);
  if (problem !== undefined) refuse(problem);
  return {
    info: {
      ...info,
      module,
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

/** Returns why a section's schema cannot be part of that of job files; undefined when it can. */
function whyNoSection({ key, schema }: NonNullable<RecipeInfo['section']>): string | undefined {
  try {
    const made: unknown = schema(SECTION_SCHEMAS);
    if (!(made instanceof z.ZodType)) {
      return `section.schema returns no schema of the z that is passed to it; write schema: ({ z }) => z.strictObject({ ... })`;
    }
    // Messages, the reference of the HTTP API and the form of the dashboard are made from this.
    z.toJSONSchema(z.strictObject({ [key]: made }), { io: 'input', unrepresentable: 'any' });
    return undefined;
  } catch (error) {
    return `section.schema: ${errorMessage(error).split('\n')[0]}`;
  }
}
