// Calls between honest nodes are the suite's business (network.test.ts); here one side of the stream is hostile or dying.

import { createServer, connect as netConnect, type Socket } from 'node:net';
import type { Stream } from '@libp2p/interface';
import { afterEach, describe, expect, test } from 'vitest';
import { concat, toUtf8 } from '../../../src/base/bytes.ts';
import type { StoreError } from '../../../src/base/errors.ts';
import {
  BODY_BUDGET,
  HEADER_TIMEOUT_MS,
  PIECE_LENGTH_MAX,
  WRITE_STALL_MS,
} from '../../../src/base/limits.ts';
import { createFrameReader, encodeFrame, type Frame } from '../../../src/runtime/control/frames.ts';
import { callProtocol } from '../../../src/runtime/control/protocols.ts';
import { decodeRefusal } from '../../../src/runtime/refusal.ts';
import { codeOf, echoService, patterned } from '../../suites/network.ts';
import {
  connect,
  listen,
  manualClock,
  type Node,
  networkId,
  startNode,
  stopNodes,
  until,
} from './fixture.ts';

afterEach(stopNodes);
const ask = (id: number, bodyLength = 0, name = 'echo'): Frame => ({
  kind: 'ask',
  id,
  bodyLength,
  name,
  header: toUtf8('h'),
});

