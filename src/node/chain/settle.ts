// Load, then decide: a decision that misses records says which, they are loaded, and it is made again from the start.

import { assert } from '../../base/assert.ts';
import type { StateKey } from '../../shards/state-key.ts';
import { type Loaded, type LoadedState, MissingRecords } from '../../shards/view.ts';

export interface RecordSource {
  load(keys: readonly StateKey[]): Promise<readonly Loaded[]>;
}

interface Missing {
  readonly kind: 'missing';
  readonly keys: readonly StateKey[];
}

/** What `decide` says once nothing is missing, which it tells by its result or by throwing MissingRecords. */
export async function settle<T extends object>(
  source: RecordSource,
  loaded: LoadedState,
  decide: (loaded: LoadedState) => T | Missing,
): Promise<T> {
  for (;;) {
    const result = attempt(loaded, decide);
    if (!isMissing(result)) return result;
    const wanted = result.keys.filter((key) => !loaded.has(key));
    assert(wanted.length > 0, 'what is missing was not loaded before');
    const records = await source.load(wanted);
    for (const [index, key] of wanted.entries()) loaded.add(key, records[index]!);
  }
}

function attempt<T extends object>(
  loaded: LoadedState,
  decide: (loaded: LoadedState) => T | Missing,
): T | Missing {
  try {
    return decide(loaded);
  } catch (error) {
    if (!(error instanceof MissingRecords)) throw error;
    return { kind: 'missing', keys: error.keys };
  }
}

function isMissing(result: object): result is Missing {
  return (result as { kind?: unknown }).kind === 'missing';
}
