import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

/**
 * The stream that node:http2 gets in a socket's place when the DATA frames of that socket are handled beside it. What http2 writes goes
 * to the socket at once, whole frames at a time; what it is to read is pushed by the owner. It ends with the socket and the socket with it.
 */
export function openControlChannel(socket: Socket, onWrite: (frames: Buffer) => void = () => {}): Duplex {
  const pass = (frames: Buffer): void => {
    if (!socket.destroyed) socket.write(frames);
    onWrite(frames);
  };
  const channel = new Duplex({
    read: () => {},
    write: (frames: Buffer, _encoding, done) => {
      pass(frames);
      done();
    },
    writev: (chunks, done) => {
      pass(chunks.length === 1 ? chunks[0]!.chunk : Buffer.concat(chunks.map(({ chunk }) => chunk)));
      done();
    },
    final: (done) => {
      socket.end();
      done();
    },
    destroy: (error, done) => {
      // What was written must still go out, such as why a connection ends.
      if (error === null) socket.destroySoon();
      else socket.destroy();
      done(error);
    },
  });
  socket.once('end', () => channel.push(null));
  socket.once('error', (error) => channel.destroy(error));
  socket.once('close', () => channel.destroy());
  return channel;
}