describe('a hostile caller', () => {
  const attacks: Record<string, (stream: Stream) => void> = {
    'sends garbage': (stream) => stream.send(patterned(5000).fill(0xee)),
    'announces an endless frame': (stream) =>
      stream.send(new Uint8Array([255, 255, 255, 255, 0, 0, 0, 0, 0])),
    'asks twice under one id': (stream) =>
      stream.send(concat(encodeFrame(ask(1, 9)), encodeFrame(ask(1, 9)))),
    'sends frames that only a server sends': (stream) => stream.send(encodeFrame({ kind: 'admit', id: 1 })),
    'sends bodies that nobody asked for': (stream) => {
      const frame = encodeFrame({ kind: 'data', id: 9, bytes: new Uint8Array(60_000) });
      const feed = (): void => {
        try {
          for (let sent = 0; sent < 8; sent++) stream.send(frame);
          setTimeout(feed, 0);
        } catch {
          // The stream was cut, as it should be.
        }
      };
      feed();
    },
  };
  test.each(Object.keys(attacks))('that %s loses its stream, and the node serves on', async (name) => {
    const [server, raw] = await rawCaller();
    const heard = listen(raw);
    attacks[name]!(raw);
    await heard.ended;
    expect(server.guard.heldBytes).toBe(0);
    await stillServes(server);
  });

  test('that sends more than it said loses its stream', async () => {
    const [server, raw] = await rawCaller();
    const frames = collect(raw);
    raw.send(encodeFrame(ask(1, 10)));
    await until(() => frames.length === 1, 'admitted');
    expect(frames).toEqual([{ kind: 'admit', id: 1 }]);
    const heard = listen(raw);
    raw.send(encodeFrame({ kind: 'data', id: 1, bytes: patterned(11) }));
    await heard.ended;
    await until(() => server.guard.active === 0 && server.guard.heldBytes === 0, 'memory is given back');
  });

  test('gets a typed refusal for a service that does not exist and for a body beyond every bound', async () => {
    const [, raw] = await rawCaller();
    const frames = collect(raw);
    raw.send(concat(encodeFrame(ask(1, 0, '../../etc')), encodeFrame(ask(2, 2 ** 32 - 1))));
    await until(() => frames.length === 2, 'refused');
    expect(frames.map(refusalCode)).toEqual(['UNSUPPORTED', 'PROTOCOL']);
  });

  test('that asks and asks without reading is cut off, and holds no memory', async () => {
    const clock = manualClock();
    const server = await startNode({}, clock);
    server.guard.serve(
      echoService({
        maxConcurrentPerPeer: 64,
        handle: async (_from, header) => ({ header, body: [patterned(2_000_000)] }),
      }),
    );
    const caller = await startNode();
    const connection = await connect(caller, server);
    const raw = await connection.newStream(callProtocol(networkId));
    const heard = listen(raw);
    raw.pause();
    for (let id = 0; id < 20; id++) raw.send(encodeFrame(ask(id)));
    await until(() => server.guard.heldBytes >= 2_000_000, 'the server is sending');
    await new Promise((resolve) => setTimeout(resolve, 300));
    clock.advance(WRITE_STALL_MS);
    await heard.ended;
    await until(() => server.guard.active === 0 && server.guard.heldBytes === 0, 'memory is given back');
  });

  test('that reads next to nothing gives way when others lack the memory', async () => {
    const clock = manualClock();
    const server = await startNode({}, clock);
    const body = new Uint8Array(60_000_000);
    server.guard.serve(echoService({ handle: async (_from, header) => ({ header, body: [body] }) }));
    const raw = await (await connect(await startNode(), server)).newStream(callProtocol(networkId));
    const heard = listen(raw);
    raw.pause();
    raw.send(encodeFrame(ask(1)));
    await until(() => server.guard.heldBytes === body.length, 'the server is sending');
    await new Promise((resolve) => setTimeout(resolve, 300));
    const room = (): Promise<void> =>
      server.guard
        .enter(networkId as never, 'echo', 0, 0)
        .reserve(BODY_BUDGET - 3 * PIECE_LENGTH_MAX, 'reply');
    for (let count = 1; count <= 3; count++) {
      const other = new Uint8Array(32).fill(count) as typeof server.identity.nodeId;
      await server.guard.enter(other, 'echo', 0, 0).reserve(PIECE_LENGTH_MAX, 'reply');
    }
    await expect(room()).rejects.toMatchObject({ code: 'BUSY' });
    clock.advance(WRITE_STALL_MS - 1);
    await room();
    expect(await heard.ended).toBe('reset');
  });

  test('with a frame that does not end, or a body that does not come, is cut off in time', async () => {
    const clock = manualClock();
    const server = await startNode({}, clock);
    server.guard.serve(echoService({ timeoutMs: 60_000 }));
    const connection = await connect(await startNode(), server);
    const slowFrame = await connection.newStream(callProtocol(networkId));
    const heard = listen(slowFrame);
    slowFrame.send(encodeFrame(ask(1)).subarray(0, 7));
    const slowBody = await connection.newStream(callProtocol(networkId));
    const frames = collect(slowBody);
    slowBody.send(encodeFrame(ask(1, 1_000_000)));
    await until(() => frames.length === 1, 'admitted');
    slowBody.send(encodeFrame({ kind: 'data', id: 1, bytes: patterned(1000) }));
    await new Promise((resolve) => setTimeout(resolve, 100));
    clock.advance(HEADER_TIMEOUT_MS);
    expect(await heard.ended).toBe('reset');
    await until(() => frames.length === 2, 'refused');
    expect(refusalCode(frames[1]!)).toBe('TIMEOUT');
    await until(() => server.guard.heldBytes === 0, 'memory is given back');
  });

  test('that cancels stops the handler', async () => {
    let isStopped = false;
    const [server, raw] = await rawCaller(
      echoService({
        handle: (_from, _header, _body, signal) =>
          new Promise((_, reject) => {
            signal.addEventListener('abort', () => {
              isStopped = true;
              reject(signal.reason as Error);
            });
          }),
      }),
    );
    raw.send(encodeFrame(ask(5)));
    await until(() => server.guard.active === 1, 'the handler runs');
    raw.send(encodeFrame({ kind: 'cancel', id: 5 }));
    await until(() => isStopped && server.guard.active === 0, 'the handler ends');
  });

  test('cannot hold more than a few streams and connections', async () => {
    const server = await startNode();
    const caller = await startNode();
    const connection = await connect(caller, server);
    const streams = await Promise.allSettled(
      Array.from({ length: 12 }, () =>
        connection.newStream(callProtocol(networkId), { maxOutboundStreams: 50 }),
      ),
    );
    await until(
      () =>
        server.host.libp2p.getConnections()[0]!.streams.filter(({ status }) => status === 'open').length <= 5,
      'surplus streams are reset',
    );
    expect(streams.length).toBe(12);
    for (let index = 0; index < 8; index++) {
      await caller.host.libp2p
        .dial(server.host.libp2p.getMultiaddrs(), { force: true })
        .catch(() => undefined);
    }
    await until(() => server.host.libp2p.getConnections().length <= 4, 'surplus connections are refused');
  });
});

