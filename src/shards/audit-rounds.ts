// Audit rounds as the chain keeps them. A round begins with the first block whose time lies in another period than the last round's, or
// which is the first of its epoch: so the members and validators of a round are those of one epoch. Rounds are counted, not timed: a chain that
// stood still has skipped none.
//
// The seed follows from the reveals up to and with the block that begins the round. It asks for what was held before that block, so nobody
// chooses what to hold by the seed; whoever proposes k blocks in a row there chooses among k + 1 seeds (`beacon.ts`).

import { z } from 'zod';
import { uint32 } from '../base/bytes.ts';
import { digestOf, listOf, uint } from '../base/codec.ts';
import { digest } from '../base/hash.ts';
import type { Digest, Epoch, NodeId } from '../base/ids.ts';
import { AUDIT_GROUPS_MAX, AUDIT_ROUNDS_KEPT_MAX } from '../base/limits.ts';
import { apportion, DrawStream, shuffled } from '../base/draw.ts';
import { anchorKey } from './anchors.ts';
import { settleDisputes } from './disputes.ts';
import { epochStateKey, epochStateOf, firstHeightOf } from './epoch-state.ts';
import { memberPageKeys, membersOf } from './members.ts';
import type { BlockContext } from './operation.ts';
import { parametersKey, parametersOf } from './parameters.ts';
import type { RecordType } from './record.ts';
import type { BlockRule } from './rules.ts';
import type { StateKey } from './state-key.ts';
import { systemKey } from './system-key.ts';
import { turnsKey, turnsOf } from './turns.ts';
import { settledEntries } from './validator-sets.ts';
import type { Overlay } from './view.ts';

export interface AuditRound {
  /** Counted from 1. */
  readonly round: number;
  readonly epoch: Epoch;
  /** The block that began it. What is asked for is what was held after the block before. */
  readonly height: number;
  readonly timeMs: number;
  readonly seed: Digest;
  /** Groups that the members are audited in. */
  readonly groups: number;
}

const roundSchema = z
  .tuple([uint(), uint(), uint(), uint(), digestOf<Digest>(), uint(AUDIT_GROUPS_MAX)])
  .transform(
    ([round, epoch, height, timeMs, seed, groups]): AuditRound => ({
      round,
      epoch: epoch as Epoch,
      height,
      timeMs,
      seed,
      groups,
    }),
  );

/** The last rounds in order; the last one runs. */
export const auditRoundsRecord: RecordType<readonly AuditRound[]> = {
  name: 'audit rounds',
  schema: z.tuple([listOf(roundSchema, AUDIT_ROUNDS_KEPT_MAX)]).transform(([rounds]) => rounds),
  tuple: (rounds) => [
    rounds.map(({ round, epoch, height, timeMs, seed, groups }) => [
      round,
      epoch,
      height,
      timeMs,
      seed,
      groups,
    ]),
  ],
};

export function auditRoundsKey(): StateKey {
  return systemKey('audit');
}

export function auditRoundsOf(state: Overlay): readonly AuditRound[] {
  return state.get(auditRoundsKey(), auditRoundsRecord) ?? [];
}

export function auditRoundOf(state: Overlay, round: number): AuditRound | undefined {
  return auditRoundsOf(state).find((each) => each.round === round);
}

// ---- Beginning -----------------------------------------------------------------------------------------------

/** Opening, after the reveal of the block: begins a round when it is time, and forgets what is too old to be referred to. */
export const auditRule: BlockRule = {
  name: 'audit',
  touches: () => [auditRoundsKey(), parametersKey(), epochStateKey(), turnsKey()],
  apply: (context) => {
    const { block, state } = context;
    const rounds = auditRoundsOf(state);
    const last = rounds.at(-1);
    const { roundMs, groupNodes, roundsKept } = parametersOf(state).audit;
    const epoch = epochStateOf(state);
    const isFirst = block.height === firstHeightOf(epoch);
    const isDue = last === undefined || periodOf(block.timeMs, roundMs) > periodOf(last.timeMs, roundMs);
    if (!isFirst && !isDue) return undefined;
    const round = (last?.round ?? 0) + 1;
    const { mix } = turnsOf(state);
    const begun: AuditRound = {
      round,
      epoch: block.epoch,
      height: block.height,
      timeMs: block.timeMs,
      seed: digest('audit-seed', [block.network, uint32(round), mix], block.sha256),
      groups: Math.ceil(epoch.memberCount / groupNodes),
    };
    const all = [...rounds, begun];
    for (const old of all.slice(0, -roundsKept)) {
      settleDisputes(context, old);
      forgetAnchors(state, old);
    }
    state.put(auditRoundsKey(), auditRoundsRecord, all.slice(-roundsKept));
    return undefined;
  },
};

