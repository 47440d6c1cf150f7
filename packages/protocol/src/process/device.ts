/** Device types of a worker. Bits are reproducible within one of them. */
export const DEVICES = ['cpu', 'cuda', 'webgpu'] as const;

/** One of {@link DEVICES}. */
export type Device = (typeof DEVICES)[number];

/** True when `text` names a device. */
export function isDevice(text: string): text is Device {
  return (DEVICES as readonly string[]).includes(text);
}
