import { chmod, cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { encode } from '../../src/base/codec.ts';
import type { Digest, NetworkId, NodeId, OwnerId, PieceRoot } from '../../src/base/ids.ts';
import { checkRecord, objectKey } from '../../src/dht/record.ts';
import { dataFolder } from '../../src/node/data-folder.ts';
import { candidateOf, finishFolder, foundFolders, initNetwork } from '../../src/node/folder-setup.ts';
import { readGenesis, writeGenesis } from '../../src/node/genesis.ts';
import { createNode, type Node, type NodeOptions } from '../../src/node/node.ts';
import { encodeManifest } from '../../src/replication/manifest.ts';
import {
  decodeLocations,
  decodeMembersReply,
  encodeGetPiece,
  encodeLocateRecord,
  encodePutPiece,
  encodePutRecord,
  SERVICES,
} from '../../src/replication/messages.ts';
import { objectIdOf } from '../../src/replication/object.ts';
import { hashPiece } from '../../src/replication/piece-tree.ts';
import { signPut } from '../../src/replication/ticket.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { nativeSha256, nativeVerify } from '../../src/runtime/crypto.ts';
import { ephemeralIdentity, loadIdentity } from '../../src/runtime/identity.ts';
import { createClientNetwork } from '../../src/runtime/network.ts';
import type { StatusNetwork } from '../../src/runtime/two-lanes.ts';
import { foundingId, foundState, signFounding } from '../../src/shards/founding.ts';
import { settledEntries } from '../../src/shards/validator-sets.ts';
import { Overlay } from '../../src/shards/view.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';
import { until } from '../helpers/storage-nodes.ts';
import { patterned } from '../suites/network.ts';

let root = '';
let lines: string[] = [];
let running: Node[] = [];
let clients: StatusNetwork[] = [];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-node-'));
  lines = [];
});
afterEach(async () => {
  await Promise.all([...running.map((node) => node.stop()), ...clients.map((client) => client.close())]);
  running = [];
  clients = [];
  await rm(root, { recursive: true, force: true });
});

const line = (facts: object, message: string): void => void lines.push(`${message} ${JSON.stringify(facts)}`);
const logger = { debug: line, info: line, warn: line, error: line };
const CONFIG = { host: '127.0.0.1', controlPort: 0, bulkPort: 0, capacityBytes: 2 ** 28, reserveBytes: 0 };

async function start(folder: string, options: Partial<NodeOptions> = {}): Promise<Node> {
  const node = await createNode({ folder, logger, ...options });
  running.push(node);
  return node;
}

const folderOf = (name: string): string => join(root, name);

/** A founder's folder, not running. */
async function found(name = 'alice'): Promise<string> {
  await initNetwork({ folder: folderOf(name), name: 'test', config: { ...CONFIG, operator: name } });
  return folderOf(name);
}

function client(network: Uint8Array, preSharedKey?: Uint8Array): StatusNetwork {
  const made = createClientNetwork({
    identity: ephemeralIdentity(),
    networkId: network as Parameters<typeof createClientNetwork>[0]['networkId'],
    clock: systemClock,
    ...(preSharedKey === undefined ? {} : { preSharedKey }),
  });
  clients.push(made);
  return made;
}

