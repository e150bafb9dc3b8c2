// The frames of the call protocol, to the byte (docs/format-control.md). Pure: bytes in, frames out. One stream
// carries the requests of one peer and their replies, interleaved frame by frame and told apart by request id.
//
//     frame   = payload length u32 | kind u8 | request id u32 | payload
//     ask     = body length u32 | name length u8 | name, ASCII | header   caller: the request without its body
//     admit   =                                                           server: send the body
//     reply   = body length u32 | header                                  server: the reply; its body follows as data
//     data    = bytes                                                     either: the next bytes of the body
//     refuse  = refusal                                                   server: no reply will come
//     cancel  =                                                           caller: no reply is wanted any more
//     tell    = name length u8 | name, ASCII | header                     caller: a request that is not answered; its id is 0
//
// Numbers are big-endian. Invariant of the reader: it holds at most one frame, and memory for no more than twice what
// has arrived of it. What frames mean to each other is left to caller.ts and server.ts.

import { concat, toUtf8, uint32 } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import {
  CALL_DATA_LENGTH_MAX,
  HEADER_LENGTH_MAX,
  SERVICE_NAME_LENGTH_MAX,
  TELL_LENGTH_MAX,
} from '../../base/limits.ts';
import { REFUSAL_LENGTH_MAX } from '../refusal.ts';

export type Frame =
  | {
      readonly kind: 'ask';
      readonly id: number;
      readonly bodyLength: number;
      readonly name: string;
      readonly header: Uint8Array;
    }
  | { readonly kind: 'admit'; readonly id: number }
  | { readonly kind: 'reply'; readonly id: number; readonly bodyLength: number; readonly header: Uint8Array }
  | { readonly kind: 'data'; readonly id: number; readonly bytes: Uint8Array }
  | { readonly kind: 'refuse'; readonly id: number; readonly refusal: Uint8Array }
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'tell'; readonly id: 0; readonly name: string; readonly header: Uint8Array };

const HEAD_LENGTH = 9;

/** Kinds by their number on the wire, with the longest payload of each. */
const KINDS = [
  { kind: 'ask', max: 4 + 1 + SERVICE_NAME_LENGTH_MAX + HEADER_LENGTH_MAX },
  { kind: 'admit', max: 0 },
  { kind: 'reply', max: 4 + HEADER_LENGTH_MAX },
  { kind: 'data', max: CALL_DATA_LENGTH_MAX },
  { kind: 'refuse', max: REFUSAL_LENGTH_MAX },
  { kind: 'cancel', max: 0 },
  { kind: 'tell', max: 1 + SERVICE_NAME_LENGTH_MAX + TELL_LENGTH_MAX },
] as const;

/** The bytes of a frame. */
export function encodeFrame(frame: Frame): Uint8Array {
  const payload = encodePayload(frame);
  const kind = KINDS.findIndex((known) => known.kind === frame.kind);
  const head = concat(uint32(payload.length), new Uint8Array([kind]), uint32(frame.id));
  return concat(head, payload);
}

function encodePayload(frame: Frame): Uint8Array {
  switch (frame.kind) {
    case 'ask': {
      const name = toUtf8(frame.name);
      return concat(uint32(frame.bodyLength), new Uint8Array([name.length]), name, frame.header);
    }
    case 'tell': {
      const name = toUtf8(frame.name);
      return concat(new Uint8Array([name.length]), name, frame.header);
    }
    case 'reply':
      return concat(uint32(frame.bodyLength), frame.header);
    case 'data':
      return frame.bytes;
    case 'refuse':
      return frame.refusal;
    case 'admit':
    case 'cancel':
      return new Uint8Array(0);
  }
}

export interface FrameReader {
  /**
   * Hands every frame that `chunk` completes to `onFrame`, in order. Byte strings of a frame are views that are valid during
   * the call only. Throws PROTOCOL; the stream is then of no more use.
   */
  push(chunk: Uint8Array, onFrame: (frame: Frame) => void): void;
  /** True while a frame has begun and not ended. */
  readonly isPartial: boolean;
}

