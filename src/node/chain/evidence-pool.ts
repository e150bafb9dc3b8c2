// Evidence that waits to be put into a block of this node's. What is in a block, or no longer convicts anybody, goes with the next
// build: who chooses what a block takes (`convicting`) says what is left.

import { toHex } from '../../base/bytes.ts';
import { EVIDENCE_PER_BLOCK_MAX, EVIDENCE_WAITING_MAX } from '../../base/limits.ts';
import { encodeEvidence, offenceKey, offencesOf } from '../../consensus/evidence.ts';
import type { Evidence } from '../../consensus/types.ts';

export class EvidencePool {
  /** By offence: a second proof of the same one convicts nobody. */
  readonly #waiting = new Map<string, Evidence>();

  get size(): number {
    return this.#waiting.size;
  }

  all(): readonly Evidence[] {
    return [...this.#waiting.values()];
  }

  /** False when it is known, or there is too much. */
  add(evidence: Evidence): boolean {
    const key = keyOf(evidence);
    if (this.#waiting.has(key) || this.#waiting.size >= EVIDENCE_WAITING_MAX) return false;
    this.#waiting.set(key, evidence);
    return true;
  }

  /** What a block has brought to the chain. */
  remove(committed: readonly Evidence[]): void {
    for (const evidence of committed) this.#waiting.delete(keyOf(evidence));
  }

  /** Keeps those of `offered` that a block took; the others have been answered for, unless the block was full. */
  settle(offered: readonly Evidence[], taken: readonly Evidence[]): void {
    if (taken.length >= EVIDENCE_PER_BLOCK_MAX) return;
    const kept = new Set(taken.map(keyOf));
    for (const evidence of offered) if (!kept.has(keyOf(evidence))) this.#waiting.delete(keyOf(evidence));
  }
}

function keyOf(evidence: Evidence): string {
  const offences = offencesOf(evidence).map(offenceKey);
  return offences.length > 0 ? offences.join(' ') : toHex(encodeEvidence(evidence));
}
