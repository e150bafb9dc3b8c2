// What readings of the chain are likely to ask for next: what they asked for last. Whoever puts one name after the other looks at the same bucket,
// directory, account and parameters each time, record after record, each in a question of its own. Asked for with the first of them they
// all come at once.
//
// A guess costs a proof, so there are few, and none after readings that walk through much.

import { READ_AHEAD_MAX } from '../../base/limits.ts';
import type { StateKey } from '../../shards/state-key.ts';
import type { StateView } from '../../shards/view.ts';

export class ReadAhead {
  /** By text: read since the state that is read now was begun, and of the one before. */
  #noted = new Map<string, StateKey>();
  #before = new Map<string, StateKey>();

  /** The same records; which of them are read is noted. */
  noting(view: StateView): StateView {
    const note = (key: StateKey): void => {
      if (this.#noted.size <= READ_AHEAD_MAX) this.#noted.set(key.text, key);
    };
    return {
      read: (key) => {
        note(key);
        return view.read(key);
      },
      get: (key, type) => {
        note(key);
        return view.get!(key, type);
      },
    };
  }

  /** A later state is going to be read, `first` of it at first: what to ask for. */
  begin(first: readonly StateKey[]): readonly StateKey[] {
    const wanted = new Map(first.map((key) => [key.text, key]));
    const guesses = new Map([...this.#before, ...this.#noted]);
    if (guesses.size <= READ_AHEAD_MAX) for (const [text, key] of guesses) wanted.set(text, key);
    this.#before = this.#noted;
    this.#noted = new Map();
    return [...wanted.values()];
  }
}
