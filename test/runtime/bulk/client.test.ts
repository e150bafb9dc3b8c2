import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { StoreError } from '../../../src/base/errors.ts';
import type { NetworkId, NodeId } from '../../../src/base/ids.ts';
import type { ServedReply } from '../../../src/base/ports.ts';
import { createBulkServer } from '../../../src/runtime/bulk/server.ts';
import { echo, NETWORK, nodeOf, pattern, signerOf, startClient, startServer } from './fixture.ts';

const header = new Uint8Array([1, 2, 3]);

describe('calls', () => {
  test('header and body of any length go there and come back', async () => {
    const { peer, endpoints } = await startServer();
    const client = startClient();
    for (const length of [0, 1, 16_380, 16_384, 131_072, 3_000_001]) {
      const body = pattern(length);
      const reply = await client.call(
        peer,
        endpoints,
        'echo',
        { header, body: [body] },
        { maxBodyLength: length },
      );
      expect(reply.header).toEqual(header);
      expect(Buffer.compare(reply.body, body)).toBe(0);
    }
    expect(client.connections).toBe(1);
  });

  test('a body is its parts in order, shared memory and empty parts among them', async () => {
    const { peer, endpoints } = await startServer();
    const shared = new Uint8Array(new SharedArrayBuffer(300_000));
    shared.set(pattern(300_000));
    const parts = [
      pattern(5),
      new Uint8Array(),
      shared.subarray(1, 200_001),
      pattern(20_000),
      shared.subarray(7),
    ];
    const options = { maxBodyLength: 1 << 20 };
    const reply = await startClient().call(peer, endpoints, 'echo', { header, body: parts }, options);
    expect(Buffer.compare(reply.body, Buffer.concat(parts))).toBe(0);
  });

  test("the reply lands in the caller's buffer, and its bytes are told", async () => {
    const { peer, endpoints } = await startServer();
    const target = new Uint8Array(new SharedArrayBuffer(200_000), 1000, 100_000);
    let told = 0;
    const body = pattern(100_000);
    const reply = await startClient().call(
      peer,
      endpoints,
      'echo',
      { header, body: [body] },
      {
        maxBodyLength: 100_000,
        into: (length) => target.subarray(0, length),
        onBytes: (count) => (told += count),
      },
    );
    expect(reply.body.buffer).toBe(target.buffer);
    expect(Buffer.compare(target, body)).toBe(0);
    expect(told).toBe(200_000);
  });

  test('the server learns who calls', async () => {
    const whoami = echo({ handle: async (from) => ({ header: from }) });
    const { peer, endpoints } = await startServer({}, [whoami]);
    const reply = await startClient({ signer: signerOf(5) }).call(peer, endpoints, 'echo', { header });
    expect(reply.header).toEqual(nodeOf(5));
  });

  test('many calls share a bounded number of connections, and each gets its own answer', async () => {
    const { peer, endpoints } = await startServer();
    const client = startClient({ limits: { connectionsPerPeer: 3 } });
    const calls = Array.from({ length: 60 }, async (_, index) => {
      const reply = await client.call(peer, endpoints, 'echo', { header: new Uint8Array([index]) });
      return reply.header[0];
    });
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 60 }, (_, index) => index));
    expect(client.connections).toBe(3);
  });

  test('connect tells who is there, and a call to it uses that connection', async () => {
    const { peer, endpoints, server } = await startServer();
    const client = startClient();
    expect(await client.connect(endpoints[0]!)).toEqual(peer);
    await client.call(peer, [], 'echo', { header });
    expect([client.connections, server.connections]).toEqual([1, 1]);
  });
});

