// Where the chain stands in time: the epoch that runs, its seed and number of shards, and when the epochs before it began, as far back as
// anybody still answers for them. Written at borders only.
//
// One question decides both how long evidence is taken and when stake is free: is the epoch too old? So stake is never free while
// evidence of the epoch it backed could still come, whatever the parameters were changed to in between.

import { z } from 'zod';
import { assert } from '../base/assert.ts';
import { digestOf, listOf, uint } from '../base/codec.ts';
import type { Digest, Epoch } from '../base/ids.ts';
import { EPOCH_BLOCKS_MAX, EPOCHS_KEPT_MAX, MEMBERS_MAX, SHARD_BITS_MAX } from '../base/limits.ts';
import type { BlockContext } from './operation.ts';
import type { Parameters } from './parameters.ts';
import type { RecordType } from './record.ts';
import type { StateKey } from './state-key.ts';
import { systemKey } from './system-key.ts';
import type { Overlay } from './view.ts';

/** Who executes a shard: everybody, or (for large sets; no rule sets it yet) a committee that everybody trusts by its number. */
const EPOCH_MODES = ['shared', 'endorsed'] as const;
export type EpochMode = (typeof EPOCH_MODES)[number];

/** An epoch's first block, and the time of the block before it. */
export interface EpochStart {
  readonly height: number;
  readonly timeMs: number;
}

export interface EpochState {
  readonly epoch: Epoch;
  /** Blocks of this epoch. */
  readonly lengthBlocks: number;
  readonly seed: Digest;
  readonly shardBits: number;
  readonly mode: EpochMode;
  /** `epochDigest` of the record of members (`members.ts`), and of the record before it, which it names. */
  readonly membersDigest: Digest;
  readonly previousDigest: Digest;
  readonly memberCount: number;
  /** Of the last epochs in order; the last one is that of `epoch`. */
  readonly starts: readonly EpochStart[];
}

const startSchema = z
  .tuple([uint(), uint()])
  .transform(([height, timeMs]): EpochStart => ({ height, timeMs }));

export const epochStateRecord: RecordType<EpochState> = {
  name: 'epoch',
  schema: z
    .tuple([
      uint(),
      uint(EPOCH_BLOCKS_MAX),
      digestOf<Digest>(),
      uint(SHARD_BITS_MAX),
      uint(EPOCH_MODES.length - 1),
      digestOf<Digest>(),
      digestOf<Digest>(),
      uint(MEMBERS_MAX),
      listOf(startSchema, EPOCHS_KEPT_MAX).refine((starts) => starts.length > 0, 'no start'),
    ])
    .transform(
      ([
        epoch,
        lengthBlocks,
        seed,
        shardBits,
        mode,
        membersDigest,
        previousDigest,
        memberCount,
        starts,
      ]): EpochState => ({
        epoch: epoch as Epoch,
        lengthBlocks,
        seed,
        shardBits,
        mode: EPOCH_MODES[mode]!,
        membersDigest,
        previousDigest,
        memberCount,
        starts,
      }),
    ),
  tuple: (state) => [
    state.epoch,
    state.lengthBlocks,
    state.seed,
    state.shardBits,
    EPOCH_MODES.indexOf(state.mode),
    state.membersDigest,
    state.previousDigest,
    state.memberCount,
    state.starts.map(({ height, timeMs }) => [height, timeMs]),
  ],
};

export function epochStateKey(): StateKey {
  return systemKey('epoch');
}

export function epochStateOf(state: Overlay): EpochState {
  const record = state.get(epochStateKey(), epochStateRecord);
  assert(record !== undefined, 'a network has an epoch from its genesis on');
  return record;
}

export function putEpochState(state: Overlay, record: EpochState): void {
  state.put(epochStateKey(), epochStateRecord, record);
}

/** When `epoch` began; undefined for what is forgotten or yet to come. */
export function startOf(state: EpochState, epoch: number): EpochStart | undefined {
  return state.starts[epoch - firstKept(state)];
}

/** The oldest epoch whose start and validators are remembered. */
export function firstKept(state: EpochState): Epoch {
  return (state.epoch - state.starts.length + 1) as Epoch;
}

export function firstHeightOf(state: EpochState): number {
  return state.starts.at(-1)!.height;
}

export function lastHeightOf(state: EpochState): number {
  return firstHeightOf(state) + state.lengthBlocks - 1;
}

/** True for the block that `closeEpoch` belongs to. */
export function isLastOfEpoch(state: EpochState, height: number): boolean {
  return height === lastHeightOf(state);
}

/** The epoch of a height, undefined for what is forgotten or beyond this epoch. */
export function epochAt(state: EpochState, height: number): Epoch | undefined {
  if (height > lastHeightOf(state)) return undefined;
  const index = state.starts.findLastIndex((start) => start.height <= height);
  return index < 0 ? undefined : ((firstKept(state) + index) as Epoch);
}

type Now = Pick<BlockContext, 'height' | 'timeMs'>;

/**
 * Whether nobody answers for `epoch` any more: its end is further back than both ages of evidence. Neither a burst of blocks nor a wrong clock
 * is enough alone.
 */
export function isTooOld(state: EpochState, parameters: Parameters, now: Now, epoch: number): boolean {
  if (epoch >= state.epoch) return false;
  const end = startOf(state, epoch + 1);
  if (end === undefined) return true;
  const { ageBlocks, ageMs } = parameters.evidence;
  return now.height - end.height > ageBlocks && now.timeMs - end.timeMs > ageMs;
}

/** Whether stake that backed validators up to `lastEpoch` may be taken out. */
export function isFree(state: EpochState, parameters: Parameters, now: Now, lastEpoch: number): boolean {
  const isDue = state.epoch > lastEpoch + parameters.stake.unbondingEpochs;
  return isDue && isTooOld(state, parameters, now, lastEpoch);
}