test('a crowd of hostile callers does not keep honest ones from being served, and leaves nothing behind', async () => {
  const server = await startNode();
  server.guard.serve(echoService({ maxPerSecondPerPeer: 100 }));
  const crowd = await Promise.all(Array.from({ length: 8 }, () => startNode()));
  const friend = await startNode();
  await connect(friend, server);
  let isOver = false;
  const attack = async (attacker: Node, kind: number): Promise<void> => {
    while (!isOver) {
      try {
        const connection = await connect(attacker, server);
        const stream = await connection.newStream(callProtocol(networkId));
        const { ended } = listen(stream);
        for (let round = 0; round < 50 && !isOver && stream.status === 'open'; round++) {
          if (kind === 0) stream.send(patterned(20_000));
          else if (kind === 1) stream.send(encodeFrame(ask(round, 3_000_000)));
          else if (kind === 2) stream.send(encodeFrame(ask(round)).subarray(0, 3 + (round % 8)));
          else
            stream.send(concat(...Array.from({ length: 20 }, (_, id) => encodeFrame(ask(round * 20 + id)))));
          await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 10))]);
        }
        stream.abort(new Error('next'));
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  };
  const attacks = crowd.map((attacker, index) => attack(attacker, index % 4));
  const request = { header: toUtf8('h'), body: [patterned(100_000)] };
  const codes: string[] = [];
  for (let count = 0; count < 12; count++) {
    const call = friend.calls.call(server.identity.nodeId, 'echo', request, { maxBodyLength: 100_000 });
    codes.push(await codeOf(call));
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  isOver = true;
  await Promise.all(attacks);
  expect(codes.filter((code) => code !== 'none' && code !== 'BUSY')).toEqual([]);
  expect(codes.filter((code) => code === 'none').length).toBeGreaterThan(6);
  await until(() => server.guard.heldBytes === 0 && server.guard.active === 0, 'memory is given back');
});

describe('a hostile server', () => {
  const lies: Record<string, { answer: (stream: Stream, id: number) => void; code: string }> = {
    'sends garbage': { answer: (stream) => stream.send(patterned(3000).fill(0xdd)), code: 'PROTOCOL' },
    'replies with more than it said': {
      answer: (stream, id) => {
        stream.send(encodeFrame({ kind: 'reply', id, bodyLength: 3, header: toUtf8('') }));
        stream.send(encodeFrame({ kind: 'data', id, bytes: patterned(4) }));
      },
      code: 'PROTOCOL',
    },
    'replies twice': {
      answer: (stream, id) => {
        const reply = encodeFrame({ kind: 'reply', id, bodyLength: 3, header: toUtf8('') });
        stream.send(concat(reply, reply));
      },
      code: 'PROTOCOL',
    },
    'announces a body that nobody asked for': {
      answer: (stream, id) =>
        stream.send(encodeFrame({ kind: 'reply', id, bodyLength: PIECE_LENGTH_MAX, header: toUtf8('') })),
      code: 'PROTOCOL',
    },
    'admits twice': {
      answer: (stream, id) => {
        const admit = encodeFrame({ kind: 'admit', id });
        stream.send(concat(admit, admit));
      },
      code: 'PROTOCOL',
    },
    'asks instead of answering': { answer: (stream) => stream.send(encodeFrame(ask(1))), code: 'PROTOCOL' },
    'refuses in a way nobody can read': {
      answer: (stream, id) => stream.send(encodeFrame({ kind: 'refuse', id, refusal: patterned(40) })),
      code: 'PROTOCOL',
    },
    'hangs up': { answer: (stream) => stream.abort(new Error('gone')), code: 'UNREACHABLE' },
    'closes its side': { answer: (stream) => void stream.close(), code: 'UNREACHABLE' },
    'never answers': { answer: () => undefined, code: 'TIMEOUT' },
  };
  test.each(Object.keys(lies))('that %s is found out', async (name) => {
    const { answer, code } = lies[name]!;
    const [server, caller] = [await startNode(), await startNode()];
    await server.host.libp2p.unhandle(callProtocol(networkId));
    await server.host.handle(callProtocol(networkId), 4, (stream) => {
      const reader = createFrameReader();
      stream.addEventListener('message', (event) => {
        const bytes = event.data instanceof Uint8Array ? event.data : event.data.subarray();
        reader.push(bytes, (frame) => {
          if (frame.kind === 'ask') answer(stream, frame.id);
        });
      });
    });
    await connect(caller, server);
    const request = { header: toUtf8('h'), body: [patterned(10)] };
    const call = caller.calls.call(server.identity.nodeId, 'echo', request, {
      maxBodyLength: 100,
      timeoutMs: 700,
    });
    expect(await codeOf(call)).toBe(code);
  });
});

