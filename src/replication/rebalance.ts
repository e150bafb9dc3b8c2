// What moves when the members change and nothing is lost: as little as possible. A node that joined gets the pieces that placement gives it now; pieces
// of a node that the new record does not name go to those who come next in their placement. Whatever else placement would have elsewhere stays where it
// is: a piece that moves for the sake of order is traffic and risk for nothing.

import { toHex } from '../base/bytes.ts';
import { type EpochRecord, type Member, shardOf } from '../base/epoch.ts';
import type { NodeId, ObjectId, SegmentId } from '../base/ids.ts';
import { REBALANCE_MOVES_MAX } from '../base/limits.ts';
import { chooseSpread, rank, shardMembers } from './placement.ts';

export interface Move {
  readonly pieceIndex: number;
  readonly from: NodeId;
  readonly to: Member;
}

/** A segment with the holder of piece i at index i. */
export interface HeldSegment {
  readonly object: ObjectId;
  readonly segment: SegmentId;
  readonly holders: readonly NodeId[];
}

export interface SegmentMoves {
  readonly held: HeldSegment;
  readonly moves: readonly Move[];
}

export class Rebalancer {
  readonly #before: ReadonlySet<string>;
  readonly #after: EpochRecord;
  readonly #members: ReadonlyMap<string, Member>;
  readonly #perGroup = new Map<number, readonly Member[]>();
  readonly #order: (members: readonly Member[], segment: SegmentId) => readonly Member[];

  /** `order` is for who has the order of placement by other means. */
  constructor(
    before: EpochRecord,
    after: EpochRecord,
    order: (members: readonly Member[], segment: SegmentId) => readonly Member[] = placementOrder,
  ) {
    this.#order = order;
    this.#before = new Set(before.members.map(({ node }) => toHex(node)));
    this.#after = after;
    this.#members = new Map(after.members.map((member) => [toHex(member.node), member]));
  }

  /**
   * Moves of one round: of the segments in the order given, until there are `limit`. All moves of a segment are in one round. The records name
   * the new holders afterwards, so a plan that is made again goes on where this one ended.
   */
  round(segments: Iterable<HeldSegment>, limit: number = REBALANCE_MOVES_MAX): readonly SegmentMoves[] {
    const round: SegmentMoves[] = [];
    let count = 0;
    for (const held of segments) {
      const moves = this.moves(held);
      if (moves.length === 0) continue;
      if (count > 0 && count + moves.length > limit) break;
      round.push({ held, moves });
      count += moves.length;
      if (count >= limit) break;
    }
    return round;
  }

  /** Moves of one segment: first the pieces that have no member as holder, then those that go to newcomers. */
  moves({ object, segment, holders }: HeldSegment): readonly Move[] {
    const order = this.#order(this.#storageMembers(object), segment);
    const target = chooseSpread(order, holders.length, this.#after.params.isTrial);
    const now = holders.map((node) => this.#members.get(toHex(node)));
    const moves: Move[] = [];
    const give = (pieceIndex: number, to: Member): void => {
      moves.push({ pieceIndex, from: holders[pieceIndex]!, to });
      now[pieceIndex] = to;
    };
    for (const pieceIndex of indicesOf(now, (holder) => holder === undefined)) {
      const heir = [...target, ...order].find((member) => this.#fits(member, pieceIndex, now));
      if (heir !== undefined) give(pieceIndex, heir);
    }
    for (const newcomer of target.filter(({ node }) => !this.#before.has(toHex(node)))) {
      const giver = this.#givers(now, target, order).find((index) => this.#fits(newcomer, index, now));
      if (giver !== undefined) give(giver, newcomer);
    }
    return moves;
  }

  /** Pieces whose holders placement does not name any more, those first whose holders stand last in it; nobody's before all others. */
  #givers(
    now: readonly (Member | undefined)[],
    target: readonly Member[],
    order: readonly Member[],
  ): readonly number[] {
    const place = (index: number): number => {
      const at = now[index] === undefined ? -1 : order.indexOf(now[index]);
      return at < 0 ? order.length : at;
    };
    return indicesOf(now, (holder) => holder === undefined || !target.includes(holder)).sort(
      (a, b) => place(b) - place(a) || a - b,
    );
  }

  /** Whether the member may hold this piece beside the holders of the others. */
  #fits(member: Member, pieceIndex: number, now: readonly (Member | undefined)[]): boolean {
    return now.every((holder, index) => {
      if (holder === member) return false;
      if (index === pieceIndex || this.#after.params.isTrial) return true;
      return holder?.operator !== member.operator;
    });
  }

  #storageMembers(object: ObjectId): readonly Member[] {
    const group = shardOf(object, this.#after.params.shardBits);
    const members = this.#perGroup.get(group) ?? shardMembers(this.#after, group);
    this.#perGroup.set(group, members);
    return members;
  }
}

function placementOrder(members: readonly Member[], segment: SegmentId): readonly Member[] {
  return rank(members, 'placement', segment);
}

function indicesOf<T>(items: readonly T[], isWanted: (item: T) => boolean): number[] {
  return [...items.keys()].filter((index) => isWanted(items[index]!));
}