describe('a data folder', () => {
  test('is private, and holds what it should', async () => {
    const folder = await found();
    expect((await readdir(folder)).sort()).toEqual([
      'beacon.key',
      'genesis.json',
      'genesis.key',
      'identity.key',
      'node.yaml',
      'operator.key',
      'validator',
    ]);
    for (const name of await readdir(folder, { recursive: true }))
      expect((await stat(join(folder, name))).mode & 0o077, name).toBe(0);
    expect(await readFile(join(folder, 'genesis.json'), 'utf8')).not.toContain('key ed25519');
  });

  test('of a founder has a network whose only validator it is', async () => {
    const { founding, identity, account } = await initNetwork({
      folder: folderOf('alice'),
      name: 'test',
      config: { ...CONFIG, operator: 'alice' },
    });
    expect(await readGenesis(dataFolder(folderOf('alice')).genesisFile, nativeVerify)).toEqual(founding);
    const records = new Map(foundState(founding, nativeSha256).map(({ key, after }) => [key.text, after]));
    const state = new Overlay({ read: (key) => records.get(key.text) ?? null });
    expect(settledEntries(state, 0)).toEqual([
      { node: identity.nodeId, power: 100n, registration: identity.nodeId, operator: account },
    ]);
    expect(founding.chains.map(([node]) => node)).toEqual([identity.nodeId]);
    expect(founding.parameters).toMatchObject({ epochBlocks: 3600, fees: { perTransaction: 0n } });
  });

  test('of one founder has nothing in common with that of another', async () => {
    const [one, two] = [await found('alice'), await found('bob')];
    const documents = await Promise.all(
      [one, two].map((path) => readGenesis(dataFolder(path).genesisFile, nativeVerify)),
    );
    const facts = documents.flatMap((document) => [
      document.signed.record.network,
      document.signed.genesis.genesisKey,
      foundingId(document),
      ...document.operators.map(([, account]) => account),
      ...document.chains.flatMap(([node, { tip }]) => [node, tip]),
    ]);
    expect(new Set(facts.map((fact) => toHex(fact))).size).toBe(12);
    for (const name of ['operator.key', 'beacon.key'])
      expect(await readFile(join(one, name), 'utf8')).not.toBe(await readFile(join(two, name), 'utf8'));
  });

  test('with the state of another founding of the same network is refused', async () => {
    const folder = await found();
    await (await start(folder)).stop();
    const file = dataFolder(folder);
    const document = await readGenesis(file.genesisFile, nativeVerify);
    const genesisKey = await loadIdentity(file.genesisKey);
    const other = signFounding(document.signed, { ...document, balances: [] }, genesisKey.signer);
    await writeGenesis(file.genesisFile, other);
    const error = await expectCodeAsync('INVALID_CONFIG', start(folder));
    expect(error.message).toContain('another founding');
  });

  test('that holds a node is not made again', async () => {
    const folder = await found();
    const before = await readFile(join(folder, 'identity.key'), 'utf8');
    const again = initNetwork({ folder, name: 'other', config: { ...CONFIG, operator: 'x' } });
    expect((await expectCodeAsync('ALREADY_EXISTS', again)).message).toContain(folder);
    expect(await readFile(join(folder, 'identity.key'), 'utf8')).toBe(before);
  });

  test('that holds none is not started, and nothing is written into it', async () => {
    const error = await expectCodeAsync('NOT_FOUND', start(folderOf('nothing')));
    expect(error.next).toContain('store init');
    expect(await readdir(root)).toEqual([]);
  });

  test('is used by one process at a time, which is named', async () => {
    const folder = await found();
    await start(folder);
    const error = await expectCodeAsync('LOCKED', start(folder));
    expect(error.message).toContain(String(process.pid));
  });

  test.each([
    ['genesis.json', 'INVALID_SIGNATURE', (text: string) => text.replace('"100"', '"101"')],
    ['genesis.json', 'INVALID_CONFIG', (text: string) => text.slice(0, 300)],
    [
      'genesis.json',
      'INVALID_SIGNATURE',
      (text: string) => text.replace('"epochBlocks": 3600', '"epochBlocks": 7200'),
    ],
    ['identity.key', 'INVALID_IDENTITY', (text: string) => text.replace(/[0-9a-f]{4} /, 'ffff ')],
    ['identity.key', 'INVALID_IDENTITY', () => ''],
    ['node.yaml', 'INVALID_CONFIG', (text: string) => text.replace('bulkPort', 'bulkport')],
  ] as const)('with a damaged %s is refused as %s, naming the file', async (name, code, damage) => {
    const folder = await found();
    const path = join(folder, name);
    await writeFile(path, damage(await readFile(path, 'utf8')));
    expect((await expectCodeAsync(code, start(folder))).message).toContain(path);
    expect(await readdir(folder)).not.toContain('LOCK');
  });

  test('whose key others may read is refused', async () => {
    const folder = await found();
    await chmod(join(folder, 'identity.key'), 0o644);
    expect((await expectCodeAsync('INVALID_IDENTITY', start(folder))).next).toContain('chmod 600');
  });

  test('with the state of another node or network is refused before anything is written', async () => {
    const alice = await found('alice');
    const bob = await found('bob');
    await (await start(alice)).stop();
    await (await start(bob)).stop();
    const original = await readFile(join(bob, 'identity.key'));
    await cp(join(alice, 'identity.key'), join(bob, 'identity.key'));
    expect((await expectCodeAsync('INVALID_CONFIG', start(bob))).message).toContain('state of node');
    await writeFile(join(bob, 'identity.key'), original);
    await cp(join(alice, 'genesis.json'), join(bob, 'genesis.json'));
    await rm(join(bob, 'genesis.key'));
    expect((await expectCodeAsync('INVALID_CONFIG', start(bob))).message).toContain('state of network');
  });

  test('with the pieces of another node is refused', async () => {
    const alice = await found('alice');
    const bob = await found('bob');
    await (await start(alice)).stop();
    await (await start(bob)).stop();
    await rm(join(bob, 'pieces'), { recursive: true });
    await cp(join(alice, 'pieces'), join(bob, 'pieces'), { recursive: true });
    await expectCodeAsync('INVALID_CONFIG', start(bob));
  });
});

