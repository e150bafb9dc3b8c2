// Who repairs a segment now, and who gets its missing pieces: worked out by everybody alike from the epoch record and the standings on chain, so no
// message claims work and none has to be believed.
//
// One node leads the repair of a segment: it fetches k pieces, makes the missing ones and hands out those that are not its own, which moves k + m - 1
// pieces instead of the k * m that m repairers would move. The new holders follow the segment's own placement among the members that are
// healthy and hold none of it, so what is repaired lies where later readers and rebalancing look for it. Pieces stay apart as placement keeps them:
// one per operator, failure domains evenly used while there is a choice.
//
// Time goes in slots from the moment when the last of the missing pieces was confirmed lost; in each the lead is another member, until all had their
// turn. A lead that is dead or slow costs a slot. Two that overlap at the border of slots both work, and the chain takes what comes first.

import { type EpochRecord, type Member, shardOf } from '../base/epoch.ts';
import type { ObjectId, SegmentId } from '../base/ids.ts';
import { REPAIR_SLOT_MS } from '../base/limits.ts';
import { evenShares, rank, shardMembers } from './placement.ts';
import type { Holding } from './repair.ts';

export interface NewHolder {
  readonly pieceIndex: number;
  readonly holder: Member;
}

export interface RepairLease {
  /** Rebuilds all the pieces; the new holder of at least one of them. */
  readonly lead: Member;
  /** At most one for each missing piece, in the order of the pieces; fewer when the members run out. */
  readonly targets: readonly NewHolder[];
}

export interface LeaseRequest {
  /** Holding of piece i at index i. */
  readonly holdings: readonly Holding[];
  /** Indices of the pieces that need a new holder. */
  readonly missing: readonly number[];
  /** Whether a member may be given anything: it answers, is not leaving, and has room. */
  readonly mayHold: (member: Member) => boolean;
  /** From `repairTurn`. */
  readonly turn: number;
  /** One-machine trial: operators are not told apart. */
  readonly allowSameOperator?: boolean;
}

/** Number of the slot, from 0, in which a segment is at `timeMs` whose last missing piece was confirmed lost at `confirmedMs`. */
export function repairTurn(confirmedMs: number, timeMs: number, slotMs: number = REPAIR_SLOT_MS): number {
  return Math.max(0, Math.floor((timeMs - confirmedMs) / slotMs));
}

/** Storage members for the object, in the order in which they are asked to take pieces of a segment. */
export function repairOrder(record: EpochRecord, object: ObjectId, segment: SegmentId): readonly Member[] {
  return rank(shardMembers(record, shardOf(object, record.params.shardBits)), 'placement', segment);
}

/** Who repairs in this turn, given `repairOrder`; undefined when no member can take any piece. */
export function repairLease(order: readonly Member[], request: LeaseRequest): RepairLease | undefined {
  const { holdings, missing, mayHold } = request;
  const holders = new Set(holdings.map(({ member }) => member));
  const able = order.filter((member) => !holders.has(member) && mayHold(member));
  const candidates = able.filter((member) =>
    missing.some((pieceIndex) => isApart(member, pieceIndex, request)),
  );
  if (candidates.length === 0) return undefined;
  const start = request.turn % candidates.length;
  const turned = [...candidates.slice(start), ...candidates.slice(0, start)];
  const targets = chooseTargets(order, turned, request);
  return { lead: turned[0]!, targets };
}

/** Whether the member's operator holds none of the other pieces. A holder that is lost counts until it is no member any more: it may return. */
function isApart(member: Member, pieceIndex: number, { holdings, allowSameOperator }: LeaseRequest): boolean {
  if (allowSameOperator === true) return true;
  return holdings.every((other, index) => index === pieceIndex || other.member?.operator !== member.operator);
}

/** The lead always gets a piece; bounds of failure domains are raised until all pieces have a holder, or as many as can have one. */
function chooseTargets(
  order: readonly Member[],
  candidates: readonly Member[],
  request: LeaseRequest,
): readonly NewHolder[] {
  const n = request.holdings.length;
  const shareOf = evenShares(order, n);
  let best: readonly NewHolder[] = [];
  for (let slack = 0; slack <= n; slack++) {
    const targets = pickTargets(candidates, request, (label) => shareOf(label) + slack);
    if (targets.length > best.length) best = targets;
    if (best.length === Math.min(request.missing.length, candidates.length)) break;
  }
  return best.toSorted((a, b) => a.pieceIndex - b.pieceIndex);
}

function pickTargets(
  candidates: readonly Member[],
  request: LeaseRequest,
  bound: (label: string) => number,
): readonly NewHolder[] {
  const open = new Set(freeFirst(candidates, request));
  const operators = new Set<string>();
  const perDomain = domainCounts(request);
  const targets: NewHolder[] = [];
  for (const [index, holder] of candidates.entries()) {
    if (open.size === 0) break;
    if (request.allowSameOperator !== true && operators.has(holder.operator)) continue;
    const keys = holder.domains.map(([label, value]) => ({ label, key: `${label}=${value}` }));
    // The lead is taken as it is: turns go by order, and a lead without a piece would work for nothing.
    if (index > 0 && keys.some(({ label, key }) => (perDomain.get(key) ?? 0) >= bound(label))) continue;
    const pieceIndex = [...open].find((piece) => isApart(holder, piece, request));
    if (pieceIndex === undefined) continue;
    open.delete(pieceIndex);
    operators.add(holder.operator);
    for (const { key } of keys) perDomain.set(key, (perDomain.get(key) ?? 0) + 1);
    targets.push({ pieceIndex, holder });
  }
  return targets;
}

/** A former holder's operator may have another node, which can take that piece and no other: the rest is given away before it. */
function freeFirst(candidates: readonly Member[], { holdings, missing }: LeaseRequest): readonly number[] {
  const operators = new Set(candidates.map(({ operator }) => operator));
  const isBound = (index: number): boolean => {
    const { member } = holdings[index]!;
    return member !== undefined && operators.has(member.operator);
  };
  return [...missing.filter((index) => !isBound(index)), ...missing.filter(isBound)];
}

/** Pieces per value of a failure domain, of those that stay where they are. */
function domainCounts({ holdings, missing }: LeaseRequest): Map<string, number> {
  const counts = new Map<string, number>();
  const moved = new Set(missing);
  holdings.forEach(({ member }, index) => {
    if (member === undefined || moved.has(index)) return;
    for (const [label, value] of member.domains) {
      const key = `${label}=${value}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  });
  return counts;
}
