// What a node says of its audits to programs of its machine: what the chain says it holds, and what the last rounds asked of it.

import { equal } from '../../base/bytes.ts';
import type { NodeId } from '../../base/ids.ts';
import type { Asked } from '../../proofs/draw.ts';
import type { HoldingsStore } from './holdings-store.ts';
import type { RoundWatcher, WatchedRound } from './round-watcher.ts';

export interface AuditViewRound {
  readonly round: number;
  /** Of the block that began it. */
  readonly height: number;
  readonly timeMs: number;
  /** Group in which the node is audited, and validators with seats there; undefined where it is no member. */
  readonly group: number | undefined;
  readonly auditors: number;
  /** Groups that this node audits. */
  readonly audits: number;
  readonly asked: readonly Asked[];
}

export interface AuditView {
  /** Pieces and copies of manifests that the chain says the node holds, and their leaves of a kibibyte. */
  readonly pieces: number;
  readonly leaves: number;
  /** The last that this node took part in, the newest last. */
  readonly rounds: readonly AuditViewRound[];
}

/** Throws BUSY while the index of holdings is built. */
export async function auditView(
  watcher: Pick<RoundWatcher, 'rounds'>,
  holdings: Pick<HoldingsStore, 'classes'>,
  self: NodeId,
): Promise<AuditView> {
  const classes = await holdings.classes(self);
  return {
    pieces: classes.reduce((sum, { count }) => sum + count, 0),
    leaves: classes.reduce((sum, { weight }) => sum + weight, 0),
    rounds: watcher.rounds.map((watched) => roundView(watched, self)),
  };
}

function roundView({ round, own, ownGroup, groups }: WatchedRound, self: NodeId): AuditViewRound {
  const isMember = ownGroup?.nodes.some((node) => equal(node, self)) === true;
  return {
    round: round.round,
    height: round.height,
    timeMs: round.timeMs,
    group: isMember ? ownGroup.group : undefined,
    auditors: ownGroup?.seats.filter((seats) => seats > 0).length ?? 0,
    audits: groups.length,
    asked: own.asked,
  };
}
