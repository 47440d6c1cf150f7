import { resolve } from 'node:path';
import { connectJobClient, type JobClient } from '@maestro/client';
import { isMaestroError, MaestroError, readEnvironment } from '@maestro/protocol';
import type { Command } from 'commander';
import { coordinatorAddress } from './connection.ts';

/** Runs `work` with a client of the coordinator that the options name. Reports an unreachable coordinator with advice. */
export async function withClient<Result>(program: Command, work: (client: JobClient) => Promise<Result>): Promise<Result> {
  const { coordinator, dataDir } = program.opts<{ coordinator?: string; dataDir: string }>();
  const address = await coordinatorAddress({ flag: coordinator, dataDir: resolve(dataDir) });
  const client = connectJobClient(address);
  try {
    return await work(client);
  } catch (error) {
    if (!isMaestroError(error, 'unavailable')) throw error;
    const proxy = readEnvironment()['grpc_proxy'];
    const way = proxy === undefined ? '' : ` through the proxy of grpc_proxy (unset it to connect directly)`;
    throw new MaestroError(
      'unavailable',
      `no coordinator answers at ${address}${way}; start one with \`maestro up\`, ` +
        `or give its address with --coordinator (${error.message})`,
      { cause: error },
    );
  } finally {
    client.close();
  }
}
