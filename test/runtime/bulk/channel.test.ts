import { once } from 'node:events';
import { connect, createServer, type TLSSocket } from 'node:tls';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { StoreError } from '../../../src/base/errors.ts';
import { BULK_UNREAD_MAX } from '../../../src/base/limits.ts';
import { credentialsFor } from '../../../src/runtime/bulk/certificate.ts';
import { Channel } from '../../../src/runtime/bulk/channel.ts';
import { receive } from '../../../src/runtime/bulk/receive.ts';
import { pattern, signerOf } from './fixture.ts';

describe('reading', () => {
  test('any cuts on one side and any reads on the other give the same bytes', async () => {
    const { near, far } = await channels();
    const lengths = fc.array(fc.integer({ min: 0, max: 50_000 }), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(lengths, lengths, async (writes, reads) => {
        const total = Math.min(sum(writes), sum(reads));
        const sent = pattern(total);
        const writing = (async () => {
          for (const part of cut(sent, writes)) await far.channel.write(part);
        })();
        const got = new Uint8Array(total);
        for (const part of cut(got, reads)) await near.channel.read(part);
        await writing;
        expect(Buffer.compare(got, sent)).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  test('bytes that nobody asked for yet stay what they were while other sockets receive', async () => {
    const [one, two] = [await channels(), await channels()];
    const [first, second] = [pattern(10_000), pattern(10_000).fill(7)];
    await one.far.channel.write(first);
    await expect.poll(() => one.near.channel.received).toBe(10_000);
    await two.far.channel.write(second);
    await expect.poll(() => two.near.channel.received).toBe(10_000);
    const got = new Uint8Array(10_000);
    await one.near.channel.read(got);
    expect(Buffer.compare(got, first)).toBe(0);
  });

  test('what arrived before the end can still be read, and then reading fails', async () => {
    const { near, far } = await channels();
    await far.channel.write(pattern(100));
    far.socket.end();
    await expect.poll(() => near.channel.failure?.code).toBe('UNREACHABLE');
    const got = new Uint8Array(100);
    await near.channel.read(got);
    expect(got).toEqual(pattern(100));
    await expect(near.channel.read(got)).rejects.toMatchObject({ code: 'UNREACHABLE' });
  });

  test('more unread bytes than the bound end the channel', async () => {
    const { near } = await channels();
    near.channel.take(new Uint8Array(BULK_UNREAD_MAX));
    expect(near.channel.failure).toBeUndefined();
    near.channel.take(new Uint8Array(1));
    expect(near.channel.failure?.code).toBe('PROTOCOL');
  });
});

describe('failing', () => {
  test('the first failure ends the waiting read and write, and everything later', async () => {
    const { near, far } = await channels();
    const reading = near.channel.read(new Uint8Array(1));
    far.socket.pause();
    const writing = near.channel.write(new Uint8Array(1), [new Uint8Array(64 << 20)]);
    const told: StoreError[] = [];
    near.channel.tie((error) => told.push(error));
    near.channel.tie((error) => told.push(error))();
    const failure = new StoreError('ABORTED', 'enough');
    near.channel.fail(failure);
    near.channel.fail(new StoreError('TIMEOUT', 'late'));
    await expect(reading).rejects.toBe(failure);
    await expect(writing).rejects.toBe(failure);
    await expect(near.channel.read(new Uint8Array(1))).rejects.toBe(failure);
    await expect(near.channel.write(new Uint8Array(1))).rejects.toBe(failure);
    expect(told).toEqual([failure]);
    near.channel.tie((error) => told.push(error));
    expect(told).toEqual([failure, failure]);
  });
});

describe('time', () => {
  test('a deadline passes only when it is swept after its time, and can be lifted', async () => {
    const { near } = await channels();
    near.channel.limit('the test', 1000);
    near.channel.sweep(performance.now() + 900);
    near.channel.limit('the test', undefined);
    near.channel.sweep(performance.now() + 1e9);
    expect(near.channel.failure).toBeUndefined();
    near.channel.limit('the test', 1000);
    near.channel.sweep(performance.now() + 1100);
    expect(near.channel.failure).toMatchObject({ code: 'TIMEOUT', message: 'the test took too long' });
  });

  test('a transfer must move the minimum in each window, however fast it was before', async () => {
    const { near } = await channels({ rateMinPerSecond: 100_000, rateWindowMs: 10_000 });
    near.channel.isTransferring = true;
    const start = performance.now();
    const reading = near.channel.read(new Uint8Array(10_000_000));
    reading.catch(() => {});
    near.channel.take(new Uint8Array(5_000_000));
    near.channel.sweep(start + 9000);
    near.channel.sweep(start + 10_100);
    expect(near.channel.failure).toBeUndefined();
    near.channel.take(new Uint8Array(500_000));
    near.channel.sweep(start + 20_200);
    await expect(reading).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  test('a peer that does not read is cut three windows after the system took the last of it', async () => {
    const { near, far } = await channels();
    far.socket.pause();
    near.channel.isTransferring = true;
    const writing = near.channel.write(new Uint8Array(1), [new Uint8Array(64 << 20)]);
    writing.catch(() => {});
    // Until the buffers of both sockets are full.
    await new Promise((resolve) => setTimeout(resolve, 300));
    const start = performance.now();
    near.channel.sweep(start);
    near.channel.sweep(start + 29_900);
    expect(near.channel.failure).toBeUndefined();
    near.channel.sweep(start + 30_100);
    await expect(writing).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  test('what left is told in steps of 64 KiB at most, and what has not is what the peer is waited for', async () => {
    const { near, far } = await channels();
    far.socket.pause();
    const told: number[] = [];
    near.channel
      .write(new Uint8Array(1), [new Uint8Array(64 << 20)], (count) => told.push(count))
      .catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(Math.max(...told)).toBeLessThanOrEqual(64 * 1024);
    expect(near.channel.moved).toBe(1 + sum(told));
    expect(near.channel.wait).toEqual({ use: 'reply', leftBytes: (64 << 20) - sum(told) });
  });
});

interface End {
  readonly channel: Channel;
  readonly socket: TLSSocket;
}

/** Both ends of a TLS connection: `near` accepted it, `far` dialled. */
async function channels(limits?: ConstructorParameters<typeof Channel>[1]): Promise<{ near: End; far: End }> {
  const server = createServer(await credentialsFor(signerOf(1)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const dialled = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  const [accepted] = (await once(server, 'secureConnection')) as [TLSSocket];
  const ends = [accepted, dialled].map((socket) => {
    const channel = new Channel(socket, limits);
    receive(socket, (chunk) => channel.take(chunk));
    return { channel, socket };
  });
  onTestFinished(() => {
    for (const { socket } of ends) socket.destroy();
    server.close();
  });
  return { near: ends[0]!, far: ends[1]! };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** `bytes` in parts of these lengths, as long as it lasts. */
function cut(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const length of lengths) {
    parts.push(bytes.subarray(offset, offset + length));
    offset += length;
  }
  return parts;
}
