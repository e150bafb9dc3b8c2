// What callers may ask of a log, and how a refusal reads.

import { toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import { ENTRY_KEY_LENGTH_MAX, ENTRY_META_LENGTH_MAX, PIECE_LENGTH_MAX } from '../../base/limits.ts';
import type { LogEntry } from '../../base/ports.ts';

/** Throws INVALID_ARGUMENT for an entry beyond the limits. */
export function checkEntry({ key, meta, payload }: LogEntry): void {
  const text =
    key.length === 0 || key.length > ENTRY_KEY_LENGTH_MAX
      ? `key of ${key.length} bytes, allowed are 1 to ${ENTRY_KEY_LENGTH_MAX}`
      : meta.length > ENTRY_META_LENGTH_MAX
        ? `meta of ${meta.length} bytes, allowed are ${ENTRY_META_LENGTH_MAX}`
        : payload.length > PIECE_LENGTH_MAX
          ? `payload of ${payload.length} bytes, allowed are ${PIECE_LENGTH_MAX}`
          : undefined;
  if (text !== undefined) throw new StoreError('INVALID_ARGUMENT', `log entry with a ${text}`);
}

/** Throws INVALID_ARGUMENT for a range that is not within the payload. */
export function checkRange(offset: number, length: number, payloadLength: number): void {
  const isRange = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (isRange && offset + length <= payloadLength) return;
  const text = `range [${offset}, ${offset} + ${length}) of a payload of ${payloadLength} bytes`;
  throw new StoreError('INVALID_ARGUMENT', text);
}

export function damagedError(key: Uint8Array, reason: string): StoreError {
  return new StoreError('DAMAGED', `entry ${toHex(key)} is damaged: ${reason}`);
}
