import { MaestroError, type RecipeInfo, registerRecipes } from '@maestro/protocol';
import type { OpenMeasuring } from './measuring/measuring.ts';
import type { PlanRecipe } from './plan/recipePlan.ts';

/** A recipe: what everybody knows of it, and how to come to what workers need. */
export interface RecipeEntry {
  readonly info: RecipeInfo;
  /** What makes its plans, loaded by workers alone; absent where its jobs measure. */
  readonly loadPlan?: () => Promise<PlanRecipe>;
  /** What opens its measurements, loaded by workers alone; absent where its jobs train. */
  readonly loadMeasuring?: () => Promise<OpenMeasuring>;
  /** What of a recipe that is no part of maestro decides the bits of its jobs; empty for others, whose version is maestro's. */
  readonly identity?: Readonly<Record<string, string>>;
}

const entries = new Map<string, RecipeEntry>();

/** Makes recipes known to this process. @throws MaestroError `conflict` when a name, or that of a section, is taken. */
export function addRecipes(added: readonly RecipeEntry[]): void {
  for (const entry of added) requireFree(entry);
  registerRecipes(added.map(({ info }) => info));
  for (const entry of added) entries.set(entry.info.id, entry);
}

function requireFree({ info: { id, section, module } }: RecipeEntry): void {
  const same = entries.get(id);
  if (same !== undefined && same.info.module !== undefined && same.info.module === module)
    throw new MaestroError('conflict', `recipe ${id}: the module is named twice; name it once`);
  if (same !== undefined) throw new MaestroError('conflict', `recipe ${id}: the name is taken by ${ownerOf(same)}; give it another id`);
  const key = section?.key;
  const other = [...entries.values()].find((each) => key !== undefined && each.info.section?.key === key);
  if (other === undefined) return;
  const problem = `the section ${key} of a job file is that of recipe ${other.info.id}, ${ownerOf(other)}; choose another section.key`;
  throw new MaestroError('conflict', `recipe ${id}: ${problem}`);
}

function ownerOf({ info: { module } }: RecipeEntry): string {
  return module === undefined ? 'a recipe of maestro' : `module ${module}`;
}

/** The recipe of a job. @throws MaestroError `not-found`. */
export function entryOf({ recipe: id }: { readonly recipe: string }): RecipeEntry {
  const entry = entries.get(id);
  if (entry === undefined) throw new MaestroError('not-found', `recipe ${id}: unknown here; there are ${[...entries.keys()].join(', ')}`);
  return entry;
}

/** What of a job's recipe is part of the job's identity. */
export function recipeIdentity(spec: { readonly recipe: string }): Readonly<Record<string, string>> {
  return entryOf(spec).identity ?? {};
}
