// Keys of the system's own records. Its home is always the same, and a border derives thousands of keys: it is hashed once.

import { homeOf, type Home, type RecordKind, type StateKey, stateKey } from './state-key.ts';

export const SYSTEM: Home = homeOf('system');

export function systemKey(kind: RecordKind, id?: Uint8Array): StateKey {
  return stateKey(SYSTEM, kind, id);
}
