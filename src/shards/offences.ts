// Evidence before the chain: is it true, is it in time, who answers for it.
//
// The set is the one of the evidence's height, whatever keys its nodes have by now. Nobody needs to be trusted: the evidence convicts, not whoever
// brings it.

import { StoreError } from '../base/errors.ts';
import { CONSENSUS_MESSAGE_LENGTH_MAX, EVIDENCE_PER_BLOCK_MAX } from '../base/limits.ts';
import { decodeEvidence, guiltyOf, verifyEvidence } from '../consensus/evidence.ts';
import type { Evidence } from '../consensus/types.ts';
import { type Amounts, minusAmounts, NOTHING, plusAmounts } from './amounts.ts';
import { epochAt, epochStateKey, epochStateOf, isTooOld } from './epoch-state.ts';
import type { OffenceClass } from './node.ts';
import type { BlockContext, RefusalCode } from './operation.ts';
import { parametersKey, parametersOf } from './parameters.ts';
import { punish, reporterShare, slashesKey } from './slashing.ts';
import type { StateKey } from './state-key.ts';
import { burn, supplyKey } from './supply.ts';
import { asValidatorSet, entriesOf } from './validator-sets.ts';
import { Overlay } from './view.ts';

export type Judgement =
  | { readonly refusal: RefusalCode }
  /** To be given to whoever brought it: taken from the guilty, and not burned. */
  | { readonly refusal: undefined; readonly reward: Amounts };

/** In form, or undefined. Costs no signature. */
export function readEvidence(bytes: Uint8Array): Evidence | undefined {
  if (bytes.length > CONSENSUS_MESSAGE_LENGTH_MAX) return undefined;
  try {
    return decodeEvidence(bytes);
  } catch (error) {
    if (error instanceof StoreError) return undefined;
    throw error;
  }
}

/**
 * Slashes and tombstones who `evidence` proves guilty. Refused without a trace: `too-early` for heights to come, `too-late` when both of its ages
 * are above the limits, `invalid-evidence` when it proves nothing against anybody, `already-exists` when all have answered for it.
 */
export function judge(state: Overlay, block: BlockContext, evidence: Evidence): Judgement {
  const epochState = epochStateOf(state);
  const parameters = parametersOf(state);
  const height = heightOf(evidence);
  if (height > block.height) return { refusal: 'too-early' };
  const epoch = epochAt(epochState, height);
  if (epoch === undefined || isTooOld(epochState, parameters, block, epoch)) return { refusal: 'too-late' };
  const set = entriesOf(state, epoch);
  if (set === undefined) return { refusal: 'too-late' };
  const problem = verifyEvidence(block.network, asValidatorSet(set), evidence, block.verify);
  const guilty = problem === undefined ? guiltyOf(evidence) : [];
  if (guilty.length === 0) return { refusal: 'invalid-evidence' };
  const kind = classOf(evidence);
  const punished = guilty.map((index) =>
    punish(state, parameters, block.epoch, epoch, set, set[index]!, kind),
  );
  if (punished.every(({ refusal }) => refusal !== undefined)) return { refusal: punished[0]!.refusal! };
  const taken = punished.reduce((sum, each) => plusAmounts(sum, each.taken), NOTHING);
  const reward = reporterShare(parameters, taken);
  burn(state, minusAmounts(taken, reward) ?? NOTHING);
  return { refusal: undefined, reward };
}

/** Those of `candidates`, in order, that a block may carry together: each convicts somebody who has not answered yet. */
export function convicting(
  state: Overlay,
  block: BlockContext,
  candidates: readonly Evidence[],
): readonly Evidence[] {
  const trial = new Overlay(state);
  const taken = candidates.filter((evidence) => judge(trial, block, evidence).refusal === undefined);
  return taken.slice(0, EVIDENCE_PER_BLOCK_MAX);
}

/** Records that `judge` reads whatever the evidence says; those of the guilty come on top. */
export function judgementTouches(): readonly StateKey[] {
  return [epochStateKey(), parametersKey(), slashesKey(), supplyKey()];
}

function heightOf(evidence: Evidence): number {
  switch (evidence.kind) {
    case 'double-vote':
    case 'double-proposal':
      return evidence.first.height;
    case 'amnesia':
      return evidence.precommit.height;
    case 'light-client-attack':
      return evidence.committed.height;
  }
}

/** A double message may be a slip of two machines with one key; to forget a lock, or to decide twice, is none. */
function classOf(evidence: Evidence): OffenceClass {
  switch (evidence.kind) {
    case 'double-vote':
    case 'double-proposal':
      return 'double-sign';
    case 'amnesia':
    case 'light-client-attack':
      return 'attack';
  }
}
