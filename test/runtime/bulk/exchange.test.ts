import { createServer, type TLSSocket } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { concat } from '../../../src/base/bytes.ts';
import { StoreError } from '../../../src/base/errors.ts';
import { HEADER_LENGTH_MAX } from '../../../src/base/limits.ts';
import type { CallOptions } from '../../../src/base/ports.ts';
import { credentialsFor } from '../../../src/runtime/bulk/certificate.ts';
import { formatEndpoint } from '../../../src/runtime/bulk/endpoint.ts';
import { encodeAnswer, encodeHello, REFUSAL, REPLY } from '../../../src/runtime/bulk/frame.ts';
import { encodeRefusal } from '../../../src/runtime/refusal.ts';
import { NETWORK, nodeOf, pattern, signerOf, startClient } from './fixture.ts';

const header = new Uint8Array([1, 2, 3]);
const hello = encodeHello({ network: NETWORK, proof: undefined });
const refusal = encodeRefusal(new StoreError('FULL', 'no'));

describe('a server that breaks the protocol', () => {
  test.each<[string, Uint8Array, string]>([
    ['says no hello but noise', pattern(500), 'PROTOCOL'],
    ['replies instead of saying hello', encodeAnswer(REPLY, header, 0), 'PROTOCOL'],
    ['refuses at great length', encodeAnswer(REFUSAL, new Uint8Array(5000), 0), 'PROTOCOL'],
    ['refuses unreadably', encodeAnswer(REFUSAL, new Uint8Array(5).fill(255), 0), 'PROTOCOL'],
    ['refuses', encodeAnswer(REFUSAL, refusal, 0), 'FULL'],
  ])('in the hello: %s', async (_name, answer, code) => {
    const call = callTo((socket) => void socket.write(answer));
    await expect(call).rejects.toMatchObject({ code });
  });

  test.each<[string, Uint8Array, string]>([
    ['a frame of no known type', new Uint8Array(13).fill(9), 'PROTOCOL'],
    ['a second hello', hello, 'PROTOCOL'],
    ['a header beyond the bound', encodeAnswer(REPLY, new Uint8Array(HEADER_LENGTH_MAX + 1), 0), 'PROTOCOL'],
    ['a body that was not asked for', encodeAnswer(REPLY, header, 101), 'PROTOCOL'],
    ['a body of impossible length', encodeAnswer(REPLY, header, Number.MAX_SAFE_INTEGER), 'PROTOCOL'],
    ['a refusal with a body', encodeAnswer(REFUSAL, refusal, 1), 'PROTOCOL'],
    ['a refusal beyond the bound', encodeAnswer(REFUSAL, new Uint8Array(5000), 0), 'PROTOCOL'],
    ['a refusal in good form', encodeAnswer(REFUSAL, refusal, 0), 'FULL'],
  ])('in the answer: %s', async (_name, answer, code) => {
    const call = callTo((socket) => answerTo(socket, (said) => said.length === hello.length, hello, answer));
    await expect(call).rejects.toMatchObject({ code, message: expect.stringContaining('echo') as string });
  });

  test('a reply before the request is complete is PROTOCOL', async () => {
    const body = Array<Uint8Array>(200).fill(pattern(1 << 18));
    const call = callTo(
      (socket) => {
        socket.write(concat(hello, encodeAnswer(REPLY, header, 0)));
      },
      {},
      body,
    );
    await expect(call).rejects.toMatchObject({ code: 'PROTOCOL' });
  });

  test('a close in the middle of a reply is UNREACHABLE, and the call is not made again', async () => {
    let connections = 0;
    const call = callTo((socket) => {
      connections += 1;
      answerTo(
        socket,
        () => true,
        hello,
        concat(encodeAnswer(REPLY, header, 100), new Uint8Array(50)),
        'end',
      );
    });
    await expect(call).rejects.toMatchObject({ code: 'UNREACHABLE' });
    expect(connections).toBe(1);
  });

  test('a server that never answers is TIMEOUT, in the hello and in the exchange', async () => {
    const silent = callTo((socket) => void socket.resume(), { timeoutMs: 100 });
    await expect(silent).rejects.toMatchObject({ code: 'TIMEOUT' });
    const half = callTo((socket) => void socket.resume().write(hello), { timeoutMs: 100 });
    await expect(half).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  test('bytes behind a reply end the connection, not the reply', async () => {
    const noise = concat(encodeAnswer(REPLY, header, 2), pattern(2), pattern(300));
    const reply = await callTo((socket) => answerTo(socket, () => true, hello, noise));
    expect(reply).toMatchObject({ header, body: pattern(2) });
  });
});

test('a buffer of the wrong length is INVALID_ARGUMENT', async () => {
  const answer = encodeAnswer(REPLY, header, 100);
  const call = callTo((socket) => answerTo(socket, () => true, hello, answer), {
    into: () => new Uint8Array(99),
  });
  await expect(call).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
});

/** Says hello, and after the caller has said something more the answer. */
function answerTo(
  socket: TLSSocket,
  isHello: (said: Uint8Array) => boolean,
  greeting: Uint8Array,
  answer: Uint8Array,
  then?: 'end',
): void {
  let isGreeted = false;
  socket.on('data', (said) => {
    if (!isGreeted && isHello(said)) {
      isGreeted = true;
      socket.write(greeting);
      return;
    }
    if (then === 'end') socket.end(answer);
    else socket.write(answer);
  });
}

/** Our client's call to a server of identity 1 that behaves as `behave` says. */
async function callTo(
  behave: (socket: TLSSocket) => void,
  options: CallOptions = {},
  body?: readonly Uint8Array[],
): Promise<unknown> {
  const server = createServer({
    ...(await credentialsFor(signerOf(1))),
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: ['holdfast-bulk'],
  });
  const sockets = new Set<TLSSocket>();
  server.on('secureConnection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    behave(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as { port: number };
  const request = body === undefined ? { header } : { header, body };
  const call = { maxBodyLength: 100, ...options };
  return await startClient().call(nodeOf(1), [formatEndpoint('127.0.0.1', port)], 'echo', request, call);
}
