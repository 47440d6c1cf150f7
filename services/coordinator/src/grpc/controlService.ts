import type { handleBidiStreamingCall, Server } from '@grpc/grpc-js';
import {
  type CoordinatorMessage,
  errorMessage,
  isMaestroError,
  loadService,
  MaestroError,
  parseWorkerMessage,
  toWire,
  type Wire,
} from '@maestro/protocol';
import type { Coordinator } from '../jobs/coordinator.ts';
import type { WorkerSession } from '../jobs/jobBoard.ts';

/** Serves `maestro.v1.Coordinator`, the workers' control streams, on `server`. */
export function addControlService(server: Server, coordinator: Coordinator): void {
  const { service } = loadService('coordinator.proto', 'Coordinator');

  const attach: handleBidiStreamingCall<Wire, Wire> = (call) => {
    let session: WorkerSession | undefined;
    let isRefused = false;
    let isEnded = false;
    const send = (message: CoordinatorMessage): void => {
      if (!isEnded && !call.cancelled && !call.destroyed) call.write(toWire(message));
    };
    const end = (): void => {
      isEnded = true;
      call.end();
    };
    const connection = { send, close: end };
    const close = (evidence: string): void => {
      session?.closed(evidence);
      session = undefined;
    };
    const refuse = (error: unknown): void => {
      // After a protocol violation nothing more of the stream is trusted, and its worker counts as away.
      isRefused = true;
      send({ kind: 'refused', code: isMaestroError(error) ? error.code : 'internal', message: errorMessage(error) });
      end();
      close(`its control stream was refused: ${errorMessage(error)}`);
    };
    call.on('data', (wire: Wire) => {
      if (isRefused) return;
      try {
        const message = parseWorkerMessage(wire);
        if (message === undefined) return;
        if (message.kind === 'hello') {
          if (session !== undefined) throw new MaestroError('protocol-violation', `worker ${message.name}: hello was sent twice`);
          session = coordinator.attach(message, connection);
        } else if (session === undefined) {
          throw new MaestroError('protocol-violation', `control stream: expected hello first, found ${message.kind}`);
        } else {
          session.receive(message);
        }
      } catch (error) {
        refuse(error);
      }
    });
    call.on('end', () => {
      close('its control stream ended');
      end();
    });
    call.on('cancelled', () => close('its control stream was reset'));
    call.on('close', () => close('its control stream was reset'));
    call.on('error', (error: Error) => close(`its control stream failed: ${error.message}`));
  };

  server.addService(service, { Attach: attach });
}
