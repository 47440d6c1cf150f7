import { errorMessage } from '@maestro/protocol';

/** What a measurement was of, and what it gave or why it gave nothing. */
export type Settled<Of extends object = object, Result extends object = object> =
  | (Of & Result & { readonly isFailed: false })
  | (Of & { readonly isFailed: true; readonly failed: string });

/** Runs a measurement so that one that fails leaves the others alone. */
export async function orFailed<Of extends object, Result extends object>(of: Of, run: () => Promise<Result>): Promise<Settled<Of, Result>> {
  try {
    return { ...of, ...(await run()), isFailed: false };
  } catch (error) {
    return { ...of, isFailed: true, failed: errorMessage(error) };
  }
}
