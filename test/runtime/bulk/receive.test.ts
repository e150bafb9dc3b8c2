import { once } from 'node:events';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { credentialsFor } from '../../../src/runtime/bulk/certificate.ts';
import { receive } from '../../../src/runtime/bulk/receive.ts';
import { pattern, signerOf } from './fixture.ts';

test('the fast way is in use on the node that this package brings along', async () => {
  const { accepted } = await pair();
  const expected = process.versions.node.startsWith('24.') ? 'shared' : 'allocated';
  expect(receive(accepted, () => {})).toBe(expected);
});

test('every byte arrives once and in order, also what came before and across pauses', async () => {
  const { accepted, dialled } = await pair();
  const sent = pattern(3_000_000);
  dialled.write(sent.subarray(0, 100_000));
  // Long enough for the first bytes to be waiting when receiving begins.
  await new Promise((resolve) => setTimeout(resolve, 50));
  const chunks: Uint8Array[] = [];
  receive(accepted, (chunk) => {
    chunks.push(new Uint8Array(chunk));
    if (chunks.length % 10 !== 0) return;
    accepted.pause();
    setTimeout(() => accepted.resume(), 1);
  });
  dialled.end(sent.subarray(100_000));
  await once(accepted, 'end');
  expect(Buffer.compare(Buffer.concat(chunks), sent)).toBe(0);
});

test('two sockets that receive at once do not mix', async () => {
  const pairs = await Promise.all([pair(), pair()]);
  const results = pairs.map(async ({ accepted, dialled }, index) => {
    const chunks: Uint8Array[] = [];
    receive(accepted, (chunk) => chunks.push(new Uint8Array(chunk)));
    const sent = pattern(1_000_000).fill(index, 500_000);
    for (let offset = 0; offset < sent.length; offset += 50_000)
      dialled.write(sent.subarray(offset, offset + 50_000));
    dialled.end();
    await once(accepted, 'end');
    expect(Buffer.compare(Buffer.concat(chunks), sent)).toBe(0);
  });
  await Promise.all(results);
});

/** Two ends of a TLS connection. */
async function pair(): Promise<{ accepted: TLSSocket; dialled: TLSSocket }> {
  const server = createServer(await credentialsFor(signerOf(1)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const dialled = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  const [accepted] = (await once(server, 'secureConnection')) as [TLSSocket];
  for (const socket of [accepted, dialled]) socket.on('error', () => {});
  onTestFinished(() => {
    for (const socket of [accepted, dialled]) socket.destroy();
    server.close();
  });
  return { accepted, dialled };
}
