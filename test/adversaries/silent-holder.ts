// A holder that takes every request and never says anything.

import type { MemoryNode } from '../../src/runtime/memory-network.ts';

export function isSilent(node: MemoryNode): void {
  node.faults.isStalled = true;
  node.faults.delayMs = 1e9;
}

/** Nobody reaches it. */
export function isDead(node: MemoryNode): void {
  node.faults.isDead = true;
}
