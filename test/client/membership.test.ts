// What a client believes about the network: one false, stale or silent answer changes nothing.

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { signRecord } from '../../src/dht/record.ts';
import { encodeMembersReply, SERVICES } from '../../src/replication/messages.ts';
import { CHAIN_SERVICES } from '../../src/shards/chain-messages.ts';
import { encodeFounding } from '../../src/shards/founding.ts';
import { answers, saysMembers, saysNonsense } from '../adversaries/false-bootstrap.ts';
import { isDead, isSilent } from '../adversaries/silent-holder.ts';
import { type Cluster, createCluster, patterned, seedOf } from '../helpers/cluster.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';

let cluster: Cluster;
beforeEach(async () => {
  cluster = await createCluster({ nodes: 5 });
});
afterEach(() => cluster.close());

describe('bootstrap nodes', () => {
  test('of which one lies, one is stale and one is silent: the honest one is believed', async () => {
    cluster.nodes[1]!.head = cluster.chain.height;
    cluster.chain.nextEpoch();
    cluster.chain.nextEpoch();
    saysNonsense(cluster.nodes[0]!.memory);
    isSilent(cluster.nodes[2]!.memory);
    const client = await cluster.client({
      bootstrap: cluster.nodes.slice(0, 4).map(({ memory }) => memory.address),
    });
    expect((await client.network()).epoch).toBe(2);
  });

  test('that forge what the chain proves are not believed, and asked no more', async () => {
    const forge = ({ memory }: (typeof cluster.nodes)[number]): void => {
      memory.faults.lie = (service, reply) => {
        if (service !== CHAIN_SERVICES.prove) return reply;
        const body = reply.body.slice();
        body[body.length >> 1]! ^= 1;
        return { ...reply, body };
      };
    };
    cluster.nodes.slice(0, 2).forEach(forge);
    const client = await cluster.client();
    expect((await client.network()).members.length).toBe(5);
    cluster.nodes.forEach(forge);
    await expectCodeAsync('PROTOCOL', (await cluster.client()).network());
  });

  test('of another network are told by its founding document', async () => {
    const other = await createCluster({ nodes: 1, name: 'other' });
    try {
      const { founding } = other.chain;
      for (const { memory } of cluster.nodes) {
        memory.faults.lie = (service, reply) =>
          service === CHAIN_SERVICES.founding ? { ...reply, body: encodeFounding(founding) } : reply;
      }
      await expectCodeAsync('PROTOCOL', (await cluster.client()).network());
    } finally {
      await other.close();
    }
  });

  test('that are gone do not matter while one answers; all gone is UNREACHABLE with the next step', async () => {
    for (const { memory } of cluster.nodes.slice(0, 2)) isDead(memory);
    expect((await (await cluster.client()).network()).members.length).toBe(5);
    for (const { memory } of cluster.nodes) isDead(memory);
    const error = await expectCodeAsync('UNREACHABLE', (await cluster.client()).network());
    expect(error.next).toBeDefined();
    await expectCodeAsync('UNREACHABLE', (await cluster.client({ bootstrap: [] })).network());
    await expectCodeAsync('UNREACHABLE', (await cluster.client({ bootstrap: ['/nowhere'] })).network());
  });

  test('a lone stale one is outvoted by the members it names', async () => {
    cluster.nodes[0]!.head = cluster.chain.height;
    const records = cluster.nodes.map(({ id, signer, memory }) =>
      signRecord(
        {
          kind: 'node',
          network: cluster.network,
          node: id,
          sequence: 1,
          expiresAtMs: Date.now() + 1000_000,
          addresses: { control: [], bulk: [memory.address] },
        },
        signer,
      ),
    );
    saysMembers(cluster.nodes[0]!.memory, records);
    cluster.chain.nextEpoch();
    const client = await cluster.client({ bootstrap: [cluster.nodes[0]!.memory.address] });
    expect((await client.network()).epoch).toBe(1);
  });

  test('that say false addresses: forged, expired or foreign node records are dropped one by one', async () => {
    const [first, second] = cluster.nodes;
    const record = (expiresAtMs: number, network = cluster.network): Parameters<typeof signRecord>[0] => ({
      kind: 'node',
      network,
      node: first!.id,
      sequence: 1e15,
      expiresAtMs,
      addresses: { control: [], bulk: ['/false'] },
    });
    const honest = signRecord({ ...record(Date.now() + 1000_000), sequence: 2 }, first!.signer);
    const forged = honest.slice();
    forged[forged.length - 1]! ^= 1;
    const foreign = signRecord(record(Date.now() + 1000_000, seedOf('other') as never), first!.signer);
    const expired = signRecord(record(Date.now() - 1), first!.signer);
    saysMembers(second!.memory, [forged, foreign, expired, new Uint8Array([1])]);
    const client = await cluster.client({ bootstrap: [second!.memory.address] });
    const view = await client.network();
    expect(view.members.flatMap(({ addresses }) => addresses)).not.toContain('/false');
  });
});

