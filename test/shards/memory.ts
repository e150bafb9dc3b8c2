// Records in memory for tests of rules that need no chain: a view of all of them, or of what was asked for only.

import { expect } from 'vitest';
import type { StateKey } from '../../src/shards/state-key.ts';
import { type Change, LoadedState, MissingRecords, Overlay, type StateView } from '../../src/shards/view.ts';

export class Memory implements StateView {
  readonly records: Map<string, { readonly key: StateKey; readonly bytes: Uint8Array }> = new Map();

  read(key: StateKey): Uint8Array | null {
    return this.records.get(key.text)?.bytes ?? null;
  }

  keep(changes: readonly Change[]): void {
    for (const { key, before, after } of changes) {
      expect(before, `what was under ${key.text}`).toEqual(this.read(key));
      if (after === null) this.records.delete(key.text);
      else this.records.set(key.text, { key, bytes: after });
    }
  }

  /** Runs with everything there is, and keeps what it writes. */
  run<T>(work: (state: Overlay) => T): T {
    const overlay = new Overlay(this);
    const result = work(overlay);
    this.keep(overlay.changes());
    return result;
  }

  /** Runs with what it asks for and nothing else, beginning with `keys`; keeps what it writes. Tells how often it had to ask. */
  runLoading<T>(keys: readonly StateKey[], work: (state: Overlay) => T): { result: T; rounds: number } {
    const loaded = new LoadedState();
    const load = (wanted: readonly StateKey[]): void => {
      for (const key of wanted) loaded.add(key, this.read(key));
    };
    load(keys);
    for (let rounds = 0; rounds < 200; rounds++) {
      try {
        const overlay = new Overlay(loaded);
        const result = work(overlay);
        const changes = overlay.changes();
        this.keep(changes);
        return { result, rounds };
      } catch (error) {
        if (!(error instanceof MissingRecords)) throw error;
        load(error.keys);
      }
    }
    throw new Error('it asks for more and more');
  }
}
