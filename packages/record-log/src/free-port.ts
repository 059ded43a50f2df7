import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Reserves nothing: the port was free a moment ago, which is enough on one machine. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  assert(address !== null && typeof address === 'object', 'a listener on TCP has a port');
  return address.port;
}
