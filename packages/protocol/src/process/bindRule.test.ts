import { expect, test } from '@jest/globals';
import { requireSafeBind } from '../index.ts';

const bind = (address: string, more: { isProtected?: boolean; trustedNetworks?: string } = {}) =>
  requireSafeBind({ variable: 'MAESTRO_GRPC_LISTEN', address, isProtected: false, remedy: 'set MAESTRO_TOKENS', ...more });

test('loopback needs no protection, in any of its forms', async () => {
  for (const address of ['127.0.0.1:0', '127.9.9.9:7070', '[::1]:7070', 'localhost:7070', 'unix:/tmp/x']) await bind(address);
});

test('elsewhere nothing listens without protection, and the refusal says what to set', async () => {
  for (const address of ['0.0.0.0:7070', '[::]:7070', '10.1.2.3:7070', '192.168.0.1:0']) {
    await expect(bind(address)).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringMatching(/^MAESTRO_GRPC_LISTEN=.*set MAESTRO_TOKENS, or listen on 127\.0\.0\.1$/),
    });
    await bind(address, { isProtected: true });
  }
});

test('a network that is called trusted counts as this machine; every address never does', async () => {
  await bind('10.1.2.3:7070', { trustedNetworks: '172.16.0.0/12, 10.1.0.0/16' });
  await expect(bind('10.2.2.3:7070', { trustedNetworks: '10.1.0.0/16' })).rejects.toMatchObject({ code: 'invalid-argument' });
  await expect(bind('0.0.0.0:7070', { trustedNetworks: '10.0.0.0/8' })).rejects.toMatchObject({ code: 'invalid-argument' });
  await expect(bind('0.0.0.0:7070', { trustedNetworks: '0.0.0.0/0' })).rejects.toThrow('expected networks such as 172.16.0.0/12');
});

test('an address without a port is refused with the name of its variable', async () => {
  await expect(bind('127.0.0.1')).rejects.toThrow('MAESTRO_GRPC_LISTEN=127.0.0.1: expected host:port, such as 127.0.0.1:7080');
});
