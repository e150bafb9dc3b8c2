// Pieces that are damaged while their holder runs on and answers: nobody knows until an audit draws one of them. The draw is the network's own
// (`proofs/draw.ts`), over all that the node holds. A holder that is caught looks through everything it has, as an honest one does, and admits the rest.

import type { Sha256 } from '../base/hash.ts';
import { type AuditParams, drawAsked } from '../proofs/draw.ts';
import { MemoryHoldings } from '../proofs/memory-holdings.ts';
import { type Place, weightOf } from '../proofs/place.ts';
import { digest } from '../base/hash.ts';
import { uint32 } from '../base/bytes.ts';
import type { FleetNode } from './fleet.ts';
import type { ForecastRandom } from './random.ts';
import type { SegmentTable } from './segment-table.ts';

interface Case {
  readonly holdings: MemoryHoldings;
  readonly sinceMs: number;
  /** Damaged pieces that are still the node's. */
  readonly keys: Set<number>;
}

/** A place that knows what it is in the table. */
interface TablePlace extends Place {
  readonly key: number;
}

export class Damage {
  readonly #table: SegmentTable;
  readonly #pieceLength: number;
  readonly #sha256: Sha256;
  /** By key: the node that has it. */
  readonly #hidden = new Map<number, number>();
  readonly #known = new Set<number>();
  readonly #cases = new Map<number, Case>();

  constructor(table: SegmentTable, pieceLength: number, sha256: Sha256) {
    this.#table = table;
    this.#pieceLength = pieceLength;
    this.#sha256 = sha256;
  }

  isKnown(segment: number, piece: number): boolean {
    return this.#known.size > 0 && this.#known.has(keyOf(segment, piece));
  }

  isThere(segment: number, piece: number): boolean {
    return this.isKnown(segment, piece) || (this.#hidden.size > 0 && this.#hidden.has(keyOf(segment, piece)));
  }

  /** Another node has the piece now. True when it had been damaged. */
  mended(segment: number, piece: number): boolean {
    const key = keyOf(segment, piece);
    const holder = this.#hidden.get(key);
    if (holder !== undefined) {
      this.#hidden.delete(key);
      this.#cases.get(holder)?.keys.delete(key);
    }
    return this.#known.delete(key) || holder !== undefined;
  }

  /** A share of what the node holds rots, one piece at least. Returns the segments of the pieces that were sound. */
  strike(node: FleetNode, share: number, random: ForecastRandom, timeMs: number): readonly number[] {
    const held: TablePlace[] = [];
    this.#table.eachOf(node.index, (segment, piece) => held.push(this.#place(segment, piece)));
    const hit = new Set<number>();
    for (let left = Math.min(held.length, Math.ceil(held.length * share)); left > 0; left--) {
      const { key } = held[random.below(held.length)]!;
      if (this.#hidden.has(key) || this.#known.has(key)) continue;
      this.#hidden.set(key, node.index);
      hit.add(key);
    }
    const weight = weightOf(this.#pieceLength);
    const holdings = new MemoryHoldings(
      held.map((place) => ({ place, weight })),
      this.#sha256,
    );
    if (hit.size > 0) this.#cases.set(node.index, { holdings, sinceMs: timeMs, keys: hit });
    return [...hit].map(segmentOf);
  }

  /** Whether this round's draw asks for a damaged piece of the node. */
  isDrawn(node: FleetNode, round: number, params: AuditParams): boolean {
    const { holdings, keys } = this.#cases.get(node.index)!;
    const seed = digest('audit-seed', [node.member.admissionSeed, uint32(round)], this.#sha256);
    const asked = drawAsked({ round: round + 1, seed }, node.member.node, holdings, params, this.#sha256);
    return asked.some(({ place }) => keys.has((place as TablePlace).key));
  }

  /** The node admits all that is damaged. Returns since when it had been hidden, and what it was. */
  admit(node: FleetNode): {
    readonly sinceMs: number;
    readonly pieces: readonly (readonly [number, number])[];
  } {
    const { sinceMs, keys } = this.#cases.get(node.index)!;
    this.#cases.delete(node.index);
    const pieces = [...keys].map((key): readonly [number, number] => [segmentOf(key), key % 256]);
    for (const key of keys) {
      this.#hidden.delete(key);
      this.#known.add(key);
    }
    return { sinceMs, pieces };
  }

  /** Whether it hides anything that is still its own. */
  hasCase(node: FleetNode): boolean {
    return (this.#cases.get(node.index)?.keys.size ?? 0) > 0;
  }

  /** The node is gone: nobody asks it any more. */
  close(node: FleetNode): void {
    this.#cases.delete(node.index);
  }

  #place(segment: number, pieceIndex: number): TablePlace {
    const object = this.#table.objectId(segment);
    return { object, segmentIndex: 0, pieceIndex, key: keyOf(segment, pieceIndex) };
  }
}

/** Codes have at most 255 pieces. */
function keyOf(segment: number, piece: number): number {
  return segment * 256 + piece;
}

function segmentOf(key: number): number {
  return Math.floor(key / 256);
}
