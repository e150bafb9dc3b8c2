import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { epochDigest, type EpochRecord } from '../../src/base/epoch.ts';
import type { Epoch, NodeId } from '../../src/base/ids.ts';
import { NEIGHBOURS_MAX } from '../../src/base/limits.ts';
import type { Service } from '../../src/base/ports.ts';
import { openAddressBook } from '../../src/node/address-book.ts';
import { decodeGreeting, encodeGreeting, GREET_SERVICE } from '../../src/node/greeting.ts';
import { type Membership, openMembership } from '../../src/node/membership.ts';
import { type NeighbourEvent, Neighbours } from '../../src/node/neighbours.ts';
import { encodeMembersReply, SERVICES } from '../../src/replication/messages.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { nativeSha256, nativeVerify } from '../../src/runtime/crypto.ts';
import { MemoryKeyValue } from '../../src/runtime/memory-key-value.ts';
import { createMemoryHub, type MemoryHub, type MemoryNode } from '../../src/runtime/memory-network.ts';
import { systemRandom } from '../../src/runtime/random.ts';
import { sampleEpoch, sampleMembers, signerFrom } from '../helpers/records.ts';
import { until } from '../helpers/storage-nodes.ts';

const first = sampleEpoch(sampleMembers(3));
const { network } = first;
const idOf = (index: number): NodeId => signerFrom(`node ${index}`).publicKey as NodeId;

function successor(previous: EpochRecord, count: number): EpochRecord {
  const epoch = (previous.epoch + 1) as Epoch;
  return { ...previous, epoch, previous: epochDigest(previous), members: sampleMembers(count) };
}

let hub: MemoryHub;
let open: Neighbours[];
beforeEach(() => {
  hub = createMemoryHub();
  open = [];
});
afterEach(async () => {
  for (const neighbours of open) await neighbours.stop();
});

interface Started {
  readonly memory: MemoryNode;
  readonly membership: Membership;
  readonly neighbours: Neighbours;
  readonly events: NeighbourEvent[];
}

/** Node `index` with its neighbours, who are reachable from the start. */
async function start(index: number, epoch = first, greetIntervalMs = 60_000): Promise<Started> {
  const memory = hub.join(idOf(index), { network });
  const keyValue = new MemoryKeyValue();
  const common = { clock: systemClock, keyValue, verify: nativeVerify, sha256: nativeSha256 };
  const membership = await openMembership(common, epoch);
  const book = await openAddressBook({ ...common, membership, network: memory });
  const events: NeighbourEvent[] = [];
  const neighbours = new Neighbours(
    { ...common, random: systemRandom, network: memory, membership, book },
    {
      bootstrap: [],
      ownRecord: () => new Uint8Array(0),
      onEvent: (event) => events.push(event),
      greetIntervalMs,
      reconnectMinMs: 20,
    },
  );
  memory.serve(neighbours.service);
  memory.serve(membersService());
  for (const { node } of epoch.members) memory.setAddresses(node, { control: [], bulk: ['x'] });
  open.push(neighbours);
  return { memory, membership, neighbours, events };
}

function membersService(): Service {
  return {
    name: SERVICES.members,
    maxHeaderLength: 100,
    maxBodyLength: 0,
    timeoutMs: 1000,
    maxConcurrentPerPeer: 100,
    maxPerSecondPerPeer: 1000,
    handle: async () => ({
      header: new Uint8Array(0),
      body: [encodeMembersReply({ nodeRecords: [] })],
    }),
  };
}

/** A node that answers greetings as it is told and counts them. */
function puppet(
  index: number,
  answer: (greeted: number) => Promise<number>,
): { memory: MemoryNode; epochs: number[] } {
  const memory = hub.join(idOf(index), { network });
  const epochs: number[] = [];
  memory.serve({
    ...membersService(),
    name: GREET_SERVICE,
    maxHeaderLength: 5000,
    handle: async (_from, header) => {
      epochs.push(decodeGreeting(header).epoch);
      const epoch = await answer(epochs.length);
      return { header: encodeGreeting({ nodeRecord: new Uint8Array(0), epoch }) };
    },
  });
  memory.serve(membersService());
  return { memory, epochs };
}

