// The TrustStore port in memory.

import type { TrustStore } from './trust.ts';

export interface MemoryTrust extends TrustStore {
  bytes: Uint8Array | undefined;
  /** How often something was saved. */
  saves: number;
}

export function memoryTrust(bytes?: Uint8Array): MemoryTrust {
  return {
    bytes,
    saves: 0,
    async load() {
      return this.bytes?.slice();
    },
    async save(saved) {
      this.bytes = saved.slice();
      this.saves++;
    },
  };
}
