import { printable } from '@maestro/protocol';

/** Formats a job for a reason: `"name" (id)`, which the dashboard shows as a link; only the id when no name is given. */
export function jobLabel({ id, name }: { readonly id: string; readonly name?: string }): string {
  return name === undefined ? id : `"${printable(name)}" (${id})`;
}
