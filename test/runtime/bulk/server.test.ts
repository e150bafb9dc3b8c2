import { connect as connectTcp, createServer as createTcpServer } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { concat, equal } from '../../../src/base/bytes.ts';
import type { StoreError } from '../../../src/base/errors.ts';
import type { ServedReply, Service } from '../../../src/base/ports.ts';
import { credentialsFor } from '../../../src/runtime/bulk/certificate.ts';
import {
  ANSWER_PREFIX_LENGTH,
  encodeHello,
  encodeRequest,
  HELLO_LENGTH,
} from '../../../src/runtime/bulk/frame.ts';
import type { BulkServer } from '../../../src/runtime/bulk/server.ts';
import { decodeRefusal } from '../../../src/runtime/refusal.ts';
import { createServiceGuard } from '../../../src/runtime/service-guard.ts';
import { echo, NETWORK, nodeOf, pattern, signerOf, startClient, startServer } from './fixture.ts';

const header = new Uint8Array([1, 2, 3]);
const QUICK = { sweepMs: 20, handshakeMs: 150, headerMs: 150, idleMs: 150, rateWindowMs: 100 };

describe('listening', () => {
  test('a port that is taken is PORT_IN_USE, an address of another machine INVALID_ARGUMENT', async () => {
    const other = createTcpServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void other.close());
    const { port } = other.address() as { port: number };
    await expect(startServer({ port })).rejects.toMatchObject({ code: 'PORT_IN_USE' });
    await expect(startServer({ host: '203.0.113.1' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  test('IPv6 works where the machine has it', async () => {
    const { peer, endpoints } = await startServer({ host: '::1' });
    expect(endpoints[0]).toMatch(/^\/ip6\/::1\/tcp\/\d+\/tls$/);
    await startClient().call(peer, endpoints, 'echo', { header });
  });
});

describe('closing', () => {
  test('an exchange under way is finished, idle connections and newcomers are not waited for', async () => {
    const started = Promise.withResolvers<void>();
    const slow = echo({
      handle: async (_from, got) => {
        started.resolve();
        await new Promise((resolve) => setTimeout(resolve, 100));
        return { header: got };
      },
    });
    const { server, peer, endpoints } = await startServer({}, [slow]);
    await startClient().connect(endpoints[0]!);
    const call = startClient().call(peer, endpoints, 'echo', { header });
    await started.promise;
    await server.close();
    expect((await call).header).toEqual(header);
  });

  test('an exchange that does not end is cut after the grace', async () => {
    const started = Promise.withResolvers<void>();
    const endless = echo({
      handle: () => {
        started.resolve();
        return new Promise<ServedReply>(() => {});
      },
    });
    const { server, peer, endpoints } = await startServer({}, [endless]);
    const call = startClient().call(peer, endpoints, 'echo', { header });
    await started.promise;
    await Promise.all([server.close(20), expect(call).rejects.toMatchObject({ code: 'UNREACHABLE' })]);
  });
});

describe('bounds', () => {
  test('a peer over its connections loses an idle one, and is BUSY when all are at work', async () => {
    const free = Promise.withResolvers<ServedReply>();
    const limits = { connectionsPerPeer: 2, evictAfterMs: 0 };
    const { server, peer, endpoints } = await startServer({ limits }, [echo({ handle: () => free.promise })]);
    for (let index = 0; index < 4; index++) await startClient().connect(endpoints[0]!);
    await expect.poll(() => server.connections).toBe(2);
    const clients = [startClient(), startClient()];
    const calls: Promise<unknown>[] = [];
    for (const client of clients) {
      await client.connect(endpoints[0]!);
      calls.push(client.call(peer, [], 'echo', { header }));
    }
    await expect.poll(async () => await codeOf(startClient().connect(endpoints[0]!))).toBe('BUSY');
    free.resolve({ header });
    await Promise.all(calls);
  });

  test('a connection that was just of use does not give way', async () => {
    const { endpoints } = await startServer({ limits: { connectionsPerPeer: 1, evictAfterMs: 60_000 } });
    await startClient().connect(endpoints[0]!);
    await expect(startClient().connect(endpoints[0]!)).rejects.toMatchObject({ code: 'BUSY' });
  });

  test('when the table is full, those who have not said hello give way, then idle connections', async () => {
    const { server, endpoints, peer } = await startServer({ limits: { connectionsMax: 3, evictAfterMs: 0 } });
    const silent = await Promise.all([
      rawConnection(server, 3),
      rawConnection(server, 3),
      rawConnection(server, 3),
    ]);
    for (const index of [4, 5, 6, 7]) await startClient({ signer: signerOf(index) }).connect(endpoints[0]!);
    await Promise.all(silent.map((raw) => raw.closed));
    expect(server.connections).toBeLessThanOrEqual(3);
    await startClient().call(peer, endpoints, 'echo', { header });
  });

  test('a table full of replies that nobody reads has room: the slowest gives way, but not a member', async () => {
    const guard = createServiceGuard({ isMember: (node) => equal(node, nodeOf(4)) });
    const limits = { connectionsMax: 3, graceMs: 100, sweepMs: 50 };
    const { server, endpoints, peer } = await startServer({ guard, limits }, [echo(), unread]);
    const deaf = [await deafConnection(server, 3), await deafConnection(server, 4)];
    await deafConnection(server, 5);
    await expect.poll(() => guard.active).toBe(3);
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (const index of [6, 7]) {
      await startClient({ signer: signerOf(index) }).call(peer, endpoints, 'echo', { header });
    }
    expect(deaf[1]!.socket.destroyed).toBe(false);
    expect(guard.active).toBeLessThanOrEqual(2);
    expect(guard.active).toBeGreaterThanOrEqual(1);
  });

  test('memory full of replies that nobody reads is free for the next reply within seconds', async () => {
    const guard = createServiceGuard({ bodyBudget: 100 << 20 });
    const { server, endpoints, peer } = await startServer({ guard, limits: { graceMs: 100, sweepMs: 50 } }, [
      echo(),
      unread,
    ]);
    await Promise.all([deafConnection(server, 3), deafConnection(server, 4), deafConnection(server, 5)]);
    await expect.poll(() => guard.heldBytes).toBe(96 << 20);
    const client = startClient();
    const body = pattern(8 << 20);
    const ask = () =>
      client.call(peer, endpoints, 'echo', { header, body: [body] }, { maxBodyLength: body.length });
    await expect.poll(() => codeOf(ask()), { timeout: 8000, interval: 200 }).toBe('none');
    await expect.poll(() => guard.heldBytes).toBe(64 << 20);
  });

  test('bodies beyond the budget are BUSY before they are received', async () => {
    const guard = createServiceGuard({ bodyBudget: 1000 });
    const { endpoints, peer } = await startServer({ guard });
    const client = startClient();
    const large = client.call(peer, endpoints, 'echo', { header, body: [pattern(1001)] });
    await expect(large).rejects.toMatchObject({ code: 'BUSY' });
    await client.call(peer, endpoints, 'echo', { header, body: [pattern(1000)] }, { maxBodyLength: 1000 });
    expect([guard.heldBytes, guard.active]).toEqual([0, 0]);
  });

  test('a name, header or body beyond the bounds is refused from its length alone', async () => {
    const { server } = await startServer();
    for (const [request, code] of [
      [encodeRequest('echo', header, 1 << 30), 'PROTOCOL'],
      [encodeRequest('echo', new Uint8Array(1025), 0), 'PROTOCOL'],
      [encodeRequest('other', header, 0), 'UNSUPPORTED'],
      [encodeRequest('x'.repeat(65), header, 0), 'PROTOCOL'],
      [encodeRequest('', header, 0), 'PROTOCOL'],
      [new Uint8Array(14), 'PROTOCOL'],
      [new Uint8Array(14).fill(255), 'PROTOCOL'],
    ] as const) {
      const raw = await rawConnection(server, 3);
      raw.socket.write(concat(encodeHello({ network: NETWORK, proof: undefined }), request));
      expect(await raw.refusal(HELLO_LENGTH)).toBe(code);
    }
  });
});

describe('after a refusal', () => {
  test('a connection with little left to read goes on, another ends', async () => {
    const { endpoints, peer, server } = await startServer({}, [echo({ maxBodyLength: 1000 })]);
    const client = startClient();
    for (const [length, connections] of [
      [2000, 1],
      [200_000, 0],
    ] as const) {
      const refused = client.call(peer, endpoints, 'echo', { header, body: [pattern(length)] });
      await expect(refused).rejects.toMatchObject({ code: 'PROTOCOL' });
      await expect.poll(() => server.connections).toBe(connections);
    }
    await client.call(peer, endpoints, 'echo', { header });
  });
});

describe('time', () => {
  test('whoever does not finish the handshake, the hello, a header or a body is cut', async () => {
    const { server } = await startServer({ limits: QUICK });
    const hello = encodeHello({ network: NETWORK, proof: undefined });
    const request = encodeRequest('echo', header, 1 << 20);
    const beginnings = [
      new Uint8Array(),
      hello.subarray(0, 10),
      hello,
      concat(hello, request.subarray(0, 5)),
      concat(hello, request, new Uint8Array(1000)),
    ];
    await Promise.all(
      beginnings.map(async (beginning) => {
        const raw = await rawConnection(server, 3);
        raw.socket.write(beginning);
        await raw.closed;
      }),
    );
    await expect.poll(() => server.connections).toBe(0);
  });

  test('a connection that never begins the handshake is cut', async () => {
    const { server } = await startServer({ limits: QUICK });
    const socket = connectTcp(server.address.port, server.address.host);
    socket.on('error', () => {});
    socket.resume();
    await new Promise((resolve) => socket.once('close', resolve));
  });

  test('a body that trickles is cut although it never stops', async () => {
    const guard = createServiceGuard();
    const { server } = await startServer({ limits: { ...QUICK, rateMinPerSecond: 10_000_000 }, guard });
    const raw = await rawConnection(server, 3);
    raw.socket.write(encodeHello({ network: NETWORK, proof: undefined }));
    raw.socket.write(encodeRequest('echo', header, 1 << 20));
    const drip = setInterval(() => raw.socket.write(new Uint8Array(10)), 5);
    await raw.closed;
    clearInterval(drip);
    await expect.poll(() => guard.heldBytes).toBe(0);
  });

  test('a reply that nobody reads is cut, and its memory is free again', async () => {
    const guard = createServiceGuard();
    const big = echo({ handle: async () => ({ header, body: [new Uint8Array(32 << 20)] }) });
    const { server } = await startServer({ limits: { ...QUICK, rateMinPerSecond: 10_000_000 }, guard }, [
      big,
    ]);
    const raw = await rawConnection(server, 3);
    raw.socket.pause();
    raw.socket.write(encodeHello({ network: NETWORK, proof: undefined }));
    raw.socket.write(encodeRequest('echo', header, 0));
    await expect.poll(() => guard.heldBytes).toBe(32 << 20);
    await expect.poll(() => guard.heldBytes).toBe(0);
    raw.socket.destroy();
  });

  test('a peer that sends more than it was asked for is not read until it is asked again', async () => {
    const guard = createServiceGuard();
    const endless = echo({ handle: () => new Promise<ServedReply>(() => {}), timeoutMs: 60_000 });
    const { server } = await startServer({ guard }, [endless]);
    const raw = await rawConnection(server, 3);
    raw.socket.write(encodeHello({ network: NETWORK, proof: undefined }));
    raw.socket.write(encodeRequest('echo', header, 0));
    await expect.poll(() => guard.active).toBe(1);
    // More than the buffers of two sockets hold.
    for (let count = 0; count < 32; count++) raw.socket.write(new Uint8Array(1 << 20));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(raw.socket.writableLength).toBeGreaterThan(8 << 20);
    expect(server.connections).toBe(1);
  });
});

describe('borrowed bodies', () => {
  test('each handler sees its own bytes, also when the memory was another body before', async () => {
    const borrower: Service = { ...echo(), isBodyBorrowed: true };
    const { peer, endpoints } = await startServer({}, [borrower]);
    const client = startClient();
    const calls = Array.from({ length: 40 }, async (_, index) => {
      const body = pattern(200_000 + (index % 3)).fill(index, 1000);
      const reply = await client.call(
        peer,
        endpoints,
        'echo',
        { header, body: [body] },
        { maxBodyLength: 300_000 },
      );
      expect(Buffer.compare(reply.body, body)).toBe(0);
    });
    await Promise.all(calls);
  });
});

interface Raw {
  readonly socket: TLSSocket;
  readonly closed: Promise<void>;
  /** Code of the refusal that comes after `skip` bytes. */
  refusal(skip: number): Promise<string>;
}

/** 32 MiB, for those who ask and do not read. */
const unread: Service = {
  ...echo({ name: 'unread' }),
  handle: async () => ({ header, body: [new Uint8Array(32 << 20)] }),
};

async function deafConnection(server: BulkServer, index: number): Promise<Raw> {
  const raw = await rawConnection(server, index);
  raw.socket.pause();
  raw.socket.write(encodeHello({ network: NETWORK, proof: undefined }));
  raw.socket.write(encodeRequest('unread', header, 0));
  return raw;
}

/** A TLS connection of identity `index` that says nothing by itself. */
async function rawConnection(server: BulkServer, index: number): Promise<Raw> {
  const socket = connect({
    port: server.address.port,
    host: server.address.host,
    rejectUnauthorized: false,
    ALPNProtocols: ['holdfast-bulk'],
    ...(await credentialsFor(signerOf(index))),
  });
  onTestFinished(() => void socket.destroy());
  const chunks: Uint8Array[] = [];
  socket.on('error', () => {});
  socket.on('data', (chunk) => chunks.push(chunk));
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  return {
    socket,
    closed,
    async refusal(skip) {
      const after = (): Uint8Array => concat(...chunks).subarray(skip + ANSWER_PREFIX_LENGTH);
      await expect.poll(() => after().length).toBeGreaterThan(0);
      return decodeRefusal(after(), nodeOf(1)).code;
    },
  };
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'none';
  } catch (error) {
    return (error as StoreError).code;
  }
}
