// Rules about audits that validators may change: how often, how much is asked, how many check, and what follows from silence. Part of the
// parameters of a network.

import { z } from 'zod';
import { bigUint, uint } from '../base/codec.ts';
import {
  ASSET_SUPPLY_MAX,
  AUDIT_GROUP_NODES_MAX,
  AUDIT_LEAVES_MAX,
  AUDIT_ROUND_MS_MAX,
  AUDIT_ROUNDS_KEPT_MAX,
  AUDIT_SEATS_MAX,
  SWEEP_ROUNDS_MAX,
} from '../base/limits.ts';

export interface AuditRules {
  /** Time from one round to the next. */
  readonly roundMs: number;
  /** Leaves asked of a node in a round, drawn by size. */
  readonly leaves: number;
  /** In so many rounds every piece is asked for once at least, however small it is. */
  readonly sweepRounds: number;
  /** Seats of auditors for a group of nodes, and nodes of a group. */
  readonly seats: number;
  readonly groupNodes: number;
  /** Rounds whose results can be disputed and referred to. */
  readonly roundsKept: number;
  /** Silent rounds in a row after which a node gets nothing new... */
  readonly suspendRounds: number;
  /** ...after which what it holds is lost, and repaired... */
  readonly lostRounds: number;
  /** ...and after which it is out. */
  readonly expelRounds: number;
  /** Share of the stake of a node, in millionths, that a piece costs which it lost and did not admit to have lost. */
  readonly lostPiecePerMillion: number;
  /** Share of its stake that a node loses which is put out. */
  readonly expelPerMillion: number;
  /** Share of its stake that an auditor loses which signed an anchor against its own receipt, or for what nobody can show. */
  readonly liePerMillion: number;
  /** Native tokens that go to whoever shows that a disputed result is true. */
  readonly disputeBond: bigint;
  /** Blocks from the registration of pieces until their loss costs anything: some holders are named before they have them. */
  readonly graceBlocks: number;
}

/**
 * Ten minutes, 4,608 leaves a day: 1 % of missing data is found in two and a half hours, 0.1 % in a day, with 99 %. Offline for half an hour:
 * nothing new. Four hours: repaired elsewhere. Two days: out.
 */
export const DEFAULT_AUDIT: AuditRules = {
  roundMs: 600_000,
  leaves: 32,
  // 90 days: a node with 10 TB shows some 300 pieces a round for it.
  sweepRounds: 12_960,
  seats: 21,
  groupNodes: 16,
  roundsKept: 12,
  suspendRounds: 3,
  lostRounds: 24,
  expelRounds: 288,
  lostPiecePerMillion: 10,
  expelPerMillion: 10_000,
  liePerMillion: 10_000,
  disputeBond: 10n,
  // Three rounds at a block a second.
  graceBlocks: 1800,
};

const perMillion = uint(1_000_000);

export const auditRulesSchema: z.ZodType<AuditRules> = z
  .tuple([
    z.tuple([uint(AUDIT_ROUND_MS_MAX), uint(AUDIT_LEAVES_MAX), uint(SWEEP_ROUNDS_MAX)]),
    z.tuple([uint(AUDIT_SEATS_MAX), uint(AUDIT_GROUP_NODES_MAX), uint(AUDIT_ROUNDS_KEPT_MAX)]),
    z.tuple([uint(), uint(), uint()]),
    z.tuple([perMillion, perMillion, perMillion]),
    z.tuple([bigUint, uint()]),
  ])
  .transform(
    ([
      [roundMs, leaves, sweepRounds],
      [seats, groupNodes, roundsKept],
      [suspendRounds, lostRounds, expelRounds],
      [lostPiecePerMillion, expelPerMillion, liePerMillion],
      [disputeBond, graceBlocks],
    ]): AuditRules => ({
      roundMs,
      leaves,
      sweepRounds,
      seats,
      groupNodes,
      roundsKept,
      suspendRounds,
      lostRounds,
      expelRounds,
      lostPiecePerMillion,
      expelPerMillion,
      liePerMillion,
      disputeBond,
      graceBlocks,
    }),
  );

export const auditRulesTuple = (rules: AuditRules): readonly unknown[] => [
  [rules.roundMs, rules.leaves, rules.sweepRounds],
  [rules.seats, rules.groupNodes, rules.roundsKept],
  [rules.suspendRounds, rules.lostRounds, rules.expelRounds],
  [rules.lostPiecePerMillion, rules.expelPerMillion, rules.liePerMillion],
  [rules.disputeBond, rules.graceBlocks],
];

/** What is wrong with rules that are in form; undefined when nothing is. */
export function auditRulesProblem(rules: AuditRules): string | undefined {
  const { roundMs, leaves, sweepRounds, seats, groupNodes, roundsKept } = rules;
  if (roundMs < 1 || leaves < 1 || sweepRounds < 1) return 'an audit takes time and asks for something';
  if (seats < 1 || groupNodes < 1) return 'a group has nodes, and seats that check them';
  if (roundsKept < 2) return 'a result can be referred to while the next round runs';
  if (rules.disputeBond > ASSET_SUPPLY_MAX) return 'a dispute costs more than there may be of an asset';
  const { suspendRounds, lostRounds, expelRounds } = rules;
  const isLadder = 1 <= suspendRounds && suspendRounds < lostRounds && lostRounds < expelRounds;
  return isLadder ? undefined : 'a node is suspended before it is lost, and lost before it is out';
}
