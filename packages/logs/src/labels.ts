/**
 * What lines are indexed by. They stay few, since every combination of values is a stream of its own; everything else (step, generation,
 * image) is a field of the line.
 */
export const LOG_LABELS = ['job', 'role', 'worker', 'level'] as const;

/** A name in {@link LOG_LABELS}. */
export type LogLabel = (typeof LOG_LABELS)[number];

/** The labels of a line; one that it lacks is left out, and matches as the empty string. */
export type LogLabels = Readonly<Partial<Record<LogLabel, string>>>;

/** A string that is equal for equal labels. */
export function labelsKey(labels: Readonly<Record<string, string | undefined>>): string {
  return JSON.stringify(
    Object.entries(labels)
      .filter(([, value]) => value !== undefined && value !== '')
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}
