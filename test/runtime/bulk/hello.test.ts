import { once } from 'node:events';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { credentialsFor } from '../../../src/runtime/bulk/certificate.ts';
import { checkHello, createHello } from '../../../src/runtime/bulk/hello.ts';
import { NETWORK, signerOf } from './fixture.ts';

const access = { network: NETWORK, preSharedKey: new Uint8Array(32).fill(5) };

test('a proof holds on its own connection and for its own role only', async () => {
  const [one, two] = [await connection(), await connection()];
  const hello = createHello(access, one.near, 'client');
  checkHello(hello, access, one.far, 'client');
  // Sent back by a server that does not know the key, or passed on over another connection.
  for (const [socket, role] of [
    [one.far, 'server'],
    [one.near, 'server'],
    [two.far, 'client'],
  ] as const) {
    expect(() => checkHello(hello, access, socket, role)).toThrow(
      expect.objectContaining({ code: 'UNAUTHORIZED' }),
    );
  }
});

test('another key, or none, gives no proof that holds', async () => {
  const { near, far } = await connection();
  for (const preSharedKey of [new Uint8Array(32), new Uint8Array(31).fill(5), undefined]) {
    const hello = createHello({ network: NETWORK, preSharedKey }, near, 'client');
    expect(() => checkHello(hello, access, far, 'client')).toThrow(
      expect.objectContaining({ code: 'UNAUTHORIZED' }),
    );
  }
});

/** Both ends of a TLS connection. */
async function connection(): Promise<{ near: TLSSocket; far: TLSSocket }> {
  const server = createServer(await credentialsFor(signerOf(1)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const near = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, minVersion: 'TLSv1.3' });
  const secured = once(near, 'secureConnect');
  const [far] = (await once(server, 'secureConnection')) as [TLSSocket];
  await secured;
  onTestFinished(() => {
    for (const socket of [near, far]) socket.destroy();
    server.close();
  });
  return { near, far };
}
