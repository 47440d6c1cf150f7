/** Where a worker computes. Bits are promised within one of them. */
export const DEVICES = ['cpu', 'cuda', 'webgpu'] as const;

/** One of {@link DEVICES}. */
export type Device = (typeof DEVICES)[number];

/** Whether `text` names a device. */
export function isDevice(text: string): text is Device {
  return (DEVICES as readonly string[]).includes(text);
}