const periodOf = (timeMs: number, roundMs: number): number => Math.floor(timeMs / roundMs);

function forgetAnchors(state: Overlay, { round, groups }: AuditRound): void {
  for (let group = 0; group < groups; group++) state.remove(anchorKey(round, group));
}

// ---- Who checks whom -----------------------------------------------------------------------------------------

/** Nodes that are audited together, and who checks them. */
export interface AuditGroup {
  readonly round: AuditRound;
  readonly group: number;
  /** In the order of the results. */
  readonly nodes: readonly NodeId[];
  /** By index in the epoch's validator set; they add up to `seats` of the rules. */
  readonly seats: readonly number[];
}

/** Records that `auditGroup` reads. */
export function touchesOfGroups(state: Overlay): readonly StateKey[] {
  return memberPageKeys(epochStateOf(state).memberCount);
}

/** Nodes in a group: as even as can be, sizes differ by one at most. */
export function groupSize(state: Overlay, { groups }: AuditRound, group: number): number {
  const { from, to } = cut(epochStateOf(state).memberCount, groups, group);
  return to - from;
}

/** Undefined when the round has no such group, or is of another epoch than the one that runs. Throws MissingRecords. */
export function auditGroup(
  state: Overlay,
  context: Pick<BlockContext, 'epoch' | 'sha256'>,
  round: AuditRound,
  group: number,
): AuditGroup | undefined {
  if (round.epoch !== context.epoch || group >= round.groups) return undefined;
  return groupFrom(orderOf(state, context, round), context, round, group);
}

/** All groups of the round, in order: who wants more than one shuffles the members once. Throws MissingRecords. */
export function* auditGroups(
  state: Overlay,
  context: Pick<BlockContext, 'epoch' | 'sha256'>,
  round: AuditRound,
): Generator<AuditGroup> {
  if (round.epoch !== context.epoch || round.groups === 0) return;
  const order = orderOf(state, context, round);
  for (let group = 0; group < round.groups; group++) yield groupFrom(order, context, round, group);
}

/** What all groups of a round are cut from. */
interface Order {
  readonly nodes: readonly NodeId[];
  readonly powers: readonly bigint[];
  readonly seats: number;
}

function orderOf(
  state: Overlay,
  { epoch, sha256 }: Pick<BlockContext, 'epoch' | 'sha256'>,
  { seed }: AuditRound,
): Order {
  const members = membersOf(state, epochStateOf(state).memberCount).map(({ node }) => node);
  return {
    nodes: shuffled(members, new DrawStream('audit-groups', seed, sha256)),
    powers: settledEntries(state, epoch).map(({ power }) => power),
    seats: parametersOf(state).audit.seats,
  };
}

function groupFrom(
  { nodes, powers, seats }: Order,
  { sha256 }: Pick<BlockContext, 'sha256'>,
  round: AuditRound,
  group: number,
): AuditGroup {
  const { from, to } = cut(nodes.length, round.groups, group);
  const seed = digest('audit-seats', [round.seed, uint32(group)], sha256);
  const draws = new DrawStream('audit-seats', seed, sha256);
  return { round, group, nodes: nodes.slice(from, to), seats: apportion(powers, seats, draws) };
}

function cut(members: number, groups: number, group: number): { readonly from: number; readonly to: number } {
  return {
    from: Math.floor((group * members) / groups),
    to: Math.floor(((group + 1) * members) / groups),
  };
}
