/**
 * Replaces tuples in a document by lists of fixed length whose elements accept any of the tuple's. `prefixItems` is OpenAPI 3.1's form, but
 * current testers and generators take it for an array in `items`, which is invalid there.
 */
export function withPlainTuples<T>(document: T): T {
  if (Array.isArray(document)) return document.map(withPlainTuples) as T;
  if (typeof document !== 'object' || document === null) return document;
  const node = Object.fromEntries(Object.entries(document).map(([key, value]) => [key, withPlainTuples(value)]));
  const { prefixItems: places, items: _, ...others } = node;
  if (!Array.isArray(places)) return node as T;
  const distinct = [...new Map(places.map((place) => [JSON.stringify(place), place])).values()];
  const items = distinct.length === 1 ? distinct[0] : { anyOf: distinct };
  return { ...others, items, minItems: places.length, maxItems: places.length } as T;
}
