// What a kind of record is: a canonical tuple and its schema. Each subject declares its own, beside the rules that use it.

import type { ZodType } from 'zod';

export interface RecordType<T> {
  /** For messages. */
  readonly name: string;
  /** Parses the tuple to the record. */
  readonly schema: ZodType<T>;
  /** The record as the tuple that is encoded. */
  readonly tuple: (record: T) => readonly unknown[];
}
