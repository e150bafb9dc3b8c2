// What the state after a height's parent says of that height: everything about stake and epochs that a block is checked against and that
// agreement is told. Pure in the state, so every node says the same.

import type { Digest, Epoch } from '../base/ids.ts';
import type { Sha256 } from '../base/hash.ts';
import type { TimeoutParams, ValidatorSet } from '../consensus/types.ts';
import { validatorSetDigest } from '../consensus/validator-set.ts';
import { type EpochMode, epochStateKey, epochStateOf, isLastOfEpoch } from './epoch-state.ts';
import { parametersKey, parametersOf } from './parameters.ts';
import { readAll } from './read-all.ts';
import type { LedgerParams } from './rules.ts';
import { asValidatorSet, settledEntries, validatorSetKey } from './validator-sets.ts';
import type { Overlay } from './view.ts';

export interface HeightFacts {
  readonly epoch: Epoch;
  readonly mode: EpochMode;
  /** 2^shardBits shards. */
  readonly shardBits: number;
  /** Its block closes the epoch. */
  readonly isBorder: boolean;
  readonly validators: ValidatorSet;
  /** `validatorSetDigest` of the height after it. */
  readonly nextValidators: Digest;
  readonly params: LedgerParams;
  readonly timeouts: TimeoutParams;
}

/** `height` lies in the epoch that runs. Throws MissingRecords, twice at most. */
export function heightFacts(state: Overlay, height: number, sha256?: Sha256): HeightFacts {
  readAll(state, [epochStateKey(), parametersKey()]);
  const epochState = epochStateOf(state);
  const { epoch, mode, shardBits } = epochState;
  readAll(state, [validatorSetKey(epoch), validatorSetKey(epoch + 1)]);
  const isBorder = isLastOfEpoch(epochState, height);
  const validators = asValidatorSet(settledEntries(state, epoch));
  const next = isBorder ? asValidatorSet(settledEntries(state, epoch + 1)) : validators;
  const { fees, receiptLifetimeBlocks, timeouts } = parametersOf(state);
  return {
    epoch,
    mode,
    shardBits,
    isBorder,
    validators,
    nextValidators: validatorSetDigest(next, sha256),
    params: { feePerTransaction: fees.perTransaction, feePerByte: fees.perByte, receiptLifetimeBlocks },
    timeouts,
  };
}
