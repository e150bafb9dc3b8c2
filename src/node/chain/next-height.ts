// What is settled about the height to come: who decides it, who proposes when, and what its block is checked against. Read from the
// state after the head, so every node that has the head says the same.

import type { NetworkId } from '../../base/ids.ts';
import type { Sha256 } from '../../base/hash.ts';
import type { Verify } from '../../base/ports.ts';
import type { ProposerSchedule, TimeoutParams, ValidatorSet } from '../../consensus/types.ts';
import type { ChainContext, Parent } from '../../shards/apply.ts';
import { scheduleOf } from '../../shards/epoch-border.ts';
import { epochAt, epochStateOf } from '../../shards/epoch-state.ts';
import { type HeightFacts, heightFacts } from '../../shards/height-facts.ts';
import { lanesIn } from '../../shards/outbox.ts';
import type { Rules } from '../../shards/rules.ts';
import { asValidatorSet, settledEntries } from '../../shards/validator-sets.ts';
import { type LoadedState, Overlay } from '../../shards/view.ts';
import { type RecordSource, settle } from './settle.ts';
import type { Head } from './types.ts';

/** Who votes and proposes at a height. */
export interface HeightRoles {
  readonly validators: ValidatorSet;
  readonly proposers: ProposerSchedule;
}

export interface NextHeight {
  readonly height: number;
  readonly roles: HeightRoles;
  readonly context: ChainContext;
  readonly timeouts: TimeoutParams;
  /** Receipts wait to be executed. */
  readonly hasReceipts: boolean;
}

/** What is the same for every block. */
export interface ChainRules {
  readonly networkId: NetworkId;
  readonly rules: Rules;
  readonly sha256: Sha256;
  readonly verify: Verify;
}

/**
 * Roles do not change within an epoch: `known` are those of the height before, taken over where they still hold. `loaded` has some records
 * of the state after the head.
 */
export function nextHeight(
  source: RecordSource,
  loaded: LoadedState,
  head: Head,
  chain: ChainRules,
  known: NextHeight | undefined,
): Promise<NextHeight> {
  const height = head.height + 1;
  return settle(source, loaded, () => {
    const state = new Overlay(loaded);
    const facts = heightFacts(state, height, chain.sha256);
    const isSameEpoch = known !== undefined && known.context.epoch === facts.epoch;
    const roles: HeightRoles = isSameEpoch
      ? known.roles
      : { validators: facts.validators, proposers: scheduleOf(state, chain) };
    const parent: Parent = { ...head, validators: known?.roles.validators ?? decidersOf(state, head) };
    const { current, previous } = lanesIn(state);
    return {
      height,
      roles,
      context: contextOf(chain, parent, facts, roles),
      timeouts: facts.timeouts,
      hasReceipts: current.pending + (previous?.pending ?? 0) > 0,
    };
  });
}

/** Who decided the head: after a border, the set of the epoch before. Nobody decided genesis. */
function decidersOf(state: Overlay, head: Head): ValidatorSet | undefined {
  if (head.height === 0) return undefined;
  const epoch = epochAt(epochStateOf(state), head.height);
  return epoch === undefined ? undefined : asValidatorSet(settledEntries(state, epoch));
}

function contextOf(chain: ChainRules, parent: Parent, facts: HeightFacts, roles: HeightRoles): ChainContext {
  const { epoch, nextValidators, shardBits, isBorder, params } = facts;
  return {
    network: chain.networkId,
    rules: chain.rules,
    sha256: chain.sha256,
    verify: chain.verify,
    parent,
    epoch,
    validators: roles.validators,
    nextValidators,
    shardBits,
    isBorder,
    params,
  };
}
