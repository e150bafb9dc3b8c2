// How a node says no on the wire, the same on both lanes: a code of the closed list and one or two sentences. The text
// of a peer is foreign: it is bounded, and whatever could steer a terminal or hide text in it is dropped, on the way
// out and again on the way in.
//
//   code length u8 | code, ASCII | message length u16 | message, UTF-8 | next length u16 | next step, UTF-8 (0: none)

import { concat, short, toUtf8 } from '../base/bytes.ts';
import { isErrorCode, StoreError } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import { REFUSAL_TEXT_MAX } from '../base/limits.ts';

const CODE_LENGTH_MAX = 64;
/** Longest encoded refusal: a lane reads no more than this. */
export const REFUSAL_LENGTH_MAX: number = 1 + CODE_LENGTH_MAX + 2 * (2 + REFUSAL_TEXT_MAX);

// Control and format characters (among them the marks that turn the direction of text around), line and paragraph
// separators.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;

/** Bytes that say `error` to a peer. What is not a StoreError is a defect of ours: the peer learns no more than that. */
export function encodeRefusal(error: unknown): Uint8Array {
  const refusal = error instanceof StoreError ? error : new StoreError('INTERNAL', 'a defect of this node');
  // ABORTED belongs to a caller's own signal; a peer that gave up its work is closing.
  const code = toUtf8(refusal.code === 'ABORTED' ? 'CLOSED' : refusal.code);
  const [message, next] = [encodeText(refusal.message), encodeText(refusal.next ?? '')];
  return concat(new Uint8Array([code.length]), code, length16(message), message, length16(next), next);
}

/** The refusal of `peer` as an error that names it; PROTOCOL when the bytes are no refusal. */
export function decodeRefusal(bytes: Uint8Array, peer: NodeId): StoreError {
  const name = `node ${short(peer)}`;
  try {
    const codeEnd = 1 + (bytes[0] ?? 0);
    const code = decodeText(bytes, 1, codeEnd, CODE_LENGTH_MAX);
    const messageEnd = codeEnd + 2 + read16(bytes, codeEnd);
    const message = decodeText(bytes, codeEnd + 2, messageEnd, REFUSAL_TEXT_MAX);
    const nextEnd = messageEnd + 2 + read16(bytes, messageEnd);
    const next = decodeText(bytes, messageEnd + 2, nextEnd, REFUSAL_TEXT_MAX);
    if (nextEnd !== bytes.length) throw new RangeError('bytes after the refusal');
    // A peer cannot claim that the caller gave up.
    if (!isErrorCode(code) || code === 'ABORTED') throw new RangeError('unknown code');
    return new StoreError(code, `${name} refused: ${message}`, next === '' ? {} : { next });
  } catch (cause) {
    return new StoreError('PROTOCOL', `${name} sent a refusal that cannot be read`, { cause });
  }
}

function encodeText(text: string): Uint8Array {
  const bytes = new Uint8Array(REFUSAL_TEXT_MAX);
  // encodeInto stops before a character that does not fit, so that the cut never leaves half of one.
  const { written } = new TextEncoder().encodeInto(text.replace(UNPRINTABLE, ' '), bytes);
  return bytes.subarray(0, written);
}

function decodeText(bytes: Uint8Array, start: number, end: number, maxLength: number): string {
  if (end > bytes.length || end - start > maxLength) throw new RangeError('text beyond its bound');
  return new TextDecoder('utf-8', { fatal: true })
    .decode(bytes.subarray(start, end))
    .replace(UNPRINTABLE, ' ');
}

function length16(bytes: Uint8Array): Uint8Array {
  return new Uint8Array([bytes.length >>> 8, bytes.length]);
}

function read16(bytes: Uint8Array, offset: number): number {
  if (offset + 2 > bytes.length) throw new RangeError('cut off');
  return bytes[offset]! * 256 + bytes[offset + 1]!;
}
