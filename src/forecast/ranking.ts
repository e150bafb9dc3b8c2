// The order of placement, millions of times: the same order as `rank` of `replication/placement.ts`, with the draws as floating-point numbers. Where two
// draws are so close that rounding could swap them, `rank` itself decides, so the order is always the network's.

import { toUtf8 } from '../base/bytes.ts';
import type { Member } from '../base/epoch.ts';
import { DIGEST_LENGTH, type SegmentId } from '../base/ids.ts';
import { rank, weightOf } from '../replication/placement.ts';
import { FastHash } from './fast-hash.ts';

/** Twice what truncation in `rank`, 2^-40 and the rounding of forty squarings, and that of doubles come to. */
const UNCERTAINTY: number = 2 ** -36;
const TAG: Uint8Array = toUtf8('holdfast/placement');

export class Ranking {
  /** Of length of tag | tag | admission seed | segment id. */
  readonly #hash = new FastHash(1 + TAG.length + 2 * DIGEST_LENGTH);
  readonly #weights = new Map<Member, number>();

  constructor() {
    this.#hash.message[0] = TAG.length;
    this.#hash.message.set(TAG, 1);
  }

  /** `members` in their order for this segment. */
  order(members: readonly Member[], segment: SegmentId): readonly Member[] {
    this.#hash.message.set(segment, 1 + TAG.length + DIGEST_LENGTH);
    const draws = new Float64Array(members.length);
    const order = new Uint32Array(members.length);
    for (let index = 0; index < members.length; index++) {
      const draw = this.#draw(members[index]!);
      // Insertion: tens of members, and no comparator to call.
      let at = index;
      for (; at > 0 && draws[at - 1]! > draw; at--) {
        draws[at] = draws[at - 1]!;
        order[at] = order[at - 1]!;
      }
      draws[at] = draw;
      order[at] = index;
    }
    const ranked = Array.from(order, (index) => members[index]!);
    return this.#isCertain(draws, ranked) ? ranked : rank(members, 'placement', segment);
  }

  #draw(member: Member): number {
    this.#hash.message.set(member.admissionSeed, 1 + TAG.length);
    this.#hash.run();
    const uniform = (this.#hash.high + (this.#hash.low + 1) / 2 ** 32) / 2 ** 32;
    return -Math.log2(uniform) / this.#weight(member);
  }

  #isCertain(draws: Float64Array, ranked: readonly Member[]): boolean {
    for (let at = 1; at < draws.length; at++) {
      const weight = Math.min(this.#weight(ranked[at - 1]!), this.#weight(ranked[at]!));
      const rounding = UNCERTAINTY / weight + draws[at]! * 2 ** -48;
      if (draws[at]! - draws[at - 1]! <= rounding) return false;
    }
    return true;
  }

  #weight(member: Member): number {
    let weight = this.#weights.get(member);
    if (weight === undefined) {
      weight = Number(weightOf(member));
      this.#weights.set(member, weight);
    }
    return weight;
  }
}
