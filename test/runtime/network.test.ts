import { execFileSync } from 'node:child_process';
import { afterEach, describe, expect, test } from 'vitest';
import { toUtf8 } from '../../src/base/bytes.ts';
import type { NetworkId } from '../../src/base/ids.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { ephemeralIdentity, type Identity } from '../../src/runtime/identity.ts';
import {
  createClientNetwork,
  createNetwork,
  type NodeNetwork,
  type NodeNetworkOptions,
} from '../../src/runtime/network.ts';
import type { NetworkOptions, StatusNetwork } from '../../src/runtime/two-lanes.ts';
import { codeOf, echoService, networkSuite, patterned } from '../suites/network.ts';

const networkId = new Uint8Array(32).fill(0xab) as NetworkId;
/** For scripts that run as processes of their own. */
const imports = [
  ['createNetwork, createClientNetwork', 'network'],
  ['ephemeralIdentity', 'identity'],
  ['systemClock', 'clock'],
]
  .map(
    ([names, file]) =>
      `import { ${names} } from ${JSON.stringify(import.meta.resolve(`../../src/runtime/${file}.ts`))};`,
  )
  .join('\n');
const open: StatusNetwork[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((network) => network.close()));
});

networkSuite('bulk lane of a node and a client', async () => {
  const server = await startNode();
  const client = startClient();
  client.setAddresses(server.self, { control: [], bulk: server.addresses().bulk });
  return { client, server };
});

networkSuite('control lane of a node and a client', async () => {
  const server = await startNode({}, false);
  const client = startClient({ lane: 'control' });
  client.setAddresses(server.self, server.addresses());
  return { client, server };
});

