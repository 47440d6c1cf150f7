/** Parses the fields of a line; `undefined` when it is not a JSON object. */
export function parseFields(text: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? (parsed as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Returns the fields whose values are strings, numbers or booleans: others may be nested too deeply to be serialised. */
export function scalars(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && typeof value !== 'object'));
}
