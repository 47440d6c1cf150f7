import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

/**
 * Opens the stream that node:http2 gets in place of a socket whose DATA frames are handled separately. Bytes written by http2 go to the
 * socket at once, whole frames at a time; the owner pushes the bytes it is to read. The stream and the socket end together.
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
      // Written data must still go out, such as the reason why a connection ends.
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
