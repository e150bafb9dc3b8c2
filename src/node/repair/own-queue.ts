// Places of a node that it is about to look at: each once, with the time at which it is due. Bounded: what finds no room is left to the next walk over
// all places, but what presses takes the room of what does not.

import { assert } from '../../base/assert.ts';
import { OWN_QUEUE_MAX, RESTORE_RETRY_MAX_MS, RESTORE_RETRY_MIN_MS } from '../../base/limits.ts';
import type { Place } from '../../proofs/place.ts';
import { placeText } from '../audit/contents.ts';

export interface OwnTask {
  readonly place: Place;
  readonly dueMs: number;
  /** Somebody wanted it and did not get it. */
  readonly isUrgent: boolean;
  /** How often it was tried in vain. */
  readonly tries: number;
}

export class OwnQueue {
  readonly #capacity: number;
  readonly #tasks = new Map<string, OwnTask>();

  constructor(capacity: number = OWN_QUEUE_MAX) {
    assert(capacity >= 1, 'a queue has room for one place');
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#tasks.size;
  }

  /** Half is kept for what comes by itself. */
  get hasRoomForWalk(): boolean {
    return this.#tasks.size < this.#capacity / 2;
  }

  /** False when there was no room. Of two offers of one place the more pressing counts. */
  offer(offered: Omit<OwnTask, 'tries'> & { readonly tries?: number }): boolean {
    const task: OwnTask = { tries: 0, ...offered };
    const text = placeText(task.place);
    const known = this.#tasks.get(text);
    if (known === undefined && this.#tasks.size >= this.#capacity && !this.#makeRoom(task)) return false;
    this.#tasks.set(text, known === undefined ? task : merged(known, task));
    return true;
  }

  /** Again, later each time. */
  retry(task: OwnTask, nowMs: number): void {
    const waitMs = Math.min(RESTORE_RETRY_MAX_MS, RESTORE_RETRY_MIN_MS * 2 ** Math.min(task.tries, 16));
    this.offer({ ...task, dueMs: nowMs + waitMs, tries: task.tries + 1 });
  }

  remove(place: Place): void {
    this.#tasks.delete(placeText(place));
  }

  /** Takes at most `limit` that are due, the pressing ones first. */
  takeDue(nowMs: number, limit: number): readonly OwnTask[] {
    const due = [...this.#tasks].filter(([, { dueMs }]) => dueMs <= nowMs);
    due.sort(([, a], [, b]) => Number(b.isUrgent) - Number(a.isUrgent) || a.dueMs - b.dueMs);
    const taken = due.slice(0, limit);
    for (const [text] of taken) this.#tasks.delete(text);
    return taken.map(([, task]) => task);
  }

  /** When the next one is due. */
  get nextMs(): number | undefined {
    let next: number | undefined;
    for (const { dueMs } of this.#tasks.values()) next = Math.min(next ?? dueMs, dueMs);
    return next;
  }

  #makeRoom({ isUrgent }: OwnTask): boolean {
    if (!isUrgent) return false;
    for (const [text, task] of this.#tasks) {
      if (task.isUrgent) continue;
      this.#tasks.delete(text);
      return true;
    }
    return false;
  }
}

function merged(known: OwnTask, offered: OwnTask): OwnTask {
  return {
    place: known.place,
    dueMs: Math.min(known.dueMs, offered.dueMs),
    isUrgent: known.isUrgent || offered.isUrgent,
    tries: Math.max(known.tries, offered.tries),
  };
}