describe('a neighbour', () => {
  test('that is slow to answer hears of a new epoch right after', async () => {
    const slow = Promise.withResolvers<number>();
    const other = puppet(1, (greeted) => (greeted === 1 ? slow.promise : Promise.resolve(1)));
    const { neighbours, membership } = await start(0);
    neighbours.start();
    await until('the first greeting', () => other.epochs.length === 1);
    await membership.adopt(successor(first, 3));
    neighbours.update();
    await new Promise((resolve) => setTimeout(resolve, 30));
    slow.resolve(0);
    await until('the second greeting', () => other.epochs.length === 2);
    expect(other.epochs).toEqual([0, 1]);
  });

  test('that left while it was greeted is not greeted again', async () => {
    const slow = Promise.withResolvers<number>();
    const gone = puppet(2, () => slow.promise);
    const { neighbours, membership } = await start(0, first, 20);
    neighbours.start();
    await until('the greeting', () => gone.epochs.length === 1);
    await membership.adopt(successor(first, 2));
    neighbours.update();
    slow.resolve(0);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(gone.epochs.length).toBe(1);
    expect(neighbours.live().map(toHex)).not.toContain(toHex(idOf(2)));
  });

  test('that fails is tried again until it answers, and each change is told once', async () => {
    const { neighbours, events } = await start(0, first, 30);
    neighbours.start();
    await new Promise((resolve) => setTimeout(resolve, 60));
    const back = await start(1);
    await until('it is up', () => neighbours.live().length === 1);
    back.memory.faults.isDead = true;
    await until('it is down', () => neighbours.live().length === 0);
    back.memory.faults.isDead = false;
    await until('it is up again', () => neighbours.live().length === 1);
    expect(events.map(({ kind }) => kind)).toEqual(['up', 'down', 'up']);
  });

  test('that claims a newer epoch is not believed, and is a source of the chain as it was', async () => {
    const boaster = puppet(1, async () => 999);
    const { neighbours, membership } = await start(0, first, 10);
    neighbours.start();
    await until('many greetings', () => boaster.epochs.length > 10);
    // Because it came up, and to find the one that is not there; not because of what it claims.
    expect(boaster.memory.callsServed.get(SERVICES.members)).toBeLessThan(5);
    expect(membership.current()).toBe(first);
    expect(neighbours.sources().map(toHex)).toEqual([toHex(idOf(1))]);
  });
});

test('of many members each node greets some, both ends much alike, and the graph hangs together', async () => {
  const count = 3 * NEIGHBOURS_MAX;
  const epoch = successor(first, count);
  const greeted = new Map<number, Set<number>>();
  const indexOf = new Map(Array.from({ length: count }, (_, index) => [toHex(idOf(index)), index]));
  for (let index = 0; index < count; index++) {
    const { neighbours, memory } = await start(index, epoch);
    const met = new Set<number>();
    greeted.set(index, met);
    memory.call = async (peer) => {
      met.add(indexOf.get(toHex(peer))!);
      throw new Error('not answered');
    };
    neighbours.start();
    await until('its greetings', () => met.size === NEIGHBOURS_MAX);
    await neighbours.stop();
  }
  const links = [...greeted].flatMap(([from, to]) => [...to].map((node) => [from, node] as const));
  const mutual = links.filter(([from, to]) => greeted.get(to)!.has(from)).length / links.length;
  expect(mutual).toBeGreaterThan(0.6);
  const reached = new Set([0]);
  for (const node of reached) for (const next of greeted.get(node)!) reached.add(next);
  expect(reached.size).toBe(count);
});
