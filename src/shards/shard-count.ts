// The rule by which the number of shards doubles or halves at a border: what the epoch had to do, and how many members there are to do it.

import type { Parameters } from './parameters.ts';

/** What an epoch was like. */
export interface Load {
  readonly transactions: number;
  readonly blocks: number;
  readonly members: number;
}

/** By one bit at most. The bounds of the parameters win over the load, and members over both: a shard without holders keeps nothing. */
export function nextShardBits(parameters: Parameters, bits: number, load: Load): number {
  const { bitsMin, bitsMax } = parameters.sharding;
  if (bits > bitsMax) return bits - 1;
  if (bits > bitsMin && (!canStaff(parameters, bits, load) || isIdle(parameters, bits, load)))
    return bits - 1;
  const wantsMore = bits < bitsMin || isBusy(parameters, bits, load);
  return wantsMore && bits < bitsMax && canStaff(parameters, bits + 1, load) ? bits + 1 : bits;
}

const isBusy = ({ sharding }: Parameters, bits: number, load: Load): boolean =>
  load.transactions > sharding.splitLoad * load.blocks * 2 ** bits;

const isIdle = ({ sharding }: Parameters, bits: number, load: Load): boolean =>
  load.transactions < sharding.mergeLoad * load.blocks * 2 ** bits;

/** Every shard could have its least number of members without sharing any. */
const canStaff = ({ storage }: Parameters, bits: number, load: Load): boolean =>
  load.members >= storage.shardMembersMin * 2 ** bits;
