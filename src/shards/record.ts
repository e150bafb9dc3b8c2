// What a kind of record is: a canonical tuple and its schema. Each subject declares its own, beside the rules that use it.

import type { ZodType } from 'zod';
import { digest, type Sha256 } from '../base/hash.ts';
import type { Digest } from '../base/ids.ts';

export interface RecordType<T> {
  /** For messages. */
  readonly name: string;
  /** Parses the tuple to the record. */
  readonly schema: ZodType<T>;
  /** The record as the tuple that is encoded. */
  readonly tuple: (record: T) => readonly unknown[];
  /**
   * Whatever is put is, field by field, what its bytes decode to: so it may be read again without having been encoded. Of records that are
   * written many times in a block.
   */
  readonly isExact?: true;
  /** The same record without what else of memory it keeps alive; for exact ones that stay decoded when they have been encoded. */
  readonly compact?: (record: T) => T;
}

/** What the leaf of a record in the state tree holds. */
export function recordDigest(record: Uint8Array, sha256?: Sha256): Digest {
  return digest('state-value', [record], sha256);
}
