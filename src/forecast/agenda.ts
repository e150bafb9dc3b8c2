// What happens when, on the virtual clock: a heap by time, then by the order in which it was put down. Everything that takes time in a forecast is an
// entry here; nothing waits for real.

interface Entry<Event> {
  readonly timeMs: number;
  readonly number: number;
  readonly event: Event;
}

export class Agenda<Event> {
  readonly #heap: Entry<Event>[] = [];
  #nowMs = 0;
  #count = 0;

  get nowMs(): number {
    return this.#nowMs;
  }

  /** At `timeMs`, which is not in the past; never when that is infinite. */
  at(timeMs: number, event: Event): void {
    if (timeMs === Number.POSITIVE_INFINITY) return;
    const entry = { timeMs: Math.max(timeMs, this.#nowMs), number: this.#count++, event };
    let hole = this.#heap.push(entry) - 1;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (!isBefore(entry, this.#heap[parent]!)) break;
      this.#heap[hole] = this.#heap[parent]!;
      hole = parent;
    }
    this.#heap[hole] = entry;
  }

  /** The next event up to `untilMs`, at which the clock then stands; without one the clock goes to `untilMs`. */
  next(untilMs: number): Event | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.timeMs > untilMs) {
      this.#nowMs = Math.max(this.#nowMs, untilMs);
      return undefined;
    }
    const last = this.#heap.pop()!;
    if (last !== first) this.#sink(last);
    this.#nowMs = first.timeMs;
    return first.event;
  }

  #sink(entry: Entry<Event>): void {
    let hole = 0;
    for (;;) {
      const left = 2 * hole + 1;
      if (left >= this.#heap.length) break;
      const right = left + 1;
      const isRight = right < this.#heap.length && isBefore(this.#heap[right]!, this.#heap[left]!);
      const child = isRight ? right : left;
      if (!isBefore(this.#heap[child]!, entry)) break;
      this.#heap[hole] = this.#heap[child]!;
      hole = child;
    }
    this.#heap[hole] = entry;
  }
}

function isBefore<Event>(a: Entry<Event>, b: Entry<Event>): boolean {
  return a.timeMs < b.timeMs || (a.timeMs === b.timeMs && a.number < b.number);
}
