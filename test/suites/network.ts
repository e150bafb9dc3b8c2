// What every Network does, in memory or over sockets. A test file makes pairs of connected nodes and hands them here.

import { afterEach, describe, expect, test } from 'vitest';
import { toUtf8 } from '../../src/base/bytes.ts';
import { StoreError } from '../../src/base/errors.ts';
import type { NodeId } from '../../src/base/ids.ts';
import { TELL_LENGTH_MAX } from '../../src/base/limits.ts';
import type { Network, Service } from '../../src/base/ports.ts';

/** Two nodes of one network; `client` already knows the addresses of `server`. */
export interface NetworkPair {
  readonly client: Network;
  readonly server: Network;
}

export function echoService(overrides: Partial<Service> = {}): Service {
  return {
    name: 'echo',
    maxHeaderLength: 1000,
    maxBodyLength: 3_000_000,
    timeoutMs: 5000,
    maxConcurrentPerPeer: 8,
    maxPerSecondPerPeer: 1000,
    handle: async (_from, header, body) => ({ header, body: [body] }),
    ...overrides,
  };
}

/** Bytes that differ from place to place, so that a swapped or lost chunk shows. */
export function patterned(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++)
    bytes[index] = (index * 31 + (index >>> 8) * 7 + (index >>> 16)) & 0xff;
  return bytes;
}

export async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'none';
  } catch (error) {
    return error instanceof StoreError ? error.code : `not a StoreError: ${String(error)}`;
  }
}

