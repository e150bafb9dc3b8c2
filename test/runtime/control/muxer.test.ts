import type { MessageStream, StreamMuxerFactory } from '@libp2p/interface';
import { yamux } from '@libp2p/yamux';
import { expect, test } from 'vitest';
import { Uint8ArrayList } from 'uint8arraylist';
import { lenientMuxer } from '../../../src/runtime/control/muxer.ts';

/** As much of a connection as a muxer uses. */
class HandConnection extends EventTarget {
  readonly direction = 'outbound';
  readonly log: unknown = Object.assign(() => undefined, {
    enabled: false,
    trace: () => undefined,
    error: () => undefined,
    newScope: () => this.log,
  });
  readonly sent: unknown[] = [];
  status = 'open';
  writeStatus = 'writable';

  /** As the real one: closed for writing, it throws. */
  send(bytes: unknown): boolean {
    if (this.writeStatus !== 'writable') {
      throw Object.assign(new Error(this.writeStatus), { name: 'StreamStateError' });
    }
    this.sent.push(bytes);
    return true;
  }

  push(): void {}
}

/** What was thrown where nobody could catch it, while `run` and the microtasks after it ran. */
async function uncaughtDuring(run: () => Promise<unknown>): Promise<unknown[]> {
  const uncaught: unknown[] = [];
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => uncaught.push(error));
  try {
    await run();
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    process.removeAllListeners('uncaughtException');
    for (const listener of others) process.on('uncaughtException', listener);
  }
  return uncaught;
}

const openStreamOver = (connection: HandConnection, create: () => StreamMuxerFactory): Promise<unknown[]> => {
  const muxer = create().createStreamMuxer(connection as unknown as MessageStream);
  return uncaughtDuring(async () => muxer.createStream());
};

test.each(['closing', 'closed'])(
  'a stream opened over a connection that is %s for writing ends no process',
  async (writeStatus) => {
    const connection = new HandConnection();
    connection.writeStatus = writeStatus;
    expect(await openStreamOver(connection, lenientMuxer(yamux({})))).toEqual([]);
    // The muxer by itself throws: when it does not any more, ours is not needed any more.
    expect((await openStreamOver(connection, yamux({}))).length).toBe(1);
  },
);

test('over an open connection everything is sent', async () => {
  const connection = new HandConnection();
  expect(await openStreamOver(connection, lenientMuxer(yamux({})))).toEqual([]);
  const plain = new HandConnection();
  await openStreamOver(plain, yamux({}));
  expect(connection.sent.length).toBeGreaterThan(0);
  expect(connection.sent.length).toBe(plain.sent.length);
});

test('the window is given back when half of it is used, and not after every frame', async () => {
  const updatesAfter = async (create: () => StreamMuxerFactory): Promise<number[]> => {
    const connection = new HandConnection();
    const muxer = create().createStreamMuxer(connection as unknown as MessageStream);
    const stream = (await muxer.createStream()) as unknown as {
      streamId: number;
      recvWindow: number;
      handleData(frame: unknown): void;
    };
    await new Promise((resolve) => setImmediate(resolve));
    const before = connection.sent.length;
    const length = Math.floor(stream.recvWindow / 8);
    return Array.from({ length: 8 }, () => {
      const header = { type: 0, flag: 0, streamID: stream.streamId, length };
      stream.handleData({ header, data: new Uint8ArrayList(new Uint8Array(length)) });
      return connection.sent.length - before;
    });
  };
  const options = { enableKeepAlive: false };
  expect(await updatesAfter(lenientMuxer(yamux(options)))).toEqual([0, 0, 0, 0, 1, 1, 1, 1]);
  expect(await updatesAfter(yamux(options))).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});
