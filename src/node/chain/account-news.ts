// What a block did to the accounts of which something waits: the pool is told, so that it offers nothing that no block can take.

import { decodeCanonical } from '../../base/codec.ts';
import type { OwnerId } from '../../base/ids.ts';
import { STATE_RECORD_LENGTH_MAX } from '../../base/limits.ts';
import { accountRecord } from '../../shards/account.ts';
import { amountIn, NATIVE } from '../../shards/amounts.ts';
import type { Change } from '../../shards/view.ts';
import type { AccountNow, TransactionPool } from './transaction-pool.ts';

/** Accounts among `changes`, the effect of a block. */
export function accountNews(
  changes: readonly Change[],
  pool: Pick<TransactionPool, 'waitsFor'>,
): readonly AccountNow[] {
  return changes.flatMap(({ key, after }): readonly AccountNow[] => {
    const sender = key.home.id as OwnerId;
    if (key.kind !== 'account' || after === null || !pool.waitsFor(sender)) return [];
    const { nonce, balances } = decodeCanonical(
      accountRecord.schema,
      after,
      STATE_RECORD_LENGTH_MAX,
      accountRecord.name,
    );
    return [{ sender, nonce, balance: amountIn(balances, NATIVE) }];
  });
}
