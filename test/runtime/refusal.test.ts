import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, toUtf8 } from '../../src/base/bytes.ts';
import { ERROR_CODES, StoreError } from '../../src/base/errors.ts';
import type { NodeId } from '../../src/base/ids.ts';
import { REFUSAL_TEXT_MAX } from '../../src/base/limits.ts';
import { decodeRefusal, encodeRefusal, REFUSAL_LENGTH_MAX } from '../../src/runtime/refusal.ts';

const peer = new Uint8Array(32).fill(0xab) as NodeId;

describe('refusals', () => {
  test('code, message and next step arrive, and the message names the peer', () => {
    const sent = new StoreError('FULL', 'quota reached', { next: 'ask another node' });
    const got = decodeRefusal(encodeRefusal(sent), peer);
    expect(got).toMatchObject({
      code: 'FULL',
      message: 'node abababab refused: quota reached',
      next: 'ask another node',
    });
    expect(decodeRefusal(encodeRefusal(new StoreError('BUSY', 'x')), peer).next).toBeUndefined();
  });

  test('the encoding is frozen', () => {
    const bytes = encodeRefusal(new StoreError('FULL', 'no', { next: 'go' }));
    expect(Buffer.from(bytes).toString('hex')).toBe('0446554c4c00026e6f0002676f');
  });

  test('every code arrives, but for ABORTED, which no peer may say', () => {
    for (const code of ERROR_CODES) {
      const expected = code === 'ABORTED' ? 'CLOSED' : code;
      expect(decodeRefusal(encodeRefusal(new StoreError(code, 'x')), peer).code).toBe(expected);
    }
    const forged = concat(new Uint8Array([7]), toUtf8('ABORTED'), new Uint8Array(4));
    expect(decodeRefusal(forged, peer).code).toBe('PROTOCOL');
  });

  test('what is not a StoreError tells the peer nothing about us', () => {
    const got = decodeRefusal(encodeRefusal(new TypeError('/home/somebody/secret is undefined')), peer);
    expect(got).toMatchObject({ code: 'INTERNAL', message: 'node abababab refused: a defect of this node' });
  });

  test('text is cut between characters and cannot steer a terminal, whoever encoded it', () => {
    const long = decodeRefusal(
      encodeRefusal(new StoreError('FULL', 'é'.repeat(1000), { next: 'ü'.repeat(999) })),
      peer,
    );
    expect(toUtf8(long.next!).length).toBe(REFUSAL_TEXT_MAX);
    const text = toUtf8('a\u001b[31m\u202eb\nc\u0000');
    const raw = concat(
      new Uint8Array([4]),
      toUtf8('FULL'),
      new Uint8Array([0, text.length]),
      text,
      new Uint8Array(2),
    );
    expect(decodeRefusal(raw, peer).message).toBe('node abababab refused: a [31m b c ');
  });

  test('any error fits REFUSAL_LENGTH_MAX and comes back; any bytes decode to an error, never a throw', () => {
    const code = fc.constantFrom(...ERROR_CODES);
    fc.assert(
      fc.property(
        code,
        fc.string({ unit: 'binary', maxLength: 700 }),
        fc.string({ maxLength: 700 }),
        (c, message, next) => {
          const bytes = encodeRefusal(new StoreError(c, message, { next }));
          expect(bytes.length).toBeLessThanOrEqual(REFUSAL_LENGTH_MAX);
          expect(decodeRefusal(bytes, peer).message).toMatch(/^node abababab refused: /);
        },
      ),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(decodeRefusal(bytes, peer)).toBeInstanceOf(StoreError);
      }),
    );
  });

  test('truncated, overlong and unknown refusals are PROTOCOL', () => {
    const good = encodeRefusal(new StoreError('FULL', 'no', { next: 'go' }));
    const bad = [new Uint8Array(), good.subarray(0, -1), concat(good, new Uint8Array(1))];
    bad.push(concat(new Uint8Array([3]), toUtf8('ODD'), new Uint8Array(4)));
    for (const bytes of bad) expect(decodeRefusal(bytes, peer).code).toBe('PROTOCOL');
  });
});
