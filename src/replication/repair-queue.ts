// Segments that wait for repair, the riskiest first: by margin, then by how many pieces one cause may take together, then by size (the small ones, so
// that more segments are out of danger per byte moved), then by who came first.
//
// The queue is bounded. When it is full a riskier segment takes the place of the least risky one, and whoever offered learns which one went: the
// records say what is missing, so nothing is forgotten that the next look at them does not find again.

import { assert } from '../base/assert.ts';
import { REPAIR_QUEUE_MAX } from '../base/limits.ts';

export interface RepairUrgency {
  /** Pieces that may go until it cannot be read; negative when it cannot. */
  readonly margin: number;
  /** Pieces that the most dangerous single cause takes. */
  readonly sharedRisk: number;
  readonly sizeBytes: number;
}

export interface RepairEntry<Key extends string | number> extends RepairUrgency {
  readonly key: Key;
}

/** What became of an offer; `dropped` is the entry that made room, or the offered one when it is the least risky itself. */
export interface QueueChange<Key extends string | number> {
  readonly isQueued: boolean;
  readonly dropped: RepairEntry<Key> | undefined;
}

interface Place<Key extends string | number> {
  entry: RepairEntry<Key>;
  readonly arrival: number;
  /** Where it stands in the heap that has the riskiest, and in the one that has the least risky, on top. */
  readonly at: [first: number, last: number];
}

export class RepairQueue<Key extends string | number> {
  readonly #capacity: number;
  readonly #byKey = new Map<Key, Place<Key>>();
  readonly #first: Heap<Key> = new Heap(0, inOrder);
  readonly #last: Heap<Key> = new Heap(1, (a, b) => inOrder(b, a));
  #arrivals = 0;

  constructor(capacity: number = REPAIR_QUEUE_MAX) {
    assert(capacity >= 1, 'a queue has room for one segment');
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#byKey.size;
  }

  has(key: Key): boolean {
    return this.#byKey.has(key);
  }

  /** Queues a segment, or gives one that waits another urgency; it keeps its turn among equals. */
  offer(entry: RepairEntry<Key>): QueueChange<Key> {
    const known = this.#byKey.get(entry.key);
    if (known !== undefined) {
      known.entry = entry;
      this.#first.moved(known);
      this.#last.moved(known);
      return { isQueued: true, dropped: undefined };
    }
    const place: Place<Key> = { entry, arrival: this.#arrivals++, at: [0, 0] };
    let dropped: RepairEntry<Key> | undefined;
    if (this.#byKey.size === this.#capacity) {
      const least = this.#last.top!;
      if (inOrder(place, least) > 0) return { isQueued: false, dropped: entry };
      dropped = least.entry;
      this.#forget(least);
    }
    this.#byKey.set(entry.key, place);
    this.#first.push(place);
    this.#last.push(place);
    return { isQueued: true, dropped };
  }

  /** The riskiest, which stays. */
  peek(): RepairEntry<Key> | undefined {
    return this.#first.top?.entry;
  }

  /** Takes the riskiest. */
  take(): RepairEntry<Key> | undefined {
    const place = this.#first.top;
    if (place !== undefined) this.#forget(place);
    return place?.entry;
  }

  /** True when it waited. */
  remove(key: Key): boolean {
    const place = this.#byKey.get(key);
    if (place !== undefined) this.#forget(place);
    return place !== undefined;
  }

  #forget(place: Place<Key>): void {
    this.#byKey.delete(place.entry.key);
    this.#first.remove(place);
    this.#last.remove(place);
  }
}

/** Negative when `a` is repaired before `b`; zero only for one and the same. */
function inOrder<Key extends string | number>(a: Place<Key>, b: Place<Key>): number {
  return compareUrgency(a.entry, b.entry) || a.arrival - b.arrival;
}

/** Negative when `a` is the more urgent. */
export function compareUrgency(a: RepairUrgency, b: RepairUrgency): number {
  return a.margin - b.margin || b.sharedRisk - a.sharedRisk || a.sizeBytes - b.sizeBytes;
}

/** Binary heap whose members know where they stand, so that any of them can be taken out or moved in logarithmic time. */
class Heap<Key extends string | number> {
  readonly #side: 0 | 1;
  readonly #order: (a: Place<Key>, b: Place<Key>) => number;
  readonly #places: Place<Key>[] = [];

  constructor(side: 0 | 1, order: (a: Place<Key>, b: Place<Key>) => number) {
    this.#side = side;
    this.#order = order;
  }

  get top(): Place<Key> | undefined {
    return this.#places[0];
  }

  push(place: Place<Key>): void {
    this.#places.push(place);
    this.#put(place, this.#places.length - 1);
    this.#rise(place);
  }

  remove(place: Place<Key>): void {
    const at = place.at[this.#side];
    assert(this.#places[at] === place, 'a place knows where it stands');
    const moved = this.#places.pop()!;
    if (moved === place) return;
    this.#put(moved, at);
    this.moved(moved);
  }

  /** The order of `place` has changed. */
  moved(place: Place<Key>): void {
    this.#rise(place);
    this.#sink(place);
  }

  #rise(place: Place<Key>): void {
    for (let at = place.at[this.#side]; at > 0; at = place.at[this.#side]) {
      const parent = this.#places[(at - 1) >> 1]!;
      if (this.#order(place, parent) >= 0) return;
      this.#swap(place, parent);
    }
  }

  #sink(place: Place<Key>): void {
    for (;;) {
      const left = 2 * place.at[this.#side] + 1;
      const [a, b] = [this.#places[left], this.#places[left + 1]];
      if (a === undefined) return;
      const child = b !== undefined && this.#order(b, a) < 0 ? b : a;
      if (this.#order(place, child) <= 0) return;
      this.#swap(place, child);
    }
  }

  #swap(a: Place<Key>, b: Place<Key>): void {
    const [atA, atB] = [a.at[this.#side], b.at[this.#side]];
    this.#put(a, atB);
    this.#put(b, atA);
  }

  #put(place: Place<Key>, at: number): void {
    this.#places[at] = place;
    place.at[this.#side] = at;
  }
}