describe('what was learnt once', () => {
  test('is enough to start while every bootstrap node is gone', async () => {
    const first = await cluster.client();
    const { uri } = await first.put(patterned(100_000));
    const { home } = first;
    await first.close();
    for (const { memory } of cluster.nodes.slice(0, 2)) isDead(memory);
    const later = await cluster.client({ home, bootstrap: ['/gone'] });
    expect((await (await later.get(uri)).bytes()).length).toBe(100_000);
  });

  test('never goes back to an older epoch, not even after a restart', async () => {
    const old = cluster.chain.height;
    cluster.chain.nextEpoch();
    const first = await cluster.client();
    expect((await first.network()).epoch).toBe(1);
    await first.close();
    for (const node of cluster.nodes) node.head = old;
    const later = await cluster.client({ home: first.home });
    expect((await later.network()).epoch).toBe(1);
  });

  test('is asked for again after a while, and members that left are forgotten', async () => {
    const client = await cluster.client({ timing: { refreshMs: 0 } });
    expect((await client.network()).members.length).toBe(5);
    cluster.chain.nextEpoch(cluster.epoch.members.slice(1));
    expect(await client.network()).toMatchObject({ epoch: 1 });
    expect((await client.network()).members.length).toBe(4);
  });

  test('is not needed: a damaged memory of it is replaced', async () => {
    const first = await cluster.client();
    await first.network();
    await first.close();
    const folder = join(first.home, 'networks');
    const name = (await readdir(folder)).find((each) => each.endsWith('.members'));
    const { writeFile } = await import('node:fs/promises');
    await writeFile(join(folder, name!), 'rubbish');
    const later = await cluster.client({ home: first.home });
    expect((await later.network()).epoch).toBe(0);
    expect((await stat(join(folder, name!))).size).toBeGreaterThan(100);
    expect((await stat(join(folder, name!))).mode & 0o777).toBe(0o600);
  });

  test('is used with a notice while no node has the chain, and asked for again', async () => {
    const client = await cluster.client({ timing: { refreshMs: 0 } });
    expect((await client.network()).epoch).toBe(0);
    for (const node of cluster.nodes) node.memory.faults.isDead = true;
    const notices: string[] = [];
    const onNotice = ({ kind }: { readonly kind: string }): number => notices.push(kind);
    expect((await client.network({ onNotice })).epoch).toBe(0);
    expect(notices).toEqual(['epoch-unproven']);
    for (const node of cluster.nodes) node.memory.faults.isDead = false;
    cluster.chain.nextEpoch();
    expect((await client.network({ onNotice })).epoch).toBe(1);
    expect(notices).toEqual(['epoch-unproven']);
  });

  test('is proven by one node where the others are gone: no quorum is needed to read', async () => {
    for (const { memory } of cluster.nodes.slice(1)) isDead(memory);
    const client = await cluster.client();
    expect((await client.network()).members.length).toBe(5);
    cluster.chain.nextEpoch();
    const later = await cluster.client({ home: client.home });
    expect((await later.network()).epoch).toBe(1);
  });

  test('one caller that gives up does not take the answer from another', async () => {
    for (const { memory } of cluster.nodes) memory.faults.delayMs = 500;
    const client = await cluster.client();
    const abort = new AbortController();
    const impatient = client.network({ signal: abort.signal });
    const patient = client.network();
    setTimeout(() => abort.abort(), 5);
    await expectCodeAsync('ABORTED', impatient);
    expect((await patient).members.length).toBe(5);
  });
});

test('a reply that is far too long is refused unread', async () => {
  for (const { memory } of cluster.nodes.slice(0, 2)) answers(memory, new Uint8Array(64 * 1024 * 1024));
  const client = await cluster.client();
  expect((await client.network()).epoch).toBe(0);
  expect(cluster.nodes[0]!.memory.callsServed.get(SERVICES.members)).toBeGreaterThan(0);
  answers(cluster.nodes[2]!.memory, encodeMembersReply({ nodeRecords: [new Uint8Array(3)] }).slice(1));
  await expectCodeAsync(
    'INVALID_ENCODING',
    (await cluster.client({ bootstrap: [cluster.nodes[2]!.memory.address] })).network(),
  );
});
