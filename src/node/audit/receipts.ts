// Receipts that auditors gave this node, for the last rounds: with them it convicts an auditor that signs the opposite.

import { toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { Sha256 } from '../../base/hash.ts';
import type { NetworkId, NodeId } from '../../base/ids.ts';
import { AUDIT_ROUNDS_WATCHED } from '../../base/limits.ts';
import type { Verify } from '../../base/ports.ts';
import { decodeReceipt, type Receipt, receiptText, verifyReceipt } from '../../proofs/receipt.ts';
import { isAuditorOf, type RoundWatcher } from './round-watcher.ts';

export interface ReceiptsPorts {
  readonly network: NetworkId;
  readonly self: NodeId;
  readonly verify: Verify;
  readonly sha256: Sha256;
  readonly watcher: Pick<RoundWatcher, 'round'>;
}

export class Receipts {
  readonly #ports: ReceiptsPorts;
  /** By round, then by auditor in hex: its last one. */
  readonly #rounds = new Map<number, Map<string, Receipt>>();

  constructor(ports: ReceiptsPorts) {
    this.#ports = ports;
  }

  /** Throws INVALID_ENCODING, UNAUTHORIZED (no auditor of this node), INVALID_ARGUMENT (lists what was not asked), INVALID_SIGNATURE. */
  take(from: NodeId, bytes: Uint8Array): void {
    const receipt = decodeReceipt(bytes);
    const { network, self, verify, sha256, watcher } = this.#ports;
    const watched = watcher.round(receipt.round);
    if (watched === undefined || !isAuditorOf(watched, from)) {
      throw new StoreError('UNAUTHORIZED', 'a receipt of nobody who audits this node in this round');
    }
    if (receipt.held.length > watched.own.asked.length) {
      throw new StoreError('INVALID_ARGUMENT', 'a receipt of more than was asked');
    }
    const text = receiptText(network, receipt.round, self, receipt.held, sha256);
    if (!verifyReceipt(text, from, receipt.signature, verify)) {
      throw new StoreError('INVALID_SIGNATURE', 'the signature of a receipt does not hold');
    }
    const ofRound = this.#rounds.get(receipt.round) ?? new Map<string, Receipt>();
    ofRound.set(toHex(from), receipt);
    this.#rounds.set(receipt.round, ofRound);
    for (const round of this.#rounds.keys()) {
      if (this.#rounds.size <= AUDIT_ROUNDS_WATCHED) break;
      this.#rounds.delete(round);
    }
  }

  /** By auditor in hex. */
  of(round: number): ReadonlyMap<string, Receipt> {
    return this.#rounds.get(round) ?? new Map();
  }
}
