// Where others may begin: the last blocks of epochs, whose states are kept for them, and what names those states.

import type { Sha256 } from '../../base/hash.ts';
import type { Epoch } from '../../base/ids.ts';
import { validatorSetDigest } from '../../consensus/validator-set.ts';
import type { Checkpoint } from '../../shards/checkpoint.ts';
import { epochStateOf, firstKept } from '../../shards/epoch-state.ts';
import type { LightBlock } from '../../shards/light-block.ts';
import type { CheckpointReply } from '../../shards/sync-messages.ts';
import { asValidatorSet, settledEntries } from '../../shards/validator-sets.ts';
import { LoadedState, Overlay } from '../../shards/view.ts';
import type { Chain } from './chain.ts';
import { settle } from './settle.ts';
import type { ChainStore } from './types.ts';

export interface Border {
  /** Of the last block of an epoch. */
  readonly height: number;
  /** The epoch that begins after it. */
  readonly epoch: Epoch;
}

/** The newest first; genesis is none. */
export async function bordersOf(chain: Pick<Chain, 'load'>): Promise<readonly Border[]> {
  const { starts, first } = await settle(chain, new LoadedState(), (loaded) => {
    const state = epochStateOf(new Overlay(loaded));
    return { starts: state.starts, first: firstKept(state) };
  });
  return starts
    .map(({ height }, index): Border => ({ height: height - 1, epoch: (first + index) as Epoch }))
    .filter(({ height }) => height > 0)
    .toReversed();
}

export interface CheckpointPorts {
  readonly chain: Pick<Chain, 'head' | 'load'>;
  readonly store: Pick<ChainStore, 'hasState' | 'oldestBlock' | 'prove'>;
  readonly sha256: Sha256;
  readonly light: (height: number) => Promise<LightBlock>;
}

/** Of the newest border whose state is here and that the next block names; undefined when there is none. */
export async function checkpointReply(ports: CheckpointPorts): Promise<CheckpointReply | undefined> {
  const { chain, store, light, sha256 } = ports;
  const borders = await bordersOf(chain);
  const newest = borders.find(
    ({ height }) => height < chain.head.height && store.hasState(height) && height >= store.oldestBlock,
  );
  if (newest === undefined) return undefined;
  const { height, epoch } = newest;
  const [last, first, { shards }, nextSetDigest] = await Promise.all([
    light(height),
    light(height + 1),
    store.prove(height, []),
    setDigestOf(chain, epoch + 1, sha256),
  ]);
  return { checkpoint: checkpointIn(first, nextSetDigest), last, first, shards };
}

/** What the first header of an epoch says of the state before it. */
export function checkpointIn({ header }: LightBlock, nextSetDigest: Checkpoint['nextSetDigest']): Checkpoint {
  return {
    network: header.network,
    epoch: header.epoch,
    height: header.height - 1,
    blockId: header.parent,
    stateRoot: header.stateRoot,
    setDigest: header.validators,
    nextSetDigest,
  };
}

async function setDigestOf(
  chain: Pick<Chain, 'load'>,
  epoch: number,
  sha256: Sha256,
): Promise<Checkpoint['setDigest']> {
  const { set } = await settle(chain, new LoadedState(), (loaded) => ({
    set: asValidatorSet(settledEntries(new Overlay(loaded), epoch)),
  }));
  return validatorSetDigest(set, sha256);
}
