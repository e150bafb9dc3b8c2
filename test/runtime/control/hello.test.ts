import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';
import { afterEach, describe, expect, test } from 'vitest';
import type { NetworkId } from '../../../src/base/ids.ts';
import { CONNECT_TIMEOUT_MS } from '../../../src/base/limits.ts';
import { callProtocol, HELLO_PROTOCOL } from '../../../src/runtime/control/protocols.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
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

const otherNetwork = new Uint8Array(32).fill(0x43) as NetworkId;
afterEach(stopNodes);

describe('the hello', () => {
  test('lets nodes of one network through', async () => {
    const [a, b] = [await startNode(), await startNode()];
    const connection = await connect(a, b);
    expect(connection.status).toBe('open');
  });

  test('refuses a node of another network, names both, and hangs up on both sides', async () => {
    const [a, b] = [await startNode(), await startNode({ networkId: otherNetwork })];
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(connect(a, b)).rejects.toMatchObject({
        code: 'WRONG_NETWORK',
        message: expect.stringMatching(/network 43434343.*to 42424242/),
      });
    }
    await until(() => connections(a) + connections(b) === 0, 'both sides hang up');
  });

  test('keeps away from a peer of another network for a while, and says why', async () => {
    const [a, b] = [await startNode(), await startNode({ networkId: otherNetwork })];
    a.host.setAddresses(b.identity.nodeId, [b.address.replace(/\/p2p.*/, '')]);
    for (let attempt = 0; attempt < 2; attempt++) {
      const call = a.calls.call(b.identity.nodeId, 'echo', { header: new Uint8Array(1) });
      expect(await codeOf(call)).toBe('WRONG_NETWORK');
    }
  });

  const garbage: Record<string, Uint8Array> = {
    'a wrong length byte': new Uint8Array([31, ...patterned(31)]),
    'a hello that goes on': new Uint8Array([32, ...patterned(33)]),
    'a megabyte of bytes': patterned(1_000_000),
    HTTP: new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n'),
  };
  test.each(Object.keys(garbage))('hangs up on %s', async (name) => {
    const b = await startNode();
    const stranger = await startStranger();
    const connection = await stranger.dial(b.host.libp2p.getMultiaddrs());
    const stream = await connection.newStream(HELLO_PROTOCOL);
    const heard = listen(stream);
    stream.send(garbage[name]!);
    await heard.ended;
    await until(() => connections(b) === 0, 'the node hangs up');
    expect(heard.bytes()).toBe('');
    await stranger.stop();
    await stillServes(b);
  });

  test('hangs up on a hello that is cut off, and on one that is never finished', async () => {
    const clock = manualClock();
    const b = await startNode({}, clock);
    const stranger = await startStranger();
    for (const isCut of [true, false]) {
      const connection = await stranger.dial(b.host.libp2p.getMultiaddrs());
      const stream = await connection.newStream(HELLO_PROTOCOL);
      stream.send(new Uint8Array([32, 1, 2, 3]));
      if (isCut) await stream.close();
      else {
        await until(() => connections(b) === 1, 'connected');
        clock.advance(CONNECT_TIMEOUT_MS);
      }
      await until(() => connections(b) === 0, 'the node hangs up');
      clock.advance(10 * CONNECT_TIMEOUT_MS);
    }
    await stranger.stop();
  });

  test('hangs up on a peer that says nothing', async () => {
    const clock = manualClock();
    const b = await startNode({}, clock);
    const stranger = await startStranger();
    await stranger.dial(b.host.libp2p.getMultiaddrs());
    await until(() => connections(b) === 1, 'connected');
    clock.advance(CONNECT_TIMEOUT_MS);
    await until(() => connections(b) === 0, 'the node hangs up');
    await stranger.stop();
  });

  test('comes before anything else: a call without one is not heard', async () => {
    const b = await startNode();
    let isServed = false;
    b.guard.serve(
      echoService({
        handle: async (_from, header) => {
          isServed = true;
          return { header };
        },
      }),
    );
    const stranger = await startStranger();
    const connection = await stranger.dial(b.host.libp2p.getMultiaddrs());
    const stream = await connection.newStream(callProtocol(networkId));
    stream.send(patterned(20));
    await systemClock.sleep(100);
    expect(isServed).toBe(false);
    await stranger.stop();
  });

  test('a protocol of another network is not even negotiated', async () => {
    const [a, b] = [await startNode(), await startNode()];
    const connection = await connect(a, b);
    await expect(connection.newStream(callProtocol(otherNetwork))).rejects.toThrow();
  });
});

test('an operator may keep peers out', async () => {
  const a = await startNode();
  const b = await startNode({ isAllowed: () => false });
  expect(await codeOf(connect(a, b))).toBe('UNREACHABLE');
  expect(connections(b)).toBe(0);
});

function connections(node: Node): number {
  return node.host.libp2p.getConnections().length;
}

async function stillServes(node: Node): Promise<void> {
  node.guard.serve(echoService());
  const friend = await startNode();
  await connect(friend, node);
  const reply = await friend.calls.call(node.identity.nodeId, 'echo', { header: patterned(3) });
  expect(reply.header).toEqual(patterned(3));
}

/** libp2p without our hello: it dials and says what it likes, in its own, stock encryption. */
function startStranger() {
  return createLibp2p({ transports: [tcp()], connectionEncrypters: [noise()], streamMuxers: [yamux()] });
}
