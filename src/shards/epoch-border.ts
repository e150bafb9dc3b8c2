// What the last block of an epoch does beyond its transactions. In this order, each step on what the steps before left:
//
//   1 judge the epoch: who missed too many turns is slashed a little and jailed, who slipped together pays together, and the others are rewarded;
//     what was paid for storage in it is shared by those who were found to hold
//   2 capacity that audits have proven counts; nodes below the least stake, and those that audits found silent for too long, are retired
//   3 freeze the validators of e + 2 from the stake of this moment, within the churn cap, and let go the stake they do not need
//   4 seed of e + 1, and from it the admission seeds of the nodes that were registered before this epoch
//   5 storage members and number of shards of e + 1
//   6 accepted parameters come into force, epochs that nobody answers for any more are forgotten, the new epoch begins
//
// Everything it reads is state at the end of e (so the set of e + 2 depends on nothing later), and it sends no messages. It visits every node
// once; the order in which it does makes no difference.

import { assert } from '../base/assert.ts';
import { equal } from '../base/bytes.ts';
import { epochDigest, type Member } from '../base/epoch.ts';
import type { Digest, Epoch } from '../base/ids.ts';
import { EPOCHS_KEPT_MAX } from '../base/limits.ts';
import { epochSeed } from '../consensus/beacon.ts';
import { proposerSchedule } from '../consensus/proposer.ts';
import type { ProposerSchedule, ValidatorSet } from '../consensus/types.ts';
import { judgeAudits } from './audit-border.ts';
import { bondsKey, unbondingKey } from './bonds.ts';
import { judgeTurns, reward } from './epoch-judgement.ts';
import {
  type EpochState,
  epochStateKey,
  epochStateOf,
  firstHeightOf,
  firstKept,
  isLastOfEpoch,
  isTooOld,
  putEpochState,
} from './epoch-state.ts';
import { escrowChangeKey, escrowKey, shareOut } from './escrow.ts';
import { FEES_KEY } from './fees.ts';
import { freeze, retireUnfit } from './freeze.ts';
import { proposalsKey, tally } from './governance.ts';
import { admissionSeedOf, epochRecordOf, memberOf, memberPageKeys, putMembers } from './members.ts';
import {
  nodeOf,
  type NodeRecord,
  nodeStateKey,
  operatorStateKey,
  putNode,
  type Registration,
} from './node.ts';
import { allRegistrations, nodeCount, nodeCountKey, nodePageKeys } from './node-index.ts';
import type { BlockContext } from './operation.ts';
import { type Parameters, parametersKey, parametersOf, putParameters } from './parameters.ts';
import { contributorKey, forgetContributor, turnsKey, turnsOf, resetTurns } from './turns.ts';
import { readAll } from './read-all.ts';
import { nextShardBits } from './shard-count.ts';
import { recentSlashes, settleSlashes, slashesKey } from './slashing.ts';
import { standingKey, standingOf, stateOf } from './standing.ts';
import type { StateKey } from './state-key.ts';
import { burn, supplyKey } from './supply.ts';
import {
  asValidatorSet,
  forgetEntries,
  type SetEntries,
  settledEntries,
  validatorSetKey,
} from './validator-sets.ts';
import type { Overlay } from './view.ts';

/** What a border decided. */
export interface EpochClosing {
  /** The epoch that begins with the next block. */
  readonly epoch: Epoch;
  readonly firstHeight: number;
  readonly seed: Digest;
  readonly shardBits: number;
  /** Of the epoch that begins, and of the one after it, which was frozen now. */
  readonly validators: ValidatorSet;
  readonly nextValidators: ValidatorSet;
  readonly membersDigest: Digest;
  readonly memberCount: number;
  readonly jailed: readonly Registration[];
  readonly retired: readonly Registration[];
  readonly haveParametersChanged: boolean;
}

/**
 * Throws MissingRecords until everything it needs is loaded: four rounds after `borderTouches`. The number of shards stays when `canReshape` is false:
 * they may be busy with the last change.
 */
export function closeEpoch(state: Overlay, block: BlockContext, canReshape = true): EpochClosing {
  const before = epochStateOf(state);
  assert(isLastOfEpoch(before, block.height), 'an epoch is closed by its last block');
  const parameters = parametersOf(state);
  load(state, before);
  const ending = settledEntries(state, before.epoch);
  const jailed = judgeTurns(state, parameters, before.epoch, ending);
  for (const taken of settleSlashes(state, parameters, before.epoch)) burn(state, taken);
  reward(state, parameters, ending);
  shareOut(state, parameters, before.epoch);
  const expelled = judgeAudits(state, parameters, before.epoch);
  const retired = retireUnfit(state, parameters, before.epoch, expelled);
  const next = settledEntries(state, before.epoch + 1);
  const { after, listed } = freeze(state, parameters, before.epoch, next);
  forgetChains(state, ending, [...next, ...after]);
  const newParameters = tally(state, parameters, ending, before.epoch);
  const haveParametersChanged = newParameters !== parameters;
  if (haveParametersChanged) putParameters(state, newParameters);
  const opening = open(state, block, newParameters, before, canReshape, listed);
  const starts = [...before.starts, { height: block.height + 1, timeMs: block.timeMs }];
  const begun: EpochState = { ...opening, lengthBlocks: newParameters.epochBlocks, starts };
  putEpochState(state, forgetOld(state, newParameters, block, begun));
  resetTurns(state, turnsOf(state).mix, next.length);
  return {
    epoch: begun.epoch,
    firstHeight: block.height + 1,
    seed: begun.seed,
    shardBits: begun.shardBits,
    validators: asValidatorSet(next),
    nextValidators: asValidatorSet(after),
    membersDigest: begun.membersDigest,
    memberCount: begun.memberCount,
    jailed,
    retired,
    haveParametersChanged,
  };
}

