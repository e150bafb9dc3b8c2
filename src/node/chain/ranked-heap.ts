// A heap whose members may change rank: what is first is at hand, and a change costs a logarithm of the number of members.
//
// Invariant: nothing at place p comes after what is at its children, 2p + 1 and 2p + 2. A member's rank changes only between
// two calls of `put` for it with none of another member in between: until the second one its place is wrong.

import { assert } from '../../base/assert.ts';

export class RankedHeap<T> {
  /** Negative when `a` comes before `b`. */
  readonly #compare: (a: T, b: T) => number;
  readonly #members: T[] = [];
  readonly #places = new Map<T, number>();

  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#members.length;
  }

  get first(): T | undefined {
    return this.#members[0];
  }

  /** Who wants the first few in order, and to change nothing, walks down from place 0. */
  at(place: number): T | undefined {
    return this.#members[place];
  }

  /** Takes `member` in, or finds its place again after its rank changed. */
  put(member: T): void {
    let place = this.#places.get(member);
    if (place === undefined) {
      place = this.#members.length;
      this.#set(place, member);
    }
    this.#sink(this.#rise(place));
  }

  delete(member: T): void {
    const place = this.#places.get(member);
    if (place === undefined) return;
    this.#places.delete(member);
    const last = this.#members.pop();
    assert(last !== undefined, 'who has a place is there');
    if (last === member) return;
    this.#set(place, last);
    this.#sink(this.#rise(place));
  }

  takeFirst(): T | undefined {
    const { first } = this;
    if (first !== undefined) this.delete(first);
    return first;
  }

  #set(place: number, member: T): void {
    this.#members[place] = member;
    this.#places.set(member, place);
  }

  #swap(a: number, b: number): void {
    const member = this.#members[a]!;
    this.#set(a, this.#members[b]!);
    this.#set(b, member);
  }

  #isBefore(a: number, b: number): boolean {
    return this.#compare(this.#members[a]!, this.#members[b]!) < 0;
  }

  #rise(from: number): number {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!this.#isBefore(place, parent)) break;
      this.#swap(place, parent);
      place = parent;
    }
    return place;
  }

  #sink(from: number): void {
    let place = from;
    for (;;) {
      let least = place;
      for (const child of [2 * place + 1, 2 * place + 2]) {
        if (child < this.#members.length && this.#isBefore(child, least)) least = child;
      }
      if (least === place) return;
      this.#swap(place, least);
      place = least;
    }
  }
}