export function createFrameReader(): FrameReader {
  const head = new Uint8Array(HEAD_LENGTH);
  let headFilled = 0;
  let payload: Uint8Array = new Uint8Array(0);
  let payloadFilled = 0;

  function takeHead(chunk: Uint8Array, offset: number): number {
    const taken = Math.min(HEAD_LENGTH - headFilled, chunk.length - offset);
    head.set(chunk.subarray(offset, offset + taken), headFilled);
    headFilled += taken;
    if (headFilled === HEAD_LENGTH) checkHead(head);
    return taken;
  }

  /** Copies into the growing buffer of a frame that comes in several chunks. */
  function collect(part: Uint8Array, length: number): void {
    if (payloadFilled + part.length > payload.length) {
      const grown = new Uint8Array(Math.min(length, 2 * (payloadFilled + part.length)));
      grown.set(payload.subarray(0, payloadFilled));
      payload = grown;
    }
    payload.set(part, payloadFilled);
    payloadFilled += part.length;
  }

  return {
    push(received, onFrame) {
      // libp2p gives Buffers, whose `slice` shares memory where an array's copies.
      const chunk = new Uint8Array(received.buffer, received.byteOffset, received.length);
      let offset = 0;
      while (offset < chunk.length || headFilled === HEAD_LENGTH) {
        if (headFilled < HEAD_LENGTH) {
          offset += takeHead(chunk, offset);
          if (headFilled < HEAD_LENGTH) return;
        }
        const length = read32(head, 0);
        const part = chunk.subarray(offset, offset + length - payloadFilled);
        offset += part.length;
        if (payloadFilled + part.length < length) {
          collect(part, length);
          return;
        }
        // A payload that lies whole in one chunk is not copied.
        if (payloadFilled > 0) collect(part, length);
        const whole = payloadFilled > 0 ? payload : part;
        headFilled = 0;
        payloadFilled = 0;
        payload = new Uint8Array(0);
        onFrame(decodeFrame(head, whole));
      }
    },
    get isPartial() {
      return headFilled > 0;
    },
  };
}

function checkHead(head: Uint8Array): void {
  const known = KINDS[head[4]!];
  if (known === undefined) throw new StoreError('PROTOCOL', `unknown frame kind ${head[4]}`);
  if (read32(head, 0) > known.max) throw new StoreError('PROTOCOL', `${known.kind} frame is too long`);
}

function decodeFrame(head: Uint8Array, payload: Uint8Array): Frame {
  const { kind } = KINDS[head[4]!]!;
  const id = read32(head, 5);
  switch (kind) {
    case 'ask': {
      if (payload.length < 5) throw new StoreError('PROTOCOL', 'ask frame is cut off');
      return { kind, id, bodyLength: read32(payload, 0), ...readNamed(payload.subarray(4), kind) };
    }
    case 'reply':
      if (payload.length < 4) throw new StoreError('PROTOCOL', 'reply frame is cut off');
      return { kind, id, bodyLength: read32(payload, 0), header: payload.subarray(4) };
    case 'data':
      if (payload.length === 0) throw new StoreError('PROTOCOL', 'data frame without data');
      return { kind, id, bytes: payload };
    case 'refuse':
      return { kind, id, refusal: payload };
    case 'admit':
    case 'cancel':
      return { kind, id };
    case 'tell':
      if (id !== 0) throw new StoreError('PROTOCOL', 'tell frame with an id');
      return { kind, id, ...readNamed(payload, kind) };
  }
}

/** Name length, name, and the rest. */
function readNamed(
  bytes: Uint8Array,
  kind: Frame['kind'],
): { readonly name: string; readonly header: Uint8Array } {
  const nameEnd = 1 + (bytes[0] ?? 0);
  if (nameEnd > bytes.length) throw new StoreError('PROTOCOL', `${kind} frame is cut off`);
  return { name: String.fromCharCode(...bytes.subarray(1, nameEnd)), header: bytes.subarray(nameEnd) };
}

/** Caller has checked that offset + 4 <= bytes.length. */
function read32(bytes: Uint8Array, offset: number): number {
  return (
    bytes[offset]! * 2 ** 24 + bytes[offset + 1]! * 2 ** 16 + bytes[offset + 2]! * 2 ** 8 + bytes[offset + 3]!
  );
}