/** Who proposes when in the epoch that runs; costs some 1200 draws. */
export function scheduleOf(state: Overlay, block: Pick<BlockContext, 'sha256'>): ProposerSchedule {
  const current = epochStateOf(state);
  const set = asValidatorSet(settledEntries(state, current.epoch));
  return proposerSchedule(set, current.seed, firstHeightOf(current), block.sha256);
}

/** What a border reads whatever the state is, so that one load has it. */
export function borderTouches({ epoch }: Pick<BlockContext, 'epoch'>): readonly StateKey[] {
  return [
    epochStateKey(),
    parametersKey(),
    turnsKey(),
    slashesKey(),
    proposalsKey(),
    supplyKey(),
    FEES_KEY,
    nodeCountKey(),
    escrowKey(),
    escrowChangeKey(epoch + 1),
    ...[epoch, epoch + 1, epoch + 2].map(validatorSetKey),
  ];
}

/** The rest in two rounds: what those name, and all nodes. */
function load(state: Overlay, before: EpochState): void {
  readAll(state, borderTouches(before));
  const validators = [before.epoch, before.epoch + 1].flatMap((epoch) => settledEntries(state, epoch));
  const slashed = recentSlashes(state).map(({ registration }) => registration);
  const involved = [...validators.map(({ registration }) => registration), ...slashed];
  const count = nodeCount(state);
  readAll(state, [
    ...nodePageKeys(count),
    // Those that are there, and those that may come.
    ...memberPageKeys(Math.max(before.memberCount, count)),
    ...involved.flatMap((each) => [nodeStateKey(each), bondsKey(each), unbondingKey(each)]),
    ...validators.flatMap(({ operator, node }) => [operatorStateKey(operator), contributorKey(node)]),
  ]);
  readAll(state, [...allRegistrations(state).map(nodeStateKey), ...allRegistrations(state).map(standingKey)]);
}

/** Chains of keys that will not propose any more and are no node's key. */
function forgetChains(state: Overlay, ending: SetEntries, coming: SetEntries): void {
  for (const { node, registration } of ending) {
    const isNeeded = coming.some((entry) => equal(entry.node, node));
    const owner = nodeOf(state, registration);
    const isKey = owner !== undefined && !owner.isRetired && equal(owner.key, node);
    if (!isNeeded && !isKey) forgetContributor(state, node);
  }
}

// ---- 4 and 5: the epoch that begins ------------------------------------------------------------------------------

function open(
  state: Overlay,
  block: BlockContext,
  parameters: Parameters,
  before: EpochState,
  canReshape: boolean,
  listed: readonly NodeRecord[],
): Omit<EpochState, 'starts' | 'lengthBlocks'> {
  const epoch = (before.epoch + 1) as Epoch;
  const { mix, transactions } = turnsOf(state);
  const seed = epochSeed(block.network, epoch, mix, block.sha256);
  const members = admit(state, block, parameters, before.epoch, seed, listed);
  const load = { transactions, blocks: before.lengthBlocks, members: members.length };
  const shardBits = canReshape ? nextShardBits(parameters, before.shardBits, load) : before.shardBits;
  const header = { network: block.network, epoch, previous: before.membersDigest, seed, shardBits };
  const record = epochRecordOf(parameters, header, members);
  putMembers(state, record.members, before.memberCount);
  return {
    epoch,
    seed,
    shardBits,
    mode: before.mode,
    membersDigest: epochDigest(record, block.sha256),
    previousDigest: before.membersDigest,
    memberCount: members.length,
  };
}

/**
 * Members of the next epoch. A node of `epoch` or later has to wait: whoever makes the last reveal of `epoch` knows the seed and might
 * register for it, but nobody knows the one after.
 */
function admit(
  state: Overlay,
  block: BlockContext,
  parameters: Parameters,
  epoch: Epoch,
  seed: Digest,
  listed: readonly NodeRecord[],
): readonly Member[] {
  return listed.flatMap((node) => {
    if (node.isTombstoned || (node.admissionSeed === null && node.registeredEpoch >= epoch)) return [];
    const admissionSeed = node.admissionSeed ?? admissionSeedOf(seed, node.registration, block.sha256);
    if (node.admissionSeed === null) putNode(state, { ...node, admissionSeed });
    const standing = standingOf(state, node.registration);
    const isSuspended = stateOf(standing, parameters.audit) !== 'good';
    return [memberOf(parameters, node, admissionSeed, isSuspended)];
  });
}

// ---- 6: what is over ---------------------------------------------------------------------------------------------

function forgetOld(
  state: Overlay,
  parameters: Parameters,
  block: BlockContext,
  begun: EpochState,
): EpochState {
  let kept = begun;
  const isOld = (): boolean => isTooOld(kept, parameters, block, firstKept(kept));
  while (kept.starts.length > EPOCHS_KEPT_MAX || (kept.starts.length > 1 && isOld())) {
    forgetEntries(state, firstKept(kept));
    kept = { ...kept, starts: kept.starts.slice(1) };
  }
  return kept;
}