export function networkSuite(name: string, makePair: () => Promise<NetworkPair>): void {
  describe(`${name} keeps the promises of Network`, () => {
    let open: NetworkPair[] = [];
    const pair = async (service?: Service): Promise<NetworkPair> => {
      const made = await makePair();
      open.push(made);
      if (service !== undefined) made.server.serve(service);
      return made;
    };
    afterEach(async () => {
      const closing = open;
      open = [];
      await Promise.all(closing.flatMap(({ client, server }) => [client.close(), server.close()]));
    });

    test('header and body reach the handler, and its reply the caller', async () => {
      const { client, server } = await pair(echoService());
      const body = patterned(2_500_001);
      const parts = [body.subarray(0, 1), body.subarray(1, 700_000), body.subarray(700_000)];
      let count = 0;
      const reply = await client.call(
        server.self,
        'echo',
        { header: toUtf8('hello'), body: parts },
        { maxBodyLength: body.length, onBytes: (bytes) => (count += bytes) },
      );
      expect(reply.header).toEqual(toUtf8('hello'));
      expect(Buffer.compare(reply.body, body)).toBe(0);
      expect(count).toBe(2 * body.length);
    });

    test('a request may have no body', async () => {
      const { client, server } = await pair(echoService());
      const reply = await client.call(server.self, 'echo', { header: toUtf8('x') });
      expect(reply.header).toEqual(toUtf8('x'));
      expect(reply.body.length).toBe(0);
    });

    test('the handler learns which peer calls', async () => {
      let caller: NodeId | undefined;
      const { client, server } = await pair(
        echoService({
          handle: async (from) => {
            caller = from;
            return { header: new Uint8Array(0) };
          },
        }),
      );
      await client.call(server.self, 'echo', { header: new Uint8Array(0) });
      expect(caller).toEqual(client.self);
    });

    test('replies that finish out of order reach the right callers', async () => {
      const waiting: (() => void)[] = [];
      const { client, server } = await pair(
        echoService({
          handle: async (_from, header, body) => {
            await new Promise<void>((resolve) => {
              waiting.push(resolve);
              if (waiting.length === 4) for (const resume of waiting.reverse()) resume();
            });
            return { header, body: [body] };
          },
        }),
      );
      const replies = await Promise.all(
        [1, 2, 3, 4].map((index) =>
          client.call(
            server.self,
            'echo',
            { header: new Uint8Array([index]), body: [patterned(index * 1000)] },
            { maxBodyLength: 10_000 },
          ),
        ),
      );
      expect(replies.map((reply) => [reply.header[0], reply.body.length])).toEqual([
        [1, 1000],
        [2, 2000],
        [3, 3000],
        [4, 4000],
      ]);
    });

    test('the reply body goes into the buffer the caller offers', async () => {
      const { client, server } = await pair(echoService());
      const buffer = new Uint8Array(5000);
      const reply = await client.call(
        server.self,
        'echo',
        { header: toUtf8('x'), body: [patterned(3000)] },
        { maxBodyLength: 5000, into: (length) => buffer.subarray(0, length) },
      );
      expect(reply.body.buffer).toBe(buffer.buffer);
      expect(Buffer.compare(buffer.subarray(0, 3000), patterned(3000))).toBe(0);
    });

    test('a refusal of the handler keeps its code and message', async () => {
      const { client, server } = await pair(
        echoService({
          handle: async () => {
            throw new StoreError('FULL', 'disk of this node is full');
          },
        }),
      );
      const call = client.call(server.self, 'echo', { header: toUtf8('x') });
      await expect(call).rejects.toMatchObject({
        code: 'FULL',
        message: expect.stringContaining('disk of this node'),
      });
    });

    test('a defect of the handler is INTERNAL and tells nothing of its insides', async () => {
      const { client, server } = await pair(
        echoService({
          handle: async () => {
            throw new TypeError('secret path');
          },
        }),
      );
      const error = await client
        .call(server.self, 'echo', { header: toUtf8('x') })
        .catch((caught: unknown) => caught as StoreError);
      expect(error).toMatchObject({ code: 'INTERNAL' });
      expect((error as StoreError).message).not.toContain('secret path');
    });

    test('admit refuses before the handler sees the body', async () => {
      const seen: number[] = [];
      let isHandled = false;
      const { client, server } = await pair(
        echoService({
          admit: async (_from, _header, bodyLength) => {
            seen.push(bodyLength);
            throw new StoreError('UNAUTHORIZED', 'no ticket');
          },
          handle: async () => {
            isHandled = true;
            return { header: new Uint8Array(0) };
          },
        }),
      );
      const call = client.call(server.self, 'echo', { header: toUtf8('x'), body: [patterned(2_000_000)] });
      expect(await codeOf(call)).toBe('UNAUTHORIZED');
      expect(seen).toEqual([2_000_000]);
      expect(isHandled).toBe(false);
    });

    test('the pair still works after a refused body', async () => {
      const { client, server } = await pair(
        echoService({
          admit: async (_from, header) => {
            if (header[0] === 0) throw new StoreError('UNAUTHORIZED', 'no ticket');
          },
        }),
      );
      const body = [patterned(2_000_000)];
      expect(await codeOf(client.call(server.self, 'echo', { header: new Uint8Array([0]), body }))).toBe(
        'UNAUTHORIZED',
      );
      const reply = await client.call(
        server.self,
        'echo',
        { header: new Uint8Array([1]), body },
        { maxBodyLength: 2_000_000 },
      );
      expect(reply.body.length).toBe(2_000_000);
    });

    test('requests longer than the service takes are refused, and the handler is not called', async () => {
      let calls = 0;
      const { client, server } = await pair(
        echoService({
          maxHeaderLength: 100,
          maxBodyLength: 1000,
          handle: async (_from, header) => {
            calls++;
            return { header };
          },
        }),
      );
      const long = client.call(server.self, 'echo', { header: patterned(101) });
      expect(await codeOf(long)).toBe('PROTOCOL');
      const heavy = client.call(server.self, 'echo', { header: patterned(1), body: [patterned(1001)] });
      expect(await codeOf(heavy)).toBe('PROTOCOL');
      expect(calls).toBe(0);
      await client.call(server.self, 'echo', { header: patterned(100), body: [patterned(1000)] });
      expect(calls).toBe(1);
    });

    test('more requests at a time than the service takes are BUSY, the others are served', async () => {
      let release = (): void => undefined;
      const gate = new Promise<void>((resolve) => {
        release = resolve;
      });
      const { client, server } = await pair(
        echoService({
          maxConcurrentPerPeer: 2,
          handle: async (_from, header) => {
            await gate;
            return { header };
          },
        }),
      );
      const calls = [1, 2, 3, 4].map((index) =>
        codeOf(client.call(server.self, 'echo', { header: new Uint8Array([index]) })).then((code) => {
          if (code === 'BUSY') release();
          return code;
        }),
      );
      const codes = await Promise.all(calls);
      expect(codes.filter((code) => code === 'BUSY').length).toBeGreaterThanOrEqual(1);
      expect(codes.filter((code) => code === 'none').length).toBeGreaterThanOrEqual(2);
    });

    test('requests faster than the service takes are BUSY after the burst', async () => {
      const { client, server } = await pair(echoService({ maxPerSecondPerPeer: 1 }));
      const codes: string[] = [];
      for (let index = 0; index < 6; index++) {
        codes.push(await codeOf(client.call(server.self, 'echo', { header: toUtf8('x') })));
      }
      expect(codes.slice(0, 2)).toEqual(['none', 'none']);
      expect(codes).toContain('BUSY');
    });

    test('a service that is not offered is UNSUPPORTED', async () => {
      const { client, server } = await pair(echoService());
      expect(await codeOf(client.call(server.self, 'nothing', { header: toUtf8('x') }))).toBe('UNSUPPORTED');
    });

    test('what is told reaches the handler under the name of its sender, and is not answered', async () => {
      const told = Promise.withResolvers<readonly [NodeId, Uint8Array]>();
      const { client, server } = await pair(
        echoService({
          handle: async (from, header) => {
            told.resolve([from, header]);
            return { header };
          },
        }),
      );
      expect(await client.tell(server.self, 'echo', toUtf8('heard'))).toBe(undefined);
      const [from, header] = await told.promise;
      expect(from).toEqual(client.self);
      expect(header).toEqual(toUtf8('heard'));
    });

    test('what is told and refused, or fails, costs nobody anything', async () => {
      let failures = 0;
      const { client, server } = await pair(
        echoService({
          maxHeaderLength: 8,
          handle: async (_from, header) => {
            if (header.length === 2) failures += 1;
            if (header.length === 2) throw new TypeError('a defect');
            return { header };
          },
        }),
      );
      await client.tell(server.self, 'nothing', toUtf8('x'));
      await client.tell(server.self, 'echo', toUtf8('longer than taken'));
      await client.tell(server.self, 'echo', toUtf8('no'));
      const reply = await client.call(server.self, 'echo', { header: toUtf8('x') });
      expect(reply.header).toEqual(toUtf8('x'));
      expect(failures).toBe(1);
    });

    test('what cannot be told is told apart: too long, aborted, nobody there, closed', async () => {
      const { client, server } = await pair(echoService());
      const stranger = new Uint8Array(32).fill(0x77) as NodeId;
      const header = toUtf8('x');
      expect(await codeOf(client.tell(server.self, 'echo', new Uint8Array(TELL_LENGTH_MAX + 1)))).toBe(
        'INVALID_ARGUMENT',
      );
      expect(await codeOf(client.tell(server.self, 'echo', header, AbortSignal.abort()))).toBe('ABORTED');
      expect(await codeOf(client.tell(stranger, 'echo', header))).toBe('UNREACHABLE');
      await client.close();
      expect(await codeOf(client.tell(server.self, 'echo', header))).toBe('CLOSED');
    });

    test('a peer without a known address is UNREACHABLE', async () => {
      const { client } = await pair();
      const stranger = new Uint8Array(32).fill(9) as NodeId;
      expect(await codeOf(client.call(stranger, 'echo', { header: toUtf8('x') }))).toBe('UNREACHABLE');
    });

    test('a call that is not answered in time is TIMEOUT', async () => {
      const { client, server } = await pair(echoService({ handle: () => new Promise(() => undefined) }));
      const call = client.call(server.self, 'echo', { header: toUtf8('x') }, { timeoutMs: 200 });
      expect(await codeOf(call)).toBe('TIMEOUT');
    });

    test('a handler that exceeds the time limit of its service is cut off, and its signal fires', async () => {
      let isAborted = false;
      const { client, server } = await pair(
        echoService({
          timeoutMs: 200,
          handle: (_from, _header, _body, signal) =>
            new Promise(() => {
              signal.addEventListener('abort', () => {
                isAborted = true;
              });
            }),
        }),
      );
      const call = client.call(server.self, 'echo', { header: toUtf8('x') }, { timeoutMs: 5000 });
      expect(await codeOf(call)).toBe('TIMEOUT');
      expect(isAborted).toBe(true);
    });

    test('the signal of the caller ends the call as ABORTED, before or while it runs', async () => {
      const { client, server } = await pair(echoService({ handle: () => new Promise(() => undefined) }));
      const before = client.call(
        server.self,
        'echo',
        { header: toUtf8('x') },
        { signal: AbortSignal.abort() },
      );
      expect(await codeOf(before)).toBe('ABORTED');
      const abort = new AbortController();
      const during = codeOf(
        client.call(server.self, 'echo', { header: toUtf8('x') }, { signal: abort.signal }),
      );
      setTimeout(() => abort.abort(), 50);
      expect(await during).toBe('ABORTED');
    });

    test('a reply longer than the caller accepts is PROTOCOL', async () => {
      const { client, server } = await pair(
        echoService({ handle: async (_from, header) => ({ header, body: [patterned(2000)] }) }),
      );
      const call = client.call(server.self, 'echo', { header: toUtf8('x') }, { maxBodyLength: 1999 });
      expect(await codeOf(call)).toBe('PROTOCOL');
      expect(await codeOf(client.call(server.self, 'echo', { header: toUtf8('x') }))).toBe('PROTOCOL');
    });

    test('a closed server is UNREACHABLE, a closed client is CLOSED', async () => {
      const { client, server } = await pair(echoService());
      await client.call(server.self, 'echo', { header: toUtf8('x') });
      await server.close();
      const call = client.call(server.self, 'echo', { header: toUtf8('x') }, { timeoutMs: 3000 });
      expect(await codeOf(call)).toBe('UNREACHABLE');
      await client.close();
      expect(await codeOf(client.call(server.self, 'echo', { header: toUtf8('x') }))).toBe('CLOSED');
    });
  });
}