describe('network over two lanes', () => {
  test('takes the bulk lane where there is one', async () => {
    const [server, client] = [await startNode(), await startNode()];
    server.serve(echoService());
    client.setAddresses(server.self, server.addresses());
    expect(await echo(client, server)).toBe('none');
    expect(client.networkStatus()).toMatchObject({ bulkConnectionsOut: 1, degree: 0 });
    expect(server.networkStatus()).toMatchObject({ bulkConnectionsIn: 1 });
  });

  test('a node falls back to the control lane when the bulk lane cannot be reached', async () => {
    const [server, client] = [await startNode(), await startNode()];
    server.serve(echoService());
    client.setAddresses(server.self, { ...server.addresses(), bulk: ['/ip4/127.0.0.1/tcp/1/tls'] });
    expect(await echo(client, server, patterned(200_000))).toBe('none');
    const [peer] = client.networkStatus().peers;
    expect(peer).toMatchObject({ node: server.self, direction: 'outbound' });
    expect(server.networkStatus().peers).toMatchObject([{ node: client.self, direction: 'inbound' }]);
    expect(client.networkStatus().bytesSent).toBeGreaterThan(200_000);
  });

  test('a peer that called over the control lane can be called back without an address', async () => {
    const [server, client] = [await startNode({}, false), await startNode({}, false)];
    client.serve(echoService());
    server.serve(echoService());
    client.setAddresses(server.self, server.addresses());
    expect(await echo(client, server)).toBe('none');
    expect(await echo(server, client)).toBe('none');
    expect(server.networkStatus().degree).toBe(1);
  });

  test('the bounds of a service count both lanes together', async () => {
    const [server, client] = [await startNode(), await startNode()];
    server.serve(echoService({ maxPerSecondPerPeer: 1 }));
    const { control, bulk } = server.addresses();
    client.setAddresses(server.self, { control: [], bulk });
    expect([await echo(client, server), await echo(client, server)]).toEqual(['none', 'none']);
    client.setAddresses(server.self, { control, bulk: [] });
    expect(await echo(client, server)).toBe('BUSY');
  });

  test('connect learns who is at an address of either lane', async () => {
    const [server, client] = [await startNode(), startClient()];
    server.serve(echoService());
    const { control, bulk } = server.addresses();
    expect(await client.connect(bulk[0]!)).toEqual(server.self);
    expect(await echo(client, server)).toBe('none');
    const other = startClient();
    expect(await other.connect(control[0]!)).toEqual(server.self);
    expect(await echo(other, server)).toBe('none');
    expect(await codeOf(client.connect('/ip4/127.0.0.1/tcp/1/tls'))).toBe('UNREACHABLE');
    expect(await codeOf(client.connect('/ip4/127.0.0.1/tcp/1'))).toBe('UNREACHABLE');
    expect(await codeOf(client.connect('nonsense'))).toBe('INVALID_ARGUMENT');
  });

  test('a node of another network is refused on both lanes, and both networks are named', async () => {
    const server = await startNode({ networkId: new Uint8Array(32).fill(0xcd) as NetworkId });
    const client = startClient();
    for (const address of [server.addresses().bulk[0]!, server.addresses().control[0]!]) {
      const error = await client.connect(address).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code: 'WRONG_NETWORK' });
      expect(String(error)).toContain('abababab');
    }
    expect(server.networkStatus().bulkConnectionsIn).toBe(0);
  });

  test('without the key of a closed network there is no way in, with it there is', async () => {
    const preSharedKey = patterned(32);
    const server = await startNode({ preSharedKey });
    server.serve(echoService());
    const { bulk, control } = server.addresses();
    for (const wrong of [{}, { preSharedKey: new Uint8Array(32) }]) {
      const client = startClient(wrong);
      // With a wrong key the first frame announces some random length, which may never come.
      const limit = AbortSignal.timeout(1000);
      expect(['UNREACHABLE', 'TIMEOUT']).toContain(await codeOf(client.connect(control[0]!, limit)));
      expect(['UNAUTHORIZED', 'WRONG_NETWORK']).toContain(await codeOf(client.connect(bulk[0]!)));
    }
    const client = startClient({ preSharedKey });
    expect(await client.connect(control[0]!)).toEqual(server.self);
    expect(await client.connect(bulk[0]!)).toEqual(server.self);
  });

  test('a restarted node is the same node to those who knew it', async () => {
    const identity = ephemeralIdentity();
    const first = await startNode({ identity });
    const addresses = first.addresses();
    const client = await startNode();
    client.setAddresses(first.self, addresses);
    first.serve(echoService());
    expect(await echo(client, first)).toBe('none');
    await first.close();
    expect(await echo(client, first)).toBe('UNREACHABLE');
    const port = Number(/tcp\/(\d+)/.exec(addresses.bulk[0]!)![1]);
    const second = await startNode({
      identity,
      controlListen: addresses.control,
      bulkListen: { host: '127.0.0.1', port },
    });
    second.serve(echoService());
    expect(second.self).toEqual(first.self);
    expect(await echo(client, second)).toBe('none');
    client.setAddresses(second.self, { control: addresses.control, bulk: [] });
    expect(await echo(client, second)).toBe('none');
  });

  test('a port that is taken is said so, and nothing is left open', async () => {
    const first = await startNode();
    const taken = Number(/tcp\/(\d+)/.exec(first.addresses().bulk[0]!)![1]);
    expect(await codeOf(startNode({ bulkListen: { host: '127.0.0.1', port: taken } }))).toBe('PORT_IN_USE');
    expect(await codeOf(startNode({ controlListen: first.addresses().control }))).toBe('PORT_IN_USE');
  });

  test('a pre-shared key of another length is refused before anything listens', async () => {
    expect(await codeOf(startNode({ preSharedKey: patterned(31) }))).toBe('INVALID_CONFIG');
  });

  test('a process ends by itself once its networks are closed: no timer, socket or thread is left', () => {
    const script = `
      ${imports}
      const base = { networkId: new Uint8Array(32), clock: systemClock, isMember: () => true };
      const start = () => createNetwork({ ...base, identity: ephemeralIdentity(),
        controlListen: ['/ip4/127.0.0.1/tcp/0'], bulkListen: { host: '127.0.0.1', port: 0 } });
      const [a, b] = [await start(), await start()];
      const client = createClientNetwork({ ...base, identity: ephemeralIdentity() });
      b.serve({ name: 'echo', maxHeaderLength: 9, maxBodyLength: 9, timeoutMs: 60000, maxConcurrentPerPeer: 9,
        maxPerSecondPerPeer: 9, handle: async (from, header) => ({ header }) });
      await a.connect(b.addresses().control[0]);
      await a.call(b.self, 'echo', { header: new Uint8Array(1) });
      client.setAddresses(b.self, b.addresses());
      await client.call(b.self, 'echo', { header: new Uint8Array(1) });
      a.directory.maintain(() => undefined);
      await Promise.all([a.close(), b.close(), client.close()]);
      console.log('closed');
    `;
    const options = { encoding: 'utf8', timeout: 20_000 } as const;
    expect(execFileSync(process.execPath, ['--input-type=module', '-e', script], options)).toBe('closed\n');
  });

  test('a client serves nothing and says so', () => {
    expect(() => startClient().serve(echoService())).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED' }),
    );
  });

  test('libp2p is not loaded by a client that needs only the bulk lane', () => {
    const script = `
      ${imports}
      import { registerHooks } from 'node:module';
      const client = createClientNetwork({ identity: ephemeralIdentity(), networkId: new Uint8Array(32), clock: systemClock });
      const peer = ephemeralIdentity().nodeId;
      client.setAddresses(peer, { control: ['/ip4/127.0.0.1/tcp/1'], bulk: ['/ip4/127.0.0.1/tcp/1/tls'] });
      const loaded = [];
      registerHooks({ resolve: (name, context, next) => { loaded.push(name); return next(name, context); } });
      const code = await client.call(peer, 'echo', { header: new Uint8Array(1) }).catch((error) => error.code);
      await client.close();
      console.log(JSON.stringify({ code, libp2p: loaded.filter((name) => name.includes('libp2p')) }));
    `;
    const out = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    expect(JSON.parse(out)).toEqual({ code: 'UNREACHABLE', libp2p: [] });
  });
});

async function startNode(options: Partial<NodeNetworkOptions> = {}, hasBulk = true): Promise<NodeNetwork> {
  const node = await createNetwork({
    ...base(),
    controlListen: ['/ip4/127.0.0.1/tcp/0'],
    ...(hasBulk ? { bulkListen: { host: '127.0.0.1', port: 0 } } : {}),
    isMember: () => true,
    ...options,
  });
  open.push(node);
  return node;
}

function startClient(options: Partial<NetworkOptions> = {}): StatusNetwork {
  const client = createClientNetwork({ ...base(), ...options });
  open.push(client);
  return client;
}

function base(): { identity: Identity; networkId: NetworkId; clock: typeof systemClock } {
  return { identity: ephemeralIdentity(), networkId, clock: systemClock };
}

function echo(from: StatusNetwork, to: StatusNetwork, body = patterned(10)): Promise<string> {
  const request = { header: toUtf8('x'), body: [body] };
  return codeOf(from.call(to.self, 'echo', request, { maxBodyLength: body.length, timeoutMs: 10_000 }));
}
