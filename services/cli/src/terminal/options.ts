import { InvalidArgumentError } from 'commander';

/** Explains `--location` of commands that look for a job's checkpoints. */
export const LOCATION_HELP = "where the job's checkpoints are, if the coordinator cannot be asked";

/** Parses an option as a positive integer. */
export function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('Expected a whole number of at least 1.');
  return value;
}

/** Parses an option as a share from 0 to a half, like `data.holdOut`. */
export function share(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 0.5)) throw new InvalidArgumentError('Expected a number from 0 to 0.5.');
  return value;
}

/** Parses an option as a non-negative integer. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < 0)
    throw new InvalidArgumentError('Expected a whole number of at least 0.');
  return value;
}

/** Parses an option as a positive number. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError('Expected a number above 0.');
  return value;
}

/** Collects an option that may be repeated. */
export function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

/** Parses an option as a port; 0 picks a free one. */
export function portNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 65535) throw new InvalidArgumentError('Expected a port, 0 to 65535.');
  return value;
}
