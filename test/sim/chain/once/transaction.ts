// `src/shards/transaction.ts`, where a transaction that was decoded before is not decoded again.

import * as real from '../../../../src/shards/transaction.ts';
import { isSharing, memo, textOf } from './sharing.ts';

export * from '../../../../src/shards/transaction.ts';

/** By its bytes. What is refused is not kept. */
const decoded = memo(new Map<string, real.SignedTransaction>());

export const decodeTransaction: typeof real.decodeTransaction = (bytes, operations, sha256) => {
  if (!isSharing()) return real.decodeTransaction(bytes, operations, sha256);
  const text = textOf(bytes);
  let signed = decoded.get(text);
  if (signed === undefined) {
    signed = Object.freeze(real.decodeTransaction(bytes, operations, sha256));
    decoded.set(text, signed);
  }
  return signed;
};