describe('refusals', () => {
  test("a refusal of the handler reaches the caller with its code, the peer's name and the next step", async () => {
    const refusal = new StoreError('FULL', 'quota reached', { next: 'ask another' });
    const { peer, endpoints } = await startServer({}, [echo({ handle: () => Promise.reject(refusal) })]);
    const client = startClient();
    const failure = client.call(peer, endpoints, 'echo', { header, body: [pattern(10)] });
    await expect(failure).rejects.toMatchObject({
      code: 'FULL',
      message: 'echo: node 8a88e3dd refused: quota reached',
      next: 'ask another',
    });
    expect(client.connections).toBe(1);
  });

  test('a refusal before the body is heard while the body is still being sent', async () => {
    const admit = async (): Promise<void> => {
      throw new StoreError('UNAUTHORIZED', 'no ticket');
    };
    const { peer, endpoints } = await startServer({}, [echo({ admit, maxBodyLength: 1 << 30 })]);
    const client = startClient();
    let sent = 0;
    const body = Array<Uint8Array>(1000).fill(pattern(1 << 18));
    const failure = client.call(
      peer,
      endpoints,
      'echo',
      { header, body },
      { onBytes: (count) => (sent += count) },
    );
    await expect(failure).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
    expect(sent).toBeLessThan(100 << 20);
    await expect(client.call(peer, endpoints, 'echo', { header })).rejects.toMatchObject({
      code: 'UNAUTHORIZED',
    });
  });

  test('a reply longer than asked for is PROTOCOL', async () => {
    const { peer, endpoints } = await startServer();
    const failure = startClient().call(
      peer,
      endpoints,
      'echo',
      { header, body: [pattern(10)] },
      { maxBodyLength: 9 },
    );
    await expect(failure).rejects.toMatchObject({ code: 'PROTOCOL' });
  });
});

describe('what ends a call', () => {
  test("the caller's signal, at any time: ABORTED, and the handler is told", async () => {
    const told = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const slow = echo({
      handle: (_from, _header, _body, signal) => {
        started.resolve();
        signal.addEventListener('abort', () => told.resolve());
        return new Promise<ServedReply>(() => {});
      },
    });
    const { peer, endpoints } = await startServer({}, [slow]);
    const caller = new AbortController();
    const call = startClient().call(peer, endpoints, 'echo', { header }, { signal: caller.signal });
    await started.promise;
    caller.abort();
    await expect(call).rejects.toMatchObject({ code: 'ABORTED' });
    await told.promise;
    const late = startClient().call(peer, endpoints, 'echo', { header }, { signal: AbortSignal.abort() });
    await expect(late).rejects.toMatchObject({ code: 'ABORTED' });
  });

  test('its time: TIMEOUT here, and TIMEOUT from a server whose handler is over its own', async () => {
    const never = echo({ handle: () => new Promise<ServedReply>(() => {}), timeoutMs: 100 });
    const { peer, endpoints } = await startServer({}, [never]);
    const client = startClient();
    const short = client.call(peer, endpoints, 'echo', { header }, { timeoutMs: 30 });
    await expect(short).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: 'echo at node 8a88e3dd: the call took over 30 ms',
    });
    const long = client.call(peer, endpoints, 'echo', { header });
    await expect(long).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: expect.stringContaining('refused') as string,
    });
  });

  test('a waiting call can be given up without harm to the others', async () => {
    const { peer, endpoints } = await startServer();
    const client = startClient({ limits: { connectionsPerPeer: 1 } });
    const caller = new AbortController();
    const calls = [0, 1, 2].map((index) => {
      const options = index === 1 ? { signal: caller.signal } : {};
      return client.call(peer, endpoints, 'echo', { header: new Uint8Array([index]) }, options);
    });
    caller.abort();
    const [first, second, third] = await Promise.allSettled(calls);
    expect([first!.status, second!.status, third!.status]).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  test('nobody there, no address, or somebody else: UNREACHABLE', async () => {
    const { endpoints, server } = await startServer();
    const client = startClient();
    await expect(client.call(nodeOf(3), endpoints, 'echo', { header })).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringContaining('node 8a88e3dd answers in place of') as string,
    });
    await expect(client.call(nodeOf(4), [], 'echo', { header })).rejects.toMatchObject({
      code: 'UNREACHABLE',
    });
    await server.close();
    await expect(client.call(nodeOf(5), endpoints, 'echo', { header })).rejects.toMatchObject({
      code: 'UNREACHABLE',
    });
  });

  test('the second address is tried when the first is dead', async () => {
    const dead = await startServer();
    await dead.server.close();
    const { peer, endpoints } = await startServer();
    await startClient().call(peer, [...dead.endpoints, ...endpoints], 'echo', { header });
  });

  test('closing the client ends its calls as CLOSED', async () => {
    const { peer, endpoints } = await startServer({}, [
      echo({ handle: () => new Promise<ServedReply>(() => {}) }),
    ]);
    const client = startClient();
    await client.connect(endpoints[0]!);
    const call = client.call(peer, endpoints, 'echo', { header });
    await client.close();
    await expect(call).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(client.call(peer, endpoints, 'echo', { header })).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(client.connect(endpoints[0]!)).rejects.toMatchObject({ code: 'CLOSED' });
  });
});

