// A holder that says no: full, busy, damaged, or simply unwilling.

import type { ErrorCode } from '../../src/base/errors.ts';
import type { MemoryNode } from '../../src/runtime/memory-network.ts';

/** Refuses with `code`; only the named services where some are named. */
export function refuses(node: MemoryNode, code: ErrorCode, ...services: readonly string[]): void {
  node.faults.refuse = (service) => (services.length === 0 || services.includes(service) ? code : undefined);
}

/** BUSY for the first `count` requests. */
export function isBusyAtFirst(node: MemoryNode, count: number): void {
  let left = count;
  node.faults.refuse = () => (left-- > 0 ? 'BUSY' : undefined);
}

/** Fails with `code` the first `count` times that a named service is called, and is well afterwards. */
export function failsAtFirst(
  node: MemoryNode,
  code: ErrorCode,
  count: number,
  ...services: readonly string[]
): void {
  let left = count;
  node.faults.refuse = (service) => (services.includes(service) && left-- > 0 ? code : undefined);
}