describe('a node', () => {
  test('is the same one after a restart, with everything that it stored', async () => {
    const folder = await found();
    const first = await start(folder);
    const { node, addresses } = first.status();
    const { record } = (await readGenesis(dataFolder(folder).genesisFile, nativeVerify)).signed;
    const owner = ephemeralIdentity();
    const [salt, piece] = [new Uint8Array(16), patterned(300_000)];
    const object = objectIdOf(record.network, owner.nodeId as Uint8Array as OwnerId, salt);
    const pieceRoot = hashPiece(piece).root as Uint8Array as PieceRoot;
    const place = { segmentIndex: 0, pieceIndex: 0 };
    const put = { lengthBytes: piece.length, expiresAtMs: Date.now() + 60_000 };
    const claim = { network: record.network, node, object, place, content: pieceRoot, ...put };
    const header = encodePutPiece({
      owner: owner.nodeId as Uint8Array as OwnerId,
      objectSalt: salt,
      ...place,
      root: pieceRoot,
      ...put,
      ticket: signPut(claim, owner.signer),
    });
    const writer = client(record.network);
    await writer.connect(addresses.bulk[0]!);
    await writer.call(node, SERVICES.putPiece, { header, body: [piece] });
    await first.stop();
    const second = await start(folder);
    expect(toHex(second.status().node)).toBe(toHex(node));
    expect(second.status().store).toMatchObject({
      entries: 1,
      liveBytes: piece.length,
      logState: 'writable',
    });
    const reader = client(record.network);
    await reader.connect(second.status().addresses.bulk[0]!);
    const get = encodeGetPiece({ object, ...place, root: pieceRoot, range: undefined });
    const got = await reader.call(node, SERVICES.getPiece, { header: get }, { maxBodyLength: piece.length });
    expect(Buffer.compare(got.body, piece)).toBe(0);
  });

  test('stops in bounded time, twice, and leaves no lock behind', async () => {
    const folder = await found();
    const node = await start(folder);
    await Promise.all([node.stop(), node.stop()]);
    expect((await readdir(folder)).filter((name) => name.startsWith('LOCK'))).toEqual([]);
  });

  test.each(['controlPort', 'bulkPort'] as const)(
    'whose %s is taken says so and lets everything go',
    async (setting) => {
      const folder = await found();
      const blocker = createServer();
      await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve));
      const { port } = blocker.address() as { port: number };
      const error = await expectCodeAsync('PORT_IN_USE', start(folder, { flags: { [setting]: port } }));
      expect(error.message).toContain(String(port));
      await new Promise((resolve) => blocker.close(resolve));
      await start(folder, { flags: { [setting]: port } });
    },
  );

  test('never logs a key', async () => {
    const folder = await found();
    await (await start(folder)).stop();
    const log = lines.join('\n');
    expect(log).toContain('node is up');
    for (const name of ['identity.key', 'genesis.key']) {
      const [seed] = /[0-9a-f]{64}/.exec(await readFile(join(folder, name), 'utf8'))!;
      expect(log).not.toContain(seed);
    }
  });

  test('with a pre-shared key does not speak to who lacks it', async () => {
    const folder = await found();
    const path = join(root, 'network.psk');
    await writeFile(path, `${'5a'.repeat(32)}\n`, { mode: 0o600 });
    const node = await start(folder, { flags: { presharedKeyFile: path } });
    const network = (await readGenesis(dataFolder(folder).genesisFile, nativeVerify)).signed.record.network;
    const [address] = node.status().addresses.bulk;
    await expectCodeAsync('UNAUTHORIZED', client(network).connect(address!));
    const peer = await client(network, new Uint8Array(32).fill(0x5a)).connect(address!);
    expect(toHex(peer)).toBe(toHex(node.status().node));
    await node.stop();
    await writeFile(path, 'short');
    await expectCodeAsync('INVALID_CONFIG', start(folder, { flags: { presharedKeyFile: path } }));
    await chmod(path, 0o644);
    await expectCodeAsync('INVALID_IDENTITY', start(folder, { flags: { presharedKeyFile: path } }));
  });
});

