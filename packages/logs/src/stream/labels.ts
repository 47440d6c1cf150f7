/**
 * What our own lines are indexed by. They stay few, since every combination of values is a stream of its own; everything else (step,
 * generation, image) is a field of the line. Lines that are pushed bring labels of their own beside these.
 */
export const LOG_LABELS = ['job', 'role', 'worker', 'level'] as const;

/** A name in {@link LOG_LABELS}. */
export type LogLabel = (typeof LOG_LABELS)[number];

/**
 * The labels of a stream; one that it lacks is left out, and matches as the empty string. Names may be anything a client chose,
 * `constructor` included: what is not one of {@link LOG_LABELS} is looked up in {@link queryLabelsOf}.
 */
export type LogLabels = Readonly<Partial<Record<LogLabel, string>>>;

/** Labels as a query sees them. A map, since names come from clients and from the fields of lines. */
export type QueryLabels = ReadonlyMap<string, string>;

const asMaps = new WeakMap<LogLabels, QueryLabels>();

/** The labels of a stream as a map. Equal streams have one object, so the map is made once. */
export function queryLabelsOf(labels: LogLabels): QueryLabels {
  let map = asMaps.get(labels);
  if (map === undefined) {
    map = new Map(Object.entries(labels).filter(([, value]) => value !== undefined && value !== ''));
    asMaps.set(labels, map);
  }
  return map;
}

/** A string that is equal for equal labels. */
export function labelsKey(labels: QueryLabels): string {
  return JSON.stringify([...labels].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Labels as an object for JSON; `__proto__` is a name like any other in it. */
export function labelsObject(labels: QueryLabels): Readonly<Record<string, string>> {
  return Object.fromEntries(labels);
}