describe('reuse', () => {
  test('a call on a connection that the peer gave up meanwhile is made again on a fresh one', async () => {
    const first = await startServer();
    const client = startClient();
    await client.call(first.peer, first.endpoints, 'echo', { header });
    const { port } = first.server.address;
    await first.server.close();
    const again = await createBulkServer({ signer: signerOf(1), host: '127.0.0.1', port, network: NETWORK });
    again.serve(echo());
    const reply = await client.call(first.peer, first.endpoints, 'echo', { header });
    expect(reply.header).toEqual(header);
    await again.close();
  });

  test('an idle client does not keep its process alive', async () => {
    const { endpoints } = await startServer();
    const source = (path: string): string => new URL(`../../../src/runtime/${path}`, import.meta.url).href;
    const script = `
      import { createBulkClient } from '${source('bulk/client.ts')}';
      import { nativeSigner } from '${source('crypto.ts')}';
      const signer = nativeSigner(new Uint8Array(32).fill(3));
      const client = createBulkClient({ signer, network: new Uint8Array(32).fill(9) });
      const peer = await client.connect('${endpoints[0]!}');
      const reply = await client.call(peer, [], 'echo', { header: new Uint8Array([7]) });
      console.log(reply.header[0]);`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      timeout: 30_000,
    });
    expect(stdout).toBe('7\n');
  });

  test('connections that are idle for long are closed', async () => {
    const { peer, endpoints } = await startServer();
    const client = startClient({ limits: { idleMs: 50 } });
    await client.call(peer, endpoints, 'echo', { header });
    await expect.poll(() => client.connections, { timeout: 5000 }).toBe(0);
    await client.call(peer, endpoints, 'echo', { header });
  });
});

describe('networks', () => {
  const other = new Uint8Array(32).fill(8) as NetworkId;
  const key = new Uint8Array(32).fill(1);

  test('another network is WRONG_NETWORK, and the message names both', async () => {
    const { endpoints, peer } = await startServer();
    const failure = startClient({ network: other }).call(peer, endpoints, 'echo', { header });
    await expect(failure).rejects.toMatchObject({
      code: 'WRONG_NETWORK',
      message: expect.stringMatching(/08080808.*09090909/) as string,
    });
  });

  test('who shares the pre-shared key gets in', async () => {
    const { endpoints, peer } = await startServer({ preSharedKey: key });
    await startClient({ preSharedKey: key }).call(peer, endpoints, 'echo', { header });
  });

  test('who has no or another pre-shared key is UNAUTHORIZED, whichever side asks for it', async () => {
    const closed = await startServer({ preSharedKey: key });
    const open = await startServer();
    const attempts: [NodeId, readonly string[], Uint8Array | undefined][] = [
      [closed.peer, closed.endpoints, undefined],
      [closed.peer, closed.endpoints, new Uint8Array(32)],
      [open.peer, open.endpoints, key],
    ];
    for (const [peer, endpoints, preSharedKey] of attempts) {
      const failure = startClient({ preSharedKey }).call(peer, endpoints, 'echo', { header });
      await expect(failure).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
    }
  });

  test('the gate decides who may connect', async () => {
    const { endpoints, peer } = await startServer({ admits: (node) => node[0] !== nodeOf(2)[0] });
    await expect(startClient().connect(endpoints[0]!)).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
    await startClient({ signer: signerOf(3) }).call(peer, endpoints, 'echo', { header });
  });
});