describe('two nodes of one network', () => {
  /** The second knows an address of the first. */
  async function two(): Promise<{ founder: Node; folder: string; bob: Node; network: NetworkId }> {
    const folders = [folderOf('alice'), folderOf('bob')].map(dataFolder);
    const configs = ['alice', 'bob'].map((operator) => ({ ...CONFIG, operator }));
    const { founding } = await foundFolders(folders, 'test', {
      candidates: (identities) => identities.map((identity, index) => candidateOf(identity, configs[index]!)),
      params: { isTrial: true },
    });
    await finishFolder(folders[0]!, founding, configs[0]!);
    const founder = await start(folderOf('alice'));
    const bootstrap = [...founder.status().addresses.bulk];
    await finishFolder(folders[1]!, founding, { ...configs[1]!, bootstrap });
    const bob = await start(folderOf('bob'));
    return { founder, folder: folderOf('alice'), bob, network: founding.signed.record.network };
  }

  test('know each other over real sockets, and tell clients where both are', async () => {
    const { founder, bob, network } = await two();
    expect(bob.status()).toMatchObject({ isMember: true, epoch: 0, members: 2 });
    await until(
      'acquaintance',
      () => founder.status().neighbours.length === 1 && bob.status().neighbours.length === 1,
    );
    const reader = client(network);
    const peer = await reader.connect(bob.status().addresses.bulk[0]!);
    const reply = await reader.call(
      peer,
      SERVICES.members,
      { header: encode([]) },
      { maxBodyLength: 2 ** 22 },
    );
    expect(decodeMembersReply(reply.body).nodeRecords.length).toBe(2);
    await until(
      'a control connection',
      () => founder.status().lanes.degree === 1 && bob.status().lanes.degree === 1,
    );
  });

  test('let either say who has the manifest of a public object, and a restarted one too', async () => {
    const { founder, folder, bob, network } = await two();
    await until('a DHT of two', () => [founder, bob].every((node) => node.status().lanes.dhtTableSize === 1));
    const { header, record, digest } = publicManifest(network, founder.status().node);
    const writer = client(network);
    const alice = await writer.connect(founder.status().addresses.bulk[0]!);
    await writer.call(alice, SERVICES.putRecord, { header, body: [record] });
    const rules = { network, verify: nativeVerify, isMember: () => true };
    /** The first of the holders that the node at an address names, and the time of its word. */
    const located = async (reader: StatusNetwork, address: string) => {
      const peer = await reader.connect(address);
      const reply = await reader.call(peer, SERVICES.locateRecord, { header: encodeLocateRecord(digest) });
      const [found] = decodeLocations(reply.header);
      return found && checkRecord(objectKey(digest), found, rules, Date.now());
    };
    const bobsAddress = bob.status().addresses.bulk[0]!;
    let found = await located(writer, bobsAddress);
    for (let tries = 0; found === undefined && tries < 40; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 300));
      found = await located(writer, bobsAddress);
    }
    expect(toHex(found!.node)).toBe(toHex(alice));
    await founder.stop();
    await bob.stop();
    const again = await start(folder);
    const [address] = again.status().addresses.bulk;
    let own = await located(client(network), address!);
    for (let tries = 0; own === undefined && tries < 40; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 300));
      own = await located(client(network), address!);
    }
    expect(toHex(own!.node)).toBe(toHex(alice));
  });
});

/** A small public object as its owner puts it on one node. */
function publicManifest(network: NetworkId, node: NodeId) {
  const { signer, nodeId } = ephemeralIdentity();
  const owner = nodeId as Uint8Array as OwnerId;
  const salt = new Uint8Array(16).fill(3);
  const record = encodeManifest({
    network,
    owner,
    salt,
    lengthBytes: 5,
    code: { k: 2, n: 4 },
    segmentCells: 256,
    keyCheck: undefined,
    content: { kind: 'inline', salt: new Uint8Array(16), bytes: patterned(5) },
  });
  const digest = nativeSha256(record) as Digest;
  const put = { lengthBytes: record.length, expiresAtMs: Date.now() + 60_000 };
  const object = objectIdOf(network, owner, salt);
  const ticket = signPut({ network, node, object, place: undefined, content: digest, ...put }, signer);
  return { record, digest, header: encodePutRecord({ owner, objectSalt: salt, digest, ...put, ticket }) };
}
