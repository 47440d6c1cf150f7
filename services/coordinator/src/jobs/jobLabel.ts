import { printable } from '@maestro/protocol';

/** How a reason names a job: `"name" (id)`, which the dashboard shows as a link; the id alone where no name is given. */
export function jobLabel({ id, name }: { readonly id: string; readonly name?: string }): string {
  return name === undefined ? id : `"${printable(name)}" (${id})`;
}
