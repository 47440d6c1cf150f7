import { jobFileJsonSchema, normalWord, ourWordFor, pathsOf, type SchemaNode } from '@maestro/protocol';

const JOB_WORDS = ['job', 'jobid', 'id', 'run', 'runid'];

/** Extends the error about an unknown option with what to write when another program has an option of that name. */
export function withOptionHint(text: string): string {
  const [, option] = /unknown option '--([^'=]+)/.exec(text) ?? [];
  if (option === undefined) return text;
  const hint = JOB_WORDS.includes(normalWord(option)) ? 'the job is an argument, not an option: maestro describe JOB' : keyHint(option);
  // Replaces the suggestion of an option that is merely spelled similarly.
  return hint === undefined ? text : `${text.replace(/\n\(Did you mean [^)]*\)/, '').trimEnd()}\n(${hint})\n`;
}

function keyHint(option: string): string | undefined {
  const ours = ourWordFor(option, pathsOf(jobFileJsonSchema() as SchemaNode));
  const [path] = ours?.path.split(' and ') ?? [];
  return path === undefined ? undefined : `a key of the job file: maestro submit --set ${path}=...`;
}
