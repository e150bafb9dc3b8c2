import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, fromHex, toHex } from '../../../src/base/bytes.ts';
import { StoreError } from '../../../src/base/errors.ts';
import {
  ANSWER_PREFIX_LENGTH,
  decodeAnswerPrefix,
  decodeHello,
  decodeRequestPrefix,
  encodeAnswer,
  encodeHello,
  encodeRequest,
  HELLO_LENGTH,
  REFUSAL,
  REPLY,
  REQUEST_PREFIX_LENGTH,
} from '../../../src/runtime/bulk/frame.ts';

const network = new Uint8Array(32).fill(0x11);
const proof = new Uint8Array(32).fill(0x22);

describe('the bytes are frozen', () => {
  test('request', () => {
    const bytes = encodeRequest('put-piece', new Uint8Array([0xa0, 0xa1]), 0x1_0000_0002);
    expect(toHex(bytes)).toBe(
      `0209000000020000000100000002${toHex(new TextEncoder().encode('put-piece'))}a0a1`,
    );
  });

  test('reply and refusal', () => {
    expect(toHex(encodeAnswer(REPLY, new Uint8Array([0xa0]), 5))).toBe('03000000010000000000000005a0');
    expect(toHex(encodeAnswer(REFUSAL, new Uint8Array([1, 2]), 0))).toBe('040000000200000000000000000102');
  });

  test('hello, with and without a proof', () => {
    expect(toHex(encodeHello({ network, proof: undefined }))).toBe(
      `014846424c0100${'11'.repeat(32)}${'00'.repeat(32)}`,
    );
    expect(toHex(encodeHello({ network, proof }))).toBe(`014846424c0101${'11'.repeat(32)}${'22'.repeat(32)}`);
  });
});

describe('what is encoded is decoded', () => {
  test('any lengths', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[a-z0-9-]{1,64}$/),
        fc.uint8Array({ maxLength: 300 }),
        fc.maxSafeNat(),
        (name, header, bodyLength) => {
          const request = encodeRequest(name, header, bodyLength);
          const lengths = { headerLength: header.length, bodyLength };
          const prefix = request.subarray(0, REQUEST_PREFIX_LENGTH);
          expect(decodeRequestPrefix(prefix)).toEqual({ nameLength: name.length, ...lengths });
          const reply = encodeAnswer(REPLY, header, bodyLength).subarray(0, ANSWER_PREFIX_LENGTH);
          expect(decodeAnswerPrefix(reply)).toEqual({ type: REPLY, ...lengths });
        },
      ),
    );
  });

  test('hellos', () => {
    for (const hello of [
      { network, proof },
      { network, proof: undefined },
    ]) {
      expect(decodeHello(encodeHello(hello))).toEqual(hello);
    }
  });
});

describe('what is not a frame is refused', () => {
  const hello = encodeHello({ network, proof: undefined });
  const changed = (offset: number, value: number): Uint8Array => {
    const bytes = hello.slice();
    bytes[offset] = value;
    return bytes;
  };

  test('hellos of another protocol or version, with a proof that is not announced, cut or longer', () => {
    expect(() => decodeHello(changed(5, 2))).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }));
    for (const bytes of [
      changed(0, 2),
      changed(1, 0),
      changed(6, 2),
      changed(70, 1),
      hello.subarray(0, -1),
      concat(hello, network),
      new Uint8Array(HELLO_LENGTH),
    ]) {
      expect(() => decodeHello(bytes)).toThrow(expect.objectContaining({ code: 'PROTOCOL' }));
    }
  });

  test('prefixes of another type, without a name, beyond numbers, and refusals with a body', () => {
    for (const hex of [
      '0309000000020000000000000000',
      '0200000000020000000000000000',
      '0209000000020020000000000000',
    ]) {
      expect(() => decodeRequestPrefix(fromHex(hex))).toThrow(expect.objectContaining({ code: 'PROTOCOL' }));
    }
    for (const hex of [
      '02000000010000000000000000',
      '04000000010000000000000001',
      '0300000001ffffffffffffffff',
    ]) {
      expect(() => decodeAnswerPrefix(fromHex(hex))).toThrow(expect.objectContaining({ code: 'PROTOCOL' }));
    }
  });

  test('any bytes decode or are a StoreError', () => {
    const decoders = [decodeHello, decodeRequestPrefix, decodeAnswerPrefix] as const;
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 14, maxLength: HELLO_LENGTH }), fc.nat(2), (bytes, index) => {
        try {
          decoders[index]!(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(StoreError);
        }
      }),
    );
  });
});
