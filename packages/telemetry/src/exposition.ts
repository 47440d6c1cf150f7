import type { Registry } from 'prom-client';

/** One measured value of a family. */
export interface MetricSample {
  /** Set when it differs from the family's: `_bucket`, `_sum` and `_count` of a histogram. */
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** A metric with all its values; plain data, so that it can be sent between processes. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly values: readonly MetricSample[];
}

/** Content type of {@link printFamilies}'s output. */
export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const TYPES: ReadonlySet<unknown> = new Set(['counter', 'gauge', 'histogram', 'summary', 'untyped']);

/** Reads the current values of a registry. */
export async function readFamilies(registry: Registry): Promise<MetricFamily[]> {
  const families = (await registry.getMetricsAsJSON()) as unknown as readonly (MetricFamily & { readonly type: string })[];
  return families.map(({ name, help, type, values }) => ({
    name,
    help,
    type,
    values: values.map(({ metricName, labels, value }) => ({ ...(metricName !== undefined && { metricName }), labels, value })),
  }));
}

/** Adds labels to every value of the families, in front. */
export function withLabels(families: readonly MetricFamily[], added: Readonly<Record<string, string>>): MetricFamily[] {
  return families.map((family) => ({
    ...family,
    values: family.values.map((sample) => ({ ...sample, labels: { ...added, ...sample.labels, ...added } })),
  }));
}

/** Merges families by name, with the values of all; help and type are the first one's, and families of another type are left out. */
export function mergeFamilies(sets: readonly (readonly MetricFamily[])[]): MetricFamily[] {
  const merged = new Map<string, MetricFamily>();
  for (const family of sets.flat()) {
    const before = merged.get(family.name);
    if (before === undefined) merged.set(family.name, family);
    else if (before.type === family.type) merged.set(family.name, { ...before, values: [...before.values, ...family.values] });
  }
  return [...merged.values()];
}

/** Prints families in the Prometheus text format (version 0.0.4); families without values are left out. */
export function printFamilies(families: readonly MetricFamily[]): string {
  const lines: string[] = [];
  for (const { name, help, type, values } of families) {
    if (values.length === 0) continue;
    lines.push(`# HELP ${name} ${help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')}`, `# TYPE ${name} ${type}`);
    for (const { metricName = name, labels, value } of values) lines.push(`${metricName}${printLabels(labels)} ${printNumber(value)}`);
  }
  return `${lines.join('\n')}\n`;
}

/**
 * Parses families that another process sent as JSON; undefined when they are invalid: an unreadable page is worse than an incomplete one.
 */
export function parseFamilies(json: string): MetricFamily[] | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    return undefined;
  }
  return Array.isArray(parsed) && parsed.every(isFamily) ? parsed : undefined;
}

function isFamily(found: unknown): found is MetricFamily {
  const { name, help, type, values } = (found ?? {}) as Partial<Record<keyof MetricFamily, unknown>>;
  return isName(name, NAME) && typeof help === 'string' && TYPES.has(type) && Array.isArray(values) && values.every(isSample);
}

function isSample(found: unknown): found is MetricSample {
  const { metricName, labels, value } = (found ?? {}) as Partial<Record<keyof MetricSample, unknown>>;
  if (metricName !== undefined && !isName(metricName, NAME)) return false;
  if (typeof value !== 'number' || typeof labels !== 'object' || labels === null) return false;
  return Object.entries(labels).every(([key, each]) => isName(key, LABEL) && (typeof each === 'string' || typeof each === 'number'));
}

function isName(found: unknown, pattern: RegExp): boolean {
  return typeof found === 'string' && pattern.test(found);
}

function printLabels(labels: MetricSample['labels']): string {
  const escaped = (text: string): string => text.replace(/\\/g, '\\\\').replace(/\n/g, '\\n').replace(/"/g, '\\"');
  const parts = Object.entries(labels).map(([key, value]) => `${key}="${escaped(String(value))}"`);
  return parts.length === 0 ? '' : `{${parts.join(',')}}`;
}

function printNumber(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  return Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : '-Inf';
}
