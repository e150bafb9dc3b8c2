// Transactions for tests of the pool: it looks at senders, nonces, fees, lengths and heights, and never at what is to be done.

import type { OwnerId, Signature } from '../../../src/base/ids.ts';
import type { AdmissionFacts } from '../../../src/node/chain/pool-admission.ts';
import type { PoolLimits } from '../../../src/node/chain/transaction-pool.ts';
import type { SignedTransaction } from '../../../src/shards/transaction.ts';
import { digestFrom } from '../../helpers/records.ts';

export const LOOSE: PoolLimits = {
  transactions: 1000,
  bytes: 1_000_000,
  accountTransactions: 100,
  accountBytes: 1_000_000,
  lifetimeBlocks: 1000,
};

export interface Wanted {
  readonly fee?: number;
  readonly lengthBytes?: number;
  readonly expiresAtHeight?: number;
  /** Tells two apart that are alike otherwise. */
  readonly mark?: number;
}

export const senderOf = (name: string): OwnerId => digestFrom<OwnerId>(`sender ${name}`);

export function transactionOf(name: string, nonce: number, wanted: Wanted = {}): SignedTransaction {
  const { fee = 0, lengthBytes = 100, expiresAtHeight = 500, mark = 0 } = wanted;
  return {
    transaction: {
      network: digestFrom('network'),
      sender: senderOf(name),
      nonce,
      fee: BigInt(fee),
      expiresAtHeight,
      action: { kind: 'transfer', parameters: {} },
    },
    signature: new Uint8Array(64) as Signature,
    id: digestFrom(`transaction ${name} ${nonce} ${fee} ${lengthBytes} ${expiresAtHeight} ${mark}`),
    lengthBytes,
  };
}

export const factsOf = (facts: Partial<AdmissionFacts> = {}): AdmissionFacts => ({
  nonce: 0,
  height: 0,
  leastFee: 0n,
  ...facts,
});
