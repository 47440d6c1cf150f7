/**
 * A document in which tuples are lists of as many elements, each of them what any place of the tuple takes. `prefixItems` is what OpenAPI
 * 3.1 has for them, but testers and generators of today take it for an array in `items`, which is invalid there.
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
