import { describe, expect, test } from 'vitest';
import { toUtf8 } from '../../src/base/bytes.ts';
import type { NetworkId, NodeId } from '../../src/base/ids.ts';
import { createMemoryHub, type MemoryHub, type MemoryNode } from '../../src/runtime/memory-network.ts';
import { codeOf, echoService, networkSuite, patterned } from '../suites/network.ts';

const SOMEWHERE = { control: [], bulk: ['/ip4/127.0.0.1/tcp/1/tls'] };
const id = (tag: number): NodeId => new Uint8Array(32).fill(tag) as NodeId;

networkSuite('memory network', async () => {
  const { client, server } = makePair(createMemoryHub());
  return { client, server };
});

describe('memory network injects faults', () => {
  test('a dead node is UNREACHABLE until it is revived, and reaches nobody itself', async () => {
    const { client, server } = makePair(createMemoryHub());
    server.serve(echoService());
    client.serve(echoService());
    server.setAddresses(client.self, SOMEWHERE);
    server.faults.isDead = true;
    expect(await call(client, server)).toBe('UNREACHABLE');
    expect(await call(server, client)).toBe('UNREACHABLE');
    server.faults.isDead = false;
    expect(await call(client, server)).toBe('none');
  });

  test('lost and stalled calls end as TIMEOUT', async () => {
    const { client, server } = makePair(createMemoryHub());
    server.serve(echoService());
    server.faults.lossPerMille = 1000;
    expect(await call(client, server)).toBe('TIMEOUT');
    server.faults.lossPerMille = 0;
    server.faults.isStalled = true;
    expect(await call(client, server)).toBe('TIMEOUT');
    expect(server.callsServed.get('echo')).toBe(1);
  });

  test('the same seed loses the same calls', async () => {
    const run = async (seed: number): Promise<string[]> => {
      const { client, server } = makePair(createMemoryHub({ seed }));
      server.serve(echoService({ maxConcurrentPerPeer: 100 }));
      server.faults.lossPerMille = 500;
      return Promise.all(Array.from({ length: 20 }, () => call(client, server)));
    };
    expect(await run(7)).toEqual(await run(7));
    expect(new Set(await run(7)).size).toBe(2);
  });

  test('a refusing node refuses with the chosen code, a lying one changes its own copy only', async () => {
    const { client, server } = makePair(createMemoryHub());
    const kept = patterned(10);
    server.serve(echoService({ handle: async (_from, header) => ({ header, body: [kept] }) }));
    server.faults.refuse = (service) => (service === 'echo' ? 'FULL' : undefined);
    expect(await call(client, server)).toBe('FULL');
    server.faults.refuse = undefined;
    server.faults.lie = (_service, reply) => {
      reply.body[0]! ^= 1;
      return reply;
    };
    const reply = await client.call(server.self, 'echo', { header: toUtf8('x') }, { maxBodyLength: 10 });
    expect(reply.body[0]).toBe(kept[0]! ^ 1);
    expect(kept).toEqual(patterned(10));
  });

  test('nodes of different networks do not talk', async () => {
    const hub = createMemoryHub();
    const client = hub.join(id(1), { network: id(10) as Uint8Array as NetworkId });
    const server = hub.join(id(2), { network: id(11) as Uint8Array as NetworkId });
    client.setAddresses(server.self, SOMEWHERE);
    expect(await call(client, server)).toBe('WRONG_NETWORK');
    expect(await codeOf(client.connect(server.address))).toBe('WRONG_NETWORK');
  });

  test('connect finds the node that listens at an address', async () => {
    const hub = createMemoryHub();
    const client = hub.join(id(1));
    const server = hub.join(id(2), { address: '/ip4/10.0.0.2/tcp/4002/tls' });
    server.serve(echoService());
    expect(await client.connect('/ip4/10.0.0.2/tcp/4002/tls')).toEqual(server.self);
    expect(await call(client, server)).toBe('none');
    expect(await codeOf(client.connect('/ip4/10.0.0.9/tcp/1/tls'))).toBe('UNREACHABLE');
  });

  test('gossip reaches every other subscriber once', async () => {
    const hub = createMemoryHub();
    const nodes = [1, 2, 3].map((tag) => hub.join(id(tag)));
    const heard: string[] = [];
    for (const node of nodes) {
      node.subscribe('epoch', async (from, message) => {
        heard.push(`${node.self[0]} hears ${message.length} bytes of ${from[0]}`);
        return 'accept';
      });
    }
    await nodes[0]!.publish('epoch', patterned(5));
    expect(heard).toEqual(['2 hears 5 bytes of 1', '3 hears 5 bytes of 1']);
  });
});

function makePair(hub: MemoryHub): { client: MemoryNode; server: MemoryNode } {
  const client = hub.join(id(1));
  const server = hub.join(id(2));
  client.setAddresses(server.self, SOMEWHERE);
  return { client, server };
}

function call(from: MemoryNode, to: MemoryNode): Promise<string> {
  return codeOf(from.call(to.self, 'echo', { header: toUtf8('x') }, { timeoutMs: 200, maxBodyLength: 100 }));
}
