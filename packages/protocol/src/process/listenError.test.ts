import { createServer } from 'node:net';
import { expect, test } from '@jest/globals';
import { listenError } from './listenError.ts';

test('an address that is taken is told in words, with the variable that says where', async () => {
  const first = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => first.once('listening', resolve));
  const { port } = first.address() as { port: number };
  const second = createServer().listen(port, '127.0.0.1');
  const cause = await new Promise((resolve) => second.once('error', resolve));
  first.close();
  expect(listenError(`127.0.0.1:${port}`, cause, { what: 'gRPC', variable: 'MAESTRO_GRPC_LISTEN' })).toMatchObject({
    code: 'unavailable',
    message:
      `cannot listen on 127.0.0.1:${port} for gRPC: the port is in use (EADDRINUSE), for example by another coordinator ` +
      'or worker; stop it, or choose another port; set the address with MAESTRO_GRPC_LISTEN',
  });
});
