// Asks for many records at once, so that whoever needs thousands is not sent to load them one by one.

import type { StateKey } from './state-key.ts';
import { MissingRecords, type StateView } from './view.ts';

/** Throws MissingRecords with all of `keys` that are not loaded. */
export function readAll(state: StateView, keys: readonly StateKey[]): void {
  const missing = keys.flatMap((key) => missingAt(state, key));
  if (missing.length > 0) throw new MissingRecords(missing);
}

function missingAt(state: StateView, key: StateKey): readonly StateKey[] {
  try {
    state.read(key);
    return [];
  } catch (error) {
    if (error instanceof MissingRecords) return error.keys;
    throw error;
  }
}
