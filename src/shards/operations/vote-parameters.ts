// A validator's operator says yes to a proposal, or takes its yes back. Counted at each border, with the power of that epoch.

import { z } from 'zod';
import { digestOf } from '../../base/codec.ts';
import type { Digest } from '../../base/ids.ts';
import { proposalsKey, vote } from '../governance.ts';
import { systemOperation, type SystemOperation } from '../system-operation.ts';
import { settledEntries, validatorSetKey } from '../validator-sets.ts';

export interface VoteParameters {
  /** Digest of the transaction that made the proposal. */
  readonly proposal: Digest;
  readonly isYes: boolean;
}

export const voteParameters: SystemOperation<VoteParameters> = systemOperation({
  kind: 'vote-parameters',
  tag: 28,
  schema: z.tuple([digestOf<Digest>(), z.boolean()]).transform(([proposal, isYes]) => ({ proposal, isYes })),
  tuple: ({ proposal, isYes }) => [proposal, isYes],
  touches: (_from, _action, block) => [proposalsKey(), validatorSetKey(block.epoch)],
  execute: ({ state, block }, { from, action }) =>
    vote(state, settledEntries(state, block.epoch), from, action.proposal, action.isYes),
});
