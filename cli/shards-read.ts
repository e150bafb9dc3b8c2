// What a state says of its shards, and the headers of the shards that a block's header binds.

import type { Member } from '../src/base/epoch.ts';
import type { NetworkId, ShardId } from '../src/base/ids.ts';
import { CHAIN_WAIT_MS_MAX, PROVE_REPLY_LENGTH_MAX } from '../src/base/limits.ts';
import type { OpenChainClient } from '../src/client/chain/client.ts';
import { shardsProblem } from '../src/client/chain/proven-records.ts';
import { judged, Lie } from '../src/client/chain/providers.ts';
import { shardMembers } from '../src/replication/placement.ts';
import { nativeSha256 } from '../src/runtime/crypto.ts';
import { CHAIN_SERVICES, decodeProveReply, encodeProve } from '../src/shards/chain-messages.ts';
import { epochStateKey, epochStateOf } from '../src/shards/epoch-state.ts';
import type { ShardHeader } from '../src/shards/header.ts';
import { laneIn, pendingLanes } from '../src/shards/outbox.ts';
import { parametersOf } from '../src/shards/parameters.ts';
import { currentEpochRecord } from '../src/shards/storage-members.ts';
import type { StatePath } from '../src/shards/tree/path.ts';
import { turnsOf } from '../src/shards/turns.ts';
import type { Overlay } from '../src/shards/view.ts';

export interface ShardRead {
  readonly shard: number;
  readonly members: readonly Member[];
  /** Receipts that wait, sent by the shard and sent to it. */
  readonly receiptsOut: number;
  readonly receiptsIn: number;
}

export interface ShardsRead {
  readonly epoch: number;
  /** Of the epoch so far. */
  readonly transactions: number;
  readonly blocks: number;
  /** Mean transactions of a block and shard. */
  readonly load: number;
  readonly splitAbove: number;
  readonly mergeBelow: number;
  readonly shards: readonly ShardRead[];
}

/** Throws MissingRecords. */
export function readShards(state: Overlay, network: NetworkId): ShardsRead {
  const epochState = epochStateOf(state);
  const { sharding } = parametersOf(state);
  const record = currentEpochRecord(state, network);
  const { transactions, turns } = turnsOf(state);
  const blocks = turns.reduce((sum, { made }) => sum + made, 0);
  const count = 2 ** epochState.shardBits;
  const lanes = pendingLanes(state)
    .filter(({ shardBits }) => shardBits === epochState.shardBits)
    .map((lane) => {
      const { first, next } = laneIn(state, lane);
      return { ...lane, waiting: next - first };
    });
  const sum = (which: 'source' | 'destination', shard: number): number =>
    lanes.filter((lane) => lane[which] === shard).reduce((all, { waiting }) => all + waiting, 0);
  return {
    epoch: epochState.epoch,
    transactions,
    blocks,
    load: blocks === 0 ? 0 : transactions / (blocks * count),
    splitAbove: sharding.splitLoad,
    mergeBelow: sharding.mergeLoad,
    shards: Array.from({ length: count }, (_, shard) => ({
      shard,
      members: shardMembers(record, shard as ShardId),
      receiptsOut: sum('source', shard),
      receiptsIn: sum('destination', shard),
    })),
  };
}

/** The headers of the shards under the header of `height`, verified. Throws NOT_FOUND when no node proves that state any more. */
export async function askShardHeaders(
  { light }: OpenChainClient,
  height: number,
  signal: AbortSignal,
): Promise<readonly ShardHeader[]> {
  const { providers } = light;
  const header = encodeProve({
    paths: [epochStateKey().path as Uint8Array as StatePath],
    atLeast: height,
    exactly: height,
    waitMs: CHAIN_WAIT_MS_MAX,
    isHeaderKnown: false,
  });
  const { value } = await providers.first(`the shards under header ${height}`, async (node) => {
    const body = await providers.ask(node, {
      service: CHAIN_SERVICES.prove,
      header,
      maxBodyLength: PROVE_REPLY_LENGTH_MAX,
      waitMs: CHAIN_WAIT_MS_MAX,
      signal,
    });
    const { framing } = judged(() => decodeProveReply(body, nativeSha256));
    if (framing?.light.header.height !== height) throw new Lie('no such header');
    const problem = shardsProblem(framing.light.header, framing.shards, nativeSha256);
    if (problem !== undefined) throw new Lie(problem);
    await light.follow(framing.light, node, signal);
    return framing.shards;
  });
  return value;
}
