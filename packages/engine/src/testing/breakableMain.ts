import { MaestroError } from '@maestro/protocol';
import { serveCompute } from '../threads/serveCompute.ts';

/** Calls that end in every way a call can end. */
export interface BreakableCalls {
  echo(text: string): string;
  refuse(reason: string): never;
  exit(code: number): Promise<void>;
  crash(message: string): Promise<void>;
}

const never = () => new Promise<void>(() => undefined);

await serveCompute(async ({ failAtStart }: { readonly failAtStart: boolean }) => {
  if (failAtStart) throw new MaestroError('not-found', 'breakable: no such model', { details: { path: 'm.onnx' } });
  const calls: BreakableCalls = {
    echo: (text) => text,
    refuse(reason) {
      throw new MaestroError('conflict', reason, { details: { reason } });
    },
    async exit(code) {
      process.exit(code);
    },
    crash(message) {
      setImmediate(() => {
        throw new Error(message);
      });
      return never();
    },
  };
  return { ready: 'open', calls };
});