describe('a peer that goes away', () => {
  test('fails the calls under way, and is called again when it is back', async () => {
    const server = await startNode();
    server.guard.serve(echoService({ handle: () => new Promise(() => undefined) }));
    const caller = await startNode();
    await connect(caller, server);
    const under = codeOf(caller.calls.call(server.identity.nodeId, 'echo', { header: toUtf8('h') }));
    await until(() => server.guard.active === 1, 'the call runs');
    server.calls.close();
    await server.host.stop();
    expect(await under).toBe('UNREACHABLE');
    const port = Number(/tcp\/(\d+)/.exec(server.address)![1]);
    const back = await startNode({ identity: server.identity, listen: [`/ip4/127.0.0.1/tcp/${port}`] });
    back.guard.serve(echoService());
    caller.host.setAddresses(server.identity.nodeId, [`/ip4/127.0.0.1/tcp/${port}`]);
    await caller.calls.call(server.identity.nodeId, 'echo', { header: toUtf8('h') });
  });

  test('behind a cut link is noticed by its missing signs of life', async () => {
    const server = await startNode();
    server.guard.serve(echoService({ handle: () => new Promise(() => undefined) }));
    const caller = await startNode({ pingIntervalMs: 100, pingTimeoutMs: 300 });
    const link = await startLink(Number(/tcp\/(\d+)/.exec(server.address)![1]));
    const { nodeId } = server.identity;
    caller.host.setAddresses(nodeId, [`/ip4/127.0.0.1/tcp/${link.port}`]);
    const under = codeOf(caller.calls.call(nodeId, 'echo', { header: toUtf8('h') }, { timeoutMs: 20_000 }));
    await until(() => server.guard.active === 1, 'the call runs');
    link.cut();
    expect(await under).toBe('UNREACHABLE');
    expect(caller.host.libp2p.getConnections()).toEqual([]);
    link.close();
  });
});

async function rawCaller(service = echoService()): Promise<[Node, Stream]> {
  const server = await startNode();
  server.guard.serve(service);
  const connection = await connect(await startNode(), server);
  return [server, await connection.newStream(callProtocol(networkId))];
}

async function stillServes(server: Node): Promise<void> {
  const friend = await startNode();
  await connect(friend, server);
  const call = friend.calls.call(server.identity.nodeId, 'echo', { header: toUtf8('h') });
  expect(await codeOf(call)).toBe('none');
}

function collect(stream: Stream): Frame[] {
  const frames: Frame[] = [];
  const reader = createFrameReader();
  stream.addEventListener('message', (event) => {
    const bytes = event.data instanceof Uint8Array ? event.data : event.data.subarray();
    reader.push(bytes, (frame) => frames.push(structuredClone(frame)));
  });
  return frames;
}

function refusalCode(frame: Frame): string {
  const refusal: StoreError | undefined =
    frame.kind === 'refuse' ? decodeRefusal(frame.refusal, networkId as never) : undefined;
  return refusal?.code ?? frame.kind;
}

/** A TCP link that can be cut without either end being told. */
async function startLink(targetPort: number) {
  const sockets: Socket[] = [];
  const server = createServer((near) => {
    const far = netConnect(targetPort, '127.0.0.1');
    sockets.push(near, far);
    near.on('data', (chunk) => isCut || far.write(chunk));
    far.on('data', (chunk) => isCut || near.write(chunk));
    for (const socket of [near, far]) socket.on('error', () => undefined);
  });
  let isCut = false;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    cut: () => {
      isCut = true;
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
