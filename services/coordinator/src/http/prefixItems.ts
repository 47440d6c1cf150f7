/**
 * A document in which tuples are written as OpenAPI 3.1 has them, that is JSON Schema 2020-12: `prefixItems`, where 3.0's tools had an array of
 * schemas in `items`. Each tuple has exactly as many elements.
 */
export function withPrefixItems<T>(document: T): T {
  if (Array.isArray(document)) return document.map(withPrefixItems) as T;
  if (typeof document !== 'object' || document === null) return document;
  const node = Object.fromEntries(Object.entries(document).map(([key, value]) => [key, withPrefixItems(value)]));
  const { items, ...others } = node;
  if (node['type'] !== 'array' || !Array.isArray(items)) return node as T;
  return { ...others, prefixItems: items, items: false, minItems: items.length, maxItems: items.length } as T;
}
