// Holdings in memory, for who simulates nodes and for tests; a node keeps its index in its store.

import { assert } from '../base/assert.ts';
import { portableSha256, type Sha256 } from '../base/hash.ts';
import type { ClassTotal, HashRange, HeldPlace, Holdings } from './draw.ts';
import { comparePlaces, placeHash, SIZE_CLASSES, sizeClass } from './place.ts';

interface Entry extends HeldPlace {
  readonly hash: bigint;
}

export class MemoryHoldings implements Holdings {
  readonly #sha256: Sha256;
  /** By class, each by (place hash, place). */
  readonly #entries: Entry[][] = Array.from({ length: SIZE_CLASSES }, () => []);
  readonly #weights: number[] = Array.from({ length: SIZE_CLASSES }, () => 0);

  constructor(held: Iterable<HeldPlace> = [], sha256: Sha256 = portableSha256) {
    this.#sha256 = sha256;
    for (const each of held) {
      const drawn = sizeClass(each.weight);
      this.#entries[drawn]!.push(this.#entryOf(each));
      this.#weights[drawn]! += each.weight;
    }
    for (const entries of this.#entries) entries.sort(compareEntries);
  }

  classes(): readonly ClassTotal[] {
    return this.#entries.map((entries, each) => ({ count: entries.length, weight: this.#weights[each]! }));
  }

  *range(drawn: number, { from, to }: HashRange): Iterable<HeldPlace> {
    const entries = this.#entries[drawn]!;
    for (let at = lowerBound(entries, (entry) => entry.hash >= from); at < entries.length; at++) {
      if (entries[at]!.hash >= to) return;
      yield entries[at]!;
    }
  }

  /** Asserts that the place is not held yet. */
  add(held: HeldPlace): void {
    const drawn = sizeClass(held.weight);
    const entry = this.#entryOf(held);
    const at = this.#find(drawn, entry);
    assert(!isAt(this.#entries[drawn]!, at, entry), 'a place is held once');
    this.#entries[drawn]!.splice(at, 0, entry);
    this.#weights[drawn]! += held.weight;
  }

  /** Asserts that the place is held. */
  remove(held: HeldPlace): void {
    const drawn = sizeClass(held.weight);
    const entry = this.#entryOf(held);
    const at = this.#find(drawn, entry);
    assert(isAt(this.#entries[drawn]!, at, entry), 'what is removed was held');
    this.#entries[drawn]!.splice(at, 1);
    this.#weights[drawn]! -= held.weight;
  }

  #entryOf({ place, weight }: HeldPlace): Entry {
    return { place, weight, hash: placeHash(place, this.#sha256) };
  }

  #find(drawn: number, entry: Entry): number {
    return lowerBound(this.#entries[drawn]!, (each) => compareEntries(each, entry) >= 0);
  }
}

function compareEntries(a: Entry, b: Entry): number {
  if (a.hash !== b.hash) return a.hash < b.hash ? -1 : 1;
  return comparePlaces(a.place, b.place);
}

function isAt(entries: readonly Entry[], at: number, entry: Entry): boolean {
  return at < entries.length && compareEntries(entries[at]!, entry) === 0;
}

/** Index of the first entry for which `isBehind` holds; it holds for all that follow. */
function lowerBound(entries: readonly Entry[], isBehind: (entry: Entry) => boolean): number {
  let from = 0;
  let to = entries.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (isBehind(entries[middle]!)) to = middle;
    else from = middle + 1;
  }
  return from;
}
