import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, fromHex, toHex, toUtf8, uint32 } from '../../../src/base/bytes.ts';
import { CALL_DATA_LENGTH_MAX, HEADER_LENGTH_MAX, TELL_LENGTH_MAX } from '../../../src/base/limits.ts';
import { createFrameReader, encodeFrame, type Frame } from '../../../src/runtime/control/frames.ts';

const anyId = fc.nat(2 ** 32 - 1);
const anyBytes = fc.uint8Array({ maxLength: 300 });
const anyFrame: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({
    kind: fc.constant('ask' as const),
    id: anyId,
    bodyLength: anyId,
    name: fc.stringMatching(/^[a-z][a-z-]{0,30}$/),
    header: anyBytes,
  }),
  fc.record({ kind: fc.constant('admit' as const), id: anyId }),
  fc.record({ kind: fc.constant('reply' as const), id: anyId, bodyLength: anyId, header: anyBytes }),
  fc.record({
    kind: fc.constant('data' as const),
    id: anyId,
    bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }),
  }),
  fc.record({ kind: fc.constant('refuse' as const), id: anyId, refusal: anyBytes }),
  fc.record({ kind: fc.constant('cancel' as const), id: anyId }),
  fc.record({
    kind: fc.constant('tell' as const),
    id: fc.constant(0 as const),
    name: fc.stringMatching(/^[a-z][a-z-]{0,30}$/),
    header: anyBytes,
  }),
);

describe('call frames', () => {
  test('come out as they went in, however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 6 }), fc.array(fc.nat(40)), (frames, cuts) => {
        const bytes = concat(...frames.map(encodeFrame));
        expect(readAll(cutUp(bytes, cuts))).toEqual(frames.map(plain));
      }),
    );
  });

  test('garbage is refused or waited for, never more', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        try {
          createFrameReader().push(bytes, () => undefined);
        } catch (error) {
          expect(error).toMatchObject({ code: 'PROTOCOL' });
        }
      }),
    );
  });

  test('a frame longer than its kind allows is refused before its payload comes', () => {
    const tooLong = [
      [2, HEADER_LENGTH_MAX + 5],
      [3, CALL_DATA_LENGTH_MAX + 1],
      [1, 1],
      [5, 1],
      [4, 2 ** 32 - 1],
      [6, 65 + TELL_LENGTH_MAX + 1],
    ] as const;
    for (const [kind, length] of tooLong) {
      const head = concat(uint32(length), new Uint8Array([kind]), uint32(1));
      expect(() => createFrameReader().push(head, () => undefined)).toThrow(
        expect.objectContaining({ code: 'PROTOCOL' }),
      );
    }
  });

  test('a kind that does not exist and payloads that are cut off are refused', () => {
    for (const hex of [
      '000000000700000001',
      '00000003060000000101aa00',
      '00000002060000000002aa',
      '000000000600000000',
      '00000004000000000100000000',
      '00000003020000000100000a',
      '000000000300000001',
    ]) {
      expect(() => createFrameReader().push(fromHex(hex), () => undefined)).toThrow(
        expect.objectContaining({ code: 'PROTOCOL' }),
      );
    }
  });

  test('the largest header survives arriving byte by byte', () => {
    const frame: Frame = {
      kind: 'reply',
      id: 7,
      bodyLength: 0,
      header: new Uint8Array(HEADER_LENGTH_MAX).fill(5),
    };
    const bytes = encodeFrame(frame);
    const reader = createFrameReader();
    const seen: Frame[] = [];
    for (let index = 0; index < bytes.length; index++)
      reader.push(bytes.subarray(index, index + 1), (one) => seen.push(one));
    expect(seen).toEqual([frame]);
    expect(reader.isPartial).toBe(false);
  });

  test('frozen vectors', () => {
    const vectors = JSON.parse(
      readFileSync(new URL('../../vectors/call-frames.json', import.meta.url), 'utf8'),
    ) as {
      frames: Record<string, string>;
    };
    const frames: Record<string, Frame> = {
      ask: { kind: 'ask', id: 1, bodyLength: 70_000, name: 'put-piece', header: fromHex('a0') },
      admit: { kind: 'admit', id: 1 },
      reply: { kind: 'reply', id: 0xdeadbeef, bodyLength: 3, header: fromHex('8101') },
      data: { kind: 'data', id: 1, bytes: toUtf8('abc') },
      refuse: { kind: 'refuse', id: 1, refusal: fromHex('0004') },
      cancel: { kind: 'cancel', id: 256 },
      tell: { kind: 'tell', id: 0, name: 'vote', header: fromHex('a1b2') },
    };
    expect(
      Object.fromEntries(Object.entries(frames).map(([name, frame]) => [name, toHex(encodeFrame(frame))])),
    ).toEqual(vectors.frames);
  });
});

function readAll(chunks: Uint8Array[]): Frame[] {
  const reader = createFrameReader();
  const frames: Frame[] = [];
  for (const chunk of chunks) reader.push(chunk, (frame) => frames.push(plain(frame)));
  return frames;
}

/** Copies the views, which do not outlive the call. */
function plain(frame: Frame): Frame {
  return structuredClone(frame);
}

function cutUp(bytes: Uint8Array, cuts: number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let offset = 0;
  for (const cut of cuts) {
    chunks.push(bytes.subarray(offset, offset + cut));
    offset += cut;
  }
  chunks.push(bytes.subarray(offset));
  return chunks;
}
