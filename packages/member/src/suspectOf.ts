import type { MaestroError, View } from '@maestro/protocol';

/**
 * The name of the member that a failure is put down to; empty when it is nobody's. One that reaches none of several others is itself the
 * one that cannot be reached.
 *
 * @param self this worker's id.
 */
export function suspectOf({ details }: MaestroError, { members }: Pick<View, 'members'>, self: string): string {
  const nameOf = (id: unknown): string | undefined => members.find((member) => member.id === id)?.name;
  const missing = Array.isArray(details['members']) ? (details['members'] as readonly unknown[]) : [];
  const isAlone = missing.length > 1 && missing.length === members.length - 1;
  const given = details['suspect'];
  return nameOf(details['member']) ?? nameOf(isAlone ? self : missing[0]) ?? (typeof given === 'string' ? given : '');
}
