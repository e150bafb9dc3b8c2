// DER against the X.509 library's parser, and what it refuses.

import 'reflect-metadata';
import { X509Certificate as LibraryCertificate } from '@peculiar/x509';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { StoreError } from '../../../src/base/errors.ts';
import { createCredentials } from '../../../src/runtime/bulk/certificate.ts';
import { decodeDer, encodeDer, encodeTime, TAG } from '../../../src/runtime/bulk/der.ts';
import { nativeSigner } from '../../../src/runtime/crypto.ts';

test('what was encoded is decoded, at every length where the form of the length changes', () => {
  for (const length of [0, 1, 127, 128, 255, 256, 65_535]) {
    const content = new Uint8Array(length).fill(5);
    const bytes = encodeDer(TAG.octetString, content);
    expect(decodeDer(bytes)).toEqual([{ tag: TAG.octetString, content, whole: bytes }]);
    expect(decodeDer(new Uint8Array([...bytes, ...bytes])).length).toBe(2);
  }
});

test.each([
  ['a value that ends early', [0x04, 2, 1]],
  ['a tag alone', [0x04]],
  ['a length that ends early', [0x04, 0x82, 1]],
  ['an indefinite length', [0x30, 0x80, 0, 0]],
  ['a length of three bytes', [0x30, 0x83, 0, 0, 0]],
  ['a tag of several bytes', [0x1f, 0x81, 0]],
])('%s is refused', (_what, bytes) => {
  expect(() => decodeDer(new Uint8Array(bytes))).toThrow(StoreError);
});

test('any bytes are decoded into values that make them up, or refused', () => {
  const check = (bytes: Uint8Array): void => {
    try {
      const whole = decodeDer(bytes).flatMap((value) => [...value.whole]);
      expect(whole).toEqual([...bytes]);
    } catch (error) {
      expect(error).toBeInstanceOf(StoreError);
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), check), { numRuns: 2000 });
});

test('dates have two digits for the year until 2049', () => {
  const text = (timeMs: number): string => Buffer.from(encodeTime(timeMs).subarray(2)).toString('latin1');
  expect(text(Date.UTC(2049, 11, 31, 23, 59, 59, 999))).toBe('491231235959Z');
  expect(text(Date.UTC(2050, 0, 1))).toBe('20500101000000Z');
});

test('the library reads our certificate as we meant it', async () => {
  const notBeforeMs = Date.UTC(2024, 1, 29, 12);
  for (const notAfterMs of [Date.UTC(2034, 0, 1), Date.UTC(2060, 0, 1)]) {
    const signer = nativeSigner(new Uint8Array(32).fill(1));
    const { cert } = await createCredentials(signer, { notBeforeMs, notAfterMs });
    const read = new LibraryCertificate(cert);
    expect([read.notBefore.getTime(), read.notAfter.getTime()]).toEqual([notBeforeMs, notAfterMs]);
    expect(await read.verify()).toBe(true);
    expect(read.extensions.map(({ type, critical }) => [type, critical])).toEqual([
      ['1.3.6.1.4.1.53594.1.1', true],
    ]);
    expect(read.serialNumber.length).toBe(18);
  }
});
