import { z } from 'zod';
import { isMaestroError } from '../errors.ts';
import type { JobIssue, JobSection, RecipeInfo } from './recipe.ts';
import { recipeFault } from './recipeFault.ts';

const issueList = z.array(z.object({ path: z.array(z.string()), message: z.string() }));

/**
 * Returns a job file with a recipe's own defaults. The recipe may be of other people.
 * @throws MaestroError `invalid-argument` that names the recipe, when its `defaults` throws or returns no job file.
 */
export function withOwnDefaults(recipe: RecipeInfo, file: JobSection): JobSection {
  if (recipe.defaults === undefined) return file;
  const filled = answerOf(recipe, 'defaults', () => recipe.defaults!(file));
  const isFile = typeof filled === 'object' && filled !== null && !Array.isArray(filled) && !(filled instanceof Promise);
  if (!isFile) throw recipeFault(recipe, 'defaults', `it must return the job file with more keys, found ${kindOf(filled)}`);
  return filled;
}

/**
 * Returns a recipe's own problems with a job file.
 * @throws MaestroError `invalid-argument` that names the recipe, when its `issues` throws or returns no list of problems.
 */
export function ownIssues(recipe: RecipeInfo, spec: JobSection, defaults: JobSection): JobIssue[] {
  if (recipe.issues === undefined) return [];
  const given = answerOf(recipe, 'issues', () => recipe.issues!(spec, defaults));
  const { success, data } = issueList.safeParse(given);
  if (!success) throw recipeFault(recipe, 'issues', `it must return a list of { path: [keys], message }, found ${kindOf(given)}`);
  return data;
}

/**
 * Runs the checks of a job file: what throws is one in the section of its recipe, since those of maestro do not.
 * @throws MaestroError `invalid-argument` that names the recipe.
 */
export function withOwnChecks<Result>(author: RecipeInfo | undefined, check: () => Result): Result {
  try {
    return check();
  } catch (error) {
    if (author === undefined || isMaestroError(error)) throw error;
    throw recipeFault(author, 'a check of its section', error);
  }
}

function answerOf<Answer>(recipe: RecipeInfo, name: string, ask: () => Answer): Answer {
  try {
    return ask();
  } catch (error) {
    throw recipeFault(recipe, name, error);
  }
}

/** Says in a word or two what a value is: `nothing`, `a promise`, `[1]`. */
export function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof (value as { then?: unknown } | null)?.then === 'function') return 'a promise';
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return typeof value === 'string' ? JSON.stringify(value).slice(0, 60) : String(value);
  return Array.isArray(value) ? `a list of ${value.length}` : 'an object';
}
