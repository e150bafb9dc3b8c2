// Networks whose first blocks are gone, for tests of what takes a state instead.

import { expect } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import type { OwnerId } from '../../../src/base/ids.ts';
import type { Reply } from '../../../src/base/ports.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { amountOf, NATIVE } from '../../../src/shards/amounts.ts';
import { DEFAULT_PARAMETERS } from '../../../src/shards/parameters.ts';
import {
  type CheckpointReply,
  type ChunkReply,
  decodeCheckpointReply,
  decodeChunkReply,
  encodeCheckpointReply,
  encodeChunkReply,
} from '../../../src/shards/sync-messages.ts';
import { ChainNetwork, type ChainNetworkOptions, type ChainNode } from '../../helpers/chain-network.ts';
import { digestFrom } from '../../helpers/records.ts';

export const KEEPING: NonNullable<ChainNetworkOptions['keeping']> = { blocks: 5, states: 4 };
const DEADLINE_MS = 30_000;

export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`never: ${what}`);
    await systemClock.sleep(20);
  }
}

/** In four shards, so that there are four chunks at least. */
const people = Array.from({ length: 2_000 }, (_, index) => digestFrom<OwnerId>(`person ${index}`));

/** Short epochs, and four shards whatever the load. */
export const PARAMETERS: NonNullable<ChainNetworkOptions['parameters']> = {
  epochBlocks: 12,
  sharding: { ...DEFAULT_PARAMETERS.sharding, bitsMin: 2 },
};

/** Members that have pruned the first blocks. */
export async function grown(options: Partial<ChainNetworkOptions> = {}): Promise<ChainNetwork> {
  const network = await ChainNetwork.start({
    members: 3,
    heartbeatMs: 10,
    createdAtMs: Date.now() - 1000,
    keeping: KEEPING,
    shardBits: 2,
    parameters: PARAMETERS,
    balances: people.map((owner) => [owner, amountOf(NATIVE, 5n)]),
    ...options,
  });
  await until('the first blocks are pruned', () =>
    network.nodes.every(({ service }) => service.store.oldestBlock > 1),
  );
  return network;
}

export const hasCaughtUp = (node: ChainNode, first: ChainNode): boolean =>
  node.life.service !== undefined && node.service.chain.head.height >= first.service.chain.head.height - 2;

/** The same blocks as far back as both have them, and the same state. */
export async function expectSame(node: ChainNode, other: ChainNode): Promise<void> {
  const height = Math.min(node.service.chain.head.height, other.service.chain.head.height);
  const from = Math.max(node.service.store.oldestBlock, other.service.store.oldestBlock);
  for (let at = from; at <= height; at++) {
    const [a, b] = await Promise.all([node, other].map(({ service }) => service.chain.decision(at)));
    // It may just have been pruned.
    if (a !== undefined && b !== undefined) expect(a.certificate.blockId).toBe(b.certificate.blockId);
  }
  // States are pruned meanwhile: of some height both have one.
  await until('a state that both have', async () => {
    const at = Math.min(node.service.chain.head.height, other.service.chain.head.height);
    if (!node.service.store.hasState(at) || !other.service.store.hasState(at)) return false;
    const states = await Promise.all([node, other].map(({ service }) => service.store.prove(at, [])));
    const [own, others] = states.map(({ shards }) => shards.map(({ stateRoot }) => toHex(stateRoot)));
    expect(own).toEqual(others);
    return true;
  });
}

interface Codec<T> {
  readonly decode: (bytes: Uint8Array) => T;
  readonly encode: (reply: T) => Uint8Array;
}

/** The node answers the service with what `change` makes of an honest answer. */
export function lies<T>(node: ChainNode, service: string, codec: Codec<T>, change: (reply: T) => T): void {
  node.network.faults.lie = (asked, reply: Reply): Reply => {
    if (asked !== service) return reply;
    return { header: reply.header, body: codec.encode(change(codec.decode(reply.body))) };
  };
}

export const CHECKPOINT: Codec<CheckpointReply> = {
  decode: decodeCheckpointReply,
  encode: encodeCheckpointReply,
};
export const CHUNK: Codec<ChunkReply> = { decode: decodeChunkReply, encode: encodeChunkReply };
export const served = (node: ChainNode, service: string): number =>
  node.network.callsServed.get(service) ?? 0;
