// All segments of a forecast in typed arrays: a few bytes per piece, no object per segment, and whatever one node holds is found by one pass over memory.

import { uint32 } from '../base/bytes.ts';
import { digest, type Sha256 } from '../base/hash.ts';
import type { ObjectId, SegmentId } from '../base/ids.ts';
import type { Code } from '../replication/code.ts';

/** Where a segment's repair stands; any other number is the index of its lead plus `LEAD`. */
export const NO_LEAD = 0;
/** Nobody could do it; it is looked at again when the next slot begins. */
export const WAITING = 1;
export const LEAD = 2;
/** Nodes, with room for a lead's number in two bytes. */
export const NODE_INDEX_MAX: number = 2 ** 16 - LEAD;

export class SegmentTable {
  readonly count: number;
  readonly code: Code;
  /** Of piece i of segment s at s * n + i: index of the node that the record names. */
  readonly holders: Uint16Array;
  /** Pieces not confirmed lost: what the chain knows. */
  readonly alive: Uint8Array;
  /** Pieces that still exist on the disk of their holder: what is the case. */
  readonly intact: Uint8Array;
  /** When the last loss of a piece was confirmed, in seconds. */
  readonly confirmedS: Uint32Array;
  readonly leads: Uint16Array;
  readonly #sha256: Sha256;
  readonly #seed: Uint8Array;

  constructor(count: number, code: Code, seed: Uint8Array, sha256: Sha256) {
    this.count = count;
    this.code = code;
    this.holders = new Uint16Array(count * code.n);
    this.alive = new Uint8Array(count).fill(code.n);
    this.intact = new Uint8Array(count).fill(code.n);
    this.confirmedS = new Uint32Array(count);
    this.leads = new Uint16Array(count);
    this.#sha256 = sha256;
    this.#seed = seed;
  }

  /** Each segment is of an object of its own. */
  objectId(segment: number): ObjectId {
    return digest('object', [this.#seed, uint32(segment)], this.#sha256) as Uint8Array as ObjectId;
  }

  segmentId(segment: number): SegmentId {
    const parts = [this.objectId(segment), uint32(0)];
    return digest('segment', parts, this.#sha256) as Uint8Array as SegmentId;
  }

  holder(segment: number, piece: number): number {
    return this.holders[segment * this.code.n + piece]!;
  }

  setHolder(segment: number, piece: number, node: number): void {
    this.holders[segment * this.code.n + piece] = node;
  }

  /** Calls `visit` for every piece whose holder is `node`, in order. */
  eachOf(node: number, visit: (segment: number, piece: number) => void): void {
    const { n } = this.code;
    for (let at = this.holders.indexOf(node); at >= 0; at = this.holders.indexOf(node, at + 1)) {
      visit(Math.floor(at / n), at % n);
    }
  }
}
