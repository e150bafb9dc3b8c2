// `test/vectors/ledger.json`: made by a second encoder from docs/format-ledger.md. In the file bytes are hex digits.

import { readFileSync } from 'node:fs';
import { fromHex } from '../../src/base/bytes.ts';

interface LedgerVectors {
  readonly transaction: Uint8Array;
  readonly transactionId: Uint8Array;
  readonly receipts: readonly Uint8Array[];
  readonly receiptDigests: readonly Uint8Array[];
  readonly batchDigest: Uint8Array;
  readonly outboxRoot: Uint8Array;
  readonly parcel: Uint8Array;
  readonly reclaim: Uint8Array;
  readonly shardHeaders: readonly Uint8Array[];
  readonly stateRoot: Uint8Array;
  readonly shardsRoot: Uint8Array;
  readonly header: Uint8Array;
  readonly block: Uint8Array;
  readonly blockId: Uint8Array;
  readonly paths: Readonly<Record<string, Uint8Array>>;
}

const file = new URL('../vectors/ledger.json', import.meta.url);

export const LEDGER: LedgerVectors = JSON.parse(readFileSync(file, 'utf8'), (name, value: unknown) =>
  typeof value === 'string' && name !== 'about' ? fromHex(value) : value,
) as LedgerVectors;
