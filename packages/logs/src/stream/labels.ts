/**
 * Index labels of our own lines. They are few, since every combination of values is a stream of its own; everything else (step, generation,
 * image) is a field of the line. Pushed lines add labels of their own.
 */
const LOG_LABELS = ['job', 'role', 'worker', 'level'] as const;

/** A name in {@link LOG_LABELS}. */
export type LogLabel = (typeof LOG_LABELS)[number];

/**
 * Labels of a stream; a missing one matches as the empty string. Names may be anything a client chose, including `constructor`: look up
 * those outside {@link LOG_LABELS} in {@link queryLabelsOf}.
 */
export type LogLabels = Readonly<Partial<Record<LogLabel, string>>>;

/** Labels as seen by a query. A map, since names come from clients and from the fields of lines. */
export type QueryLabels = ReadonlyMap<string, string>;

const asMaps = new WeakMap<LogLabels, QueryLabels>();

/** Returns the labels of a stream as a map. Equal streams share one object, so the map is created once. */
export function queryLabelsOf(labels: LogLabels): QueryLabels {
  let map = asMaps.get(labels);
  if (map === undefined) {
    map = new Map(Object.entries(labels).filter(([, value]) => value !== undefined && value !== ''));
    asMaps.set(labels, map);
  }
  return map;
}

/** Returns a string that is equal for equal labels. */
export function labelsKey(labels: QueryLabels): string {
  return JSON.stringify([...labels].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Returns labels as an object for JSON, in which `__proto__` is a name like any other. */
export function labelsObject(labels: QueryLabels): Readonly<Record<string, string>> {
  return Object.fromEntries(labels);
}
