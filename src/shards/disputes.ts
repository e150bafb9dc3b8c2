// Results that somebody says are false: that a node showed what it was asked for. Auditors vouch for each such result, and for each there is an
// opening that the node signed, or there is none. So whoever doubts one puts a bond on it, and whoever can show the opening gets the bond; when
// nobody has by the time the round is forgotten, those who signed the anchor pay, and the bond goes back with a part of it.
//
// A dispute holds what it takes to judge an answer, so that nothing hangs on what becomes of the object. It is taken in the newer half of the rounds that
// are kept, which leaves the other half to answer. An opening that the node signs only then is taken too: nothing tells it from one of the time.
//
// Invariants: at most DISPUTES_MAX are open or owed; each result is disputed once at a time; a bond is in the record or was sent, never both.

import { z } from 'zod';
import { bigUint, decodeCanonical, digestOf, listOf, uint } from '../base/codec.ts';
import type { Digest, NodeId, OwnerId } from '../base/ids.ts';
import { AUDIT_GROUPS_MAX, AUDIT_ROUND_MAX, DISPUTES_MAX, STATE_RECORD_LENGTH_MAX } from '../base/limits.ts';
import type { Asked } from '../proofs/draw.ts';
import { askedSchema, askedTuple, type Content } from '../proofs/opening.ts';
import { RESULTS_MAX } from '../proofs/results.ts';
import { amountOf, type Amounts, amountsSchema, NATIVE, NOTHING, plusAmounts } from './amounts.ts';
import { anchorOf } from './anchors.ts';
import type { AuditRound } from './audit-rounds.ts';
import { sumOf } from './bonds.ts';
import { chargeAuditors } from './false-audits.ts';
import type { RecordType } from './record.ts';
import type { RuleContext } from './rules.ts';
import { homeOf, type RecordKind, type StateKey } from './state-key.ts';
import { systemKey } from './system-key.ts';
import type { Overlay } from './view.ts';

/** A result by where it stands. */
export interface ResultName {
  readonly round: number;
  readonly group: number;
  /** Its number among the results of the group. */
  readonly index: number;
}

export interface Dispute extends ResultName {
  /** Who is said to have shown what. */
  readonly node: NodeId;
  readonly asked: Asked;
  /** What was to be shown, by the object's records. */
  readonly content: Content;
  /** Who says that it did not, and the native tokens that go to whoever shows the opening. */
  readonly disputer: OwnerId;
  readonly bond: bigint;
}

/** What could not be sent when it was due. */
interface Owed {
  readonly owner: OwnerId;
  readonly amounts: Amounts;
}

export interface Disputes {
  readonly open: readonly Dispute[];
  readonly owed: readonly Owed[];
}

// ---- Record --------------------------------------------------------------------------------------------------

const disputeSchema = z
  .tuple([
    z.tuple([uint(AUDIT_ROUND_MAX), uint(AUDIT_GROUPS_MAX - 1), uint(RESULTS_MAX - 1)]),
    digestOf<NodeId>(),
    askedSchema,
    z.tuple([digestOf<Digest>(), uint()]),
    digestOf<OwnerId>(),
    bigUint,
  ])
  .transform(
    ([[round, group, index], node, asked, [root, lengthBytes], disputer, bond]): Dispute => ({
      round,
      group,
      index,
      node,
      asked,
      content: { root, lengthBytes },
      disputer,
      bond,
    }),
  );

const disputeTuple = (dispute: Dispute): readonly unknown[] => [
  [dispute.round, dispute.group, dispute.index],
  dispute.node,
  askedTuple(dispute.asked),
  [dispute.content.root, dispute.content.lengthBytes],
  dispute.disputer,
  dispute.bond,
];

const owedSchema = z
  .tuple([digestOf<OwnerId>(), amountsSchema])
  .transform(([owner, amounts]): Owed => ({ owner, amounts }));

export const disputesRecord: RecordType<Disputes> = {
  name: 'disputes',
  schema: z
    .tuple([listOf(disputeSchema, DISPUTES_MAX), listOf(owedSchema, DISPUTES_MAX)])
    .transform(([open, owed]): Disputes => ({ open, owed })),
  tuple: ({ open, owed }) => [open.map(disputeTuple), owed.map(({ owner, amounts }) => [owner, amounts])],
};

export const disputesKey = (): StateKey => systemKey('disputes');

/** For the audit of the supply. */
export const DISPUTE_HOLDINGS: ReadonlyMap<RecordKind, (record: Uint8Array) => Amounts> = new Map([
  [
    'disputes',
    (record: Uint8Array) => {
      const { open, owed } = decodeCanonical(
        disputesRecord.schema,
        record,
        STATE_RECORD_LENGTH_MAX,
        'disputes',
      );
      return sumOf([
        ...open.map(({ bond }) => amountOf(NATIVE, bond)),
        ...owed.map(({ amounts }) => amounts),
      ]);
    },
  ],
] as const);

export function disputesOf(state: Overlay): Disputes {
  return state.get(disputesKey(), disputesRecord) ?? { open: [], owed: [] };
}

export function putDisputes(state: Overlay, disputes: Disputes): void {
  if (disputes.open.length === 0 && disputes.owed.length === 0) state.remove(disputesKey());
  else state.put(disputesKey(), disputesRecord, disputes);
}

// ---- Time ----------------------------------------------------------------------------------------------------

/** Whether so old a round can still be disputed, and leaves half of the rounds kept to answer. */
export function isDisputable(round: number, lastRound: number, roundsKept: number): boolean {
  return 2 * (lastRound - round) < roundsKept;
}

export const isSameResult = (a: ResultName, b: ResultName): boolean =>
  a.round === b.round && a.group === b.group && a.index === b.index;

// ---- End -----------------------------------------------------------------------------------------------------

/** Nobody has answered what is disputed of the round, which is about to be forgotten. Throws MissingRecords. */
export function settleDisputes({ state, send }: RuleContext, round: AuditRound): void {
  const { open, owed } = disputesOf(state);
  const lost = open.filter((dispute) => dispute.round === round.round);
  if (lost.length === 0 && owed.length === 0) return;
  const due = lost.map((dispute): Owed => {
    const reward = rewardFor(state, round, dispute);
    return { owner: dispute.disputer, amounts: plusAmounts(amountOf(NATIVE, dispute.bond), reward) };
  });
  const unsent = [...owed, ...due].filter(({ owner, amounts }) => {
    if (amounts.length === 0) return false;
    const to = homeOf('account', owner);
    return !send({ to, kind: 'credit', payload: {}, value: amounts, refundTo: owner });
  });
  putDisputes(state, { open: open.filter((dispute) => dispute.round !== round.round), owed: unsent });
}

function rewardFor(state: Overlay, round: AuditRound, { group }: Dispute): Amounts {
  const auditors = anchorOf(state, round.round, group)?.auditors ?? [];
  return chargeAuditors(state, round, group, auditors) ?? NOTHING;
}
