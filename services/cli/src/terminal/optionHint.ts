import { jobFileJsonSchema, normalWord, ourWordFor, pathsOf, type SchemaNode } from '@maestro/protocol';

const JOB_WORDS = ['job', 'jobid', 'id', 'run', 'runid'];

/** The command line's error about an option that there is not, with what to write where another program has an option of that name. */
export function withOptionHint(text: string): string {
  const [, option] = /unknown option '--([^'=]+)/.exec(text) ?? [];
  if (option === undefined) return text;
  const hint = JOB_WORDS.includes(normalWord(option)) ? 'the job is an argument, not an option: maestro describe JOB' : keyHint(option);
  // In place of an option of ours that is only spelled like it.
  return hint === undefined ? text : `${text.replace(/\n\(Did you mean [^)]*\)/, '').trimEnd()}\n(${hint})\n`;
}

function keyHint(option: string): string | undefined {
  const ours = ourWordFor(option, pathsOf(jobFileJsonSchema() as SchemaNode));
  const [path] = ours?.path.split(' and ') ?? [];
  return path === undefined ? undefined : `a key of the job file: maestro submit --set ${path}=...`;
}
