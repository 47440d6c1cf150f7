import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { makeNamespaceNetwork } from '@maestro/cli';

/** A program: creates a network of two hosts, lets one connect to the other, and prints whether it could. */
const SERVER = `const server = require('net').createServer((socket) => socket.end());
server.listen(0, process.argv[1], () => console.log(server.address().port));`;
const CLIENT = `const socket = require('net').connect({ host: process.argv[1], port: Number(process.argv[2]), timeout: 3000 });
socket.on('connect', () => process.exit(0)).on('timeout', () => process.exit(1)).on('error', () => process.exit(1));`;

const network = await makeNamespaceNetwork();
const [from, to] = [await network.place('worker-a'), await network.place('worker-b')];
const server = spawn(to.enter[0]!, [...to.enter.slice(1), process.execPath, '-e', SERVER, to.address], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const [port] = (await once(server.stdout, 'data')) as [Buffer];
const client = spawn(from.enter[0]!, [...from.enter.slice(1), process.execPath, '-e', CLIENT, to.address, port.toString().trim()]);
const [code] = (await once(client, 'exit')) as [number];
server.kill();
await network.close();
process.stdout.write(code === 0 ? 'reached\n' : 'not reached\n');
